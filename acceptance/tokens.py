"""Bad tokens made from a good one: what an attacker could send in place of it."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

import jwt

from acceptance.client import User

HS256 = "HS256"
HOUR = 3600


def bad_tokens(user: User, stranger: User, key: str) -> dict[str, str]:
    """By kind: tokens that all name `user`, or nobody, and none of which may open what is the user's.

    `key` is the release's own, with which the expired one is signed: only its time is wrong. Raises `ValueError`
    where the user's token is not one that this key has signed, since then nothing could be made from it.
    """
    head, body, signature = parts(user.token)
    claims = read(user.token, key)
    return {
        "garbage": secrets.token_urlsafe(48),
        "garbage in three parts": ".".join(secrets.token_urlsafe(24) for _ in range(3)),
        "expired": signed(claims | {"exp": int(time.time()) - HOUR}, key),
        "signed with another key": signed(claims, secrets.token_urlsafe(48)),
        "signed with an empty key": signed(claims, ""),
        "alg none": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg nOnE": f"{encoded({'alg': 'nOnE', 'typ': 'JWT'})}.{body}.",
        "unsigned": f"{head}.{body}.",
        "without its third part": f"{head}.{body}",
        "tampered: another's, made to name the user": renamed(stranger, user),
        "tampered: the signature": f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "of another purpose": signed({"email": user.email, "exp": int(time.time()) + HOUR}, key),
    }


def read(token: str, key: str) -> dict[str, Any]:
    """The claims of a good token; `ValueError` where the key has not signed it."""
    try:
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[HS256], options={"verify_aud": False})
    except jwt.PyJWTError as error:
        raise ValueError(f"the user's token is not an {HS256} JWT of the release's key: {error}") from error
    return claims


def signed(claims: dict[str, Any], key: str) -> str:
    """A token of these claims, signed as the release signs."""
    message = f"{encoded({'alg': HS256, 'typ': 'JWT'})}.{encoded(claims)}"
    algorithm = jwt.get_algorithm_by_name(HS256)
    return f"{message}.{_text(algorithm.sign(message.encode(), key.encode()))}"


def renamed(stranger: User, user: User) -> str:
    """The stranger's token with its own signature, its claims naming the user instead."""
    head, body, signature = parts(stranger.token)
    claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    if stranger.id not in claims:
        raise ValueError("the stranger's token does not hold the stranger's identifier")
    return f"{head}.{_text(claims.replace(stranger.id, user.id).encode())}.{signature}"


def parts(token: str) -> tuple[str, str, str]:
    """Header, claims and signature as the token has them; `ValueError` where it is no JWT."""
    head, body, signature = token.split(".")
    return head, body, signature


def encoded(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
