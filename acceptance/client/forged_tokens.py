"""Bad tokens made from a good one: what an attacker could send in place of it."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from acceptance.checks.finding import Untested
from acceptance.client.user import User

HS256 = "HS256"
HOUR = 3600


@dataclass(frozen=True)
class Forge:
    """Makes tokens of `user`'s, of another user's, and of the key with which the release signs."""

    user: User
    stranger: User
    key: str

    def parts(self) -> tuple[str, str, str]:
        """Header, claims and signature of the user's token as it has them; `Untested` where it is no JWT."""
        return _split(self.user.token)

    def claims(self) -> dict[str, Any]:
        """The claims of the user's token; `Untested` where the key has not signed it with HS256."""
        try:
            claims: dict[str, Any] = jwt.decode(
                self.user.token, self.key, algorithms=[HS256], options={"verify_aud": False, "verify_iat": False}
            )
        except jwt.PyJWTError as error:
            raise Untested(f"the user's token is no {HS256} JWT of the release's key: {error}") from error
        return claims

    def reissued(self) -> str:
        """A good token that is new: the user's claims for another hour, signed with the release's key."""
        return signed(self.claims() | {"exp": int(time.time()) + HOUR}, self.key)

    def expired(self) -> str:
        return signed(self.claims() | {"exp": int(time.time()) - HOUR}, self.key)

    def of_another_key(self, key: str) -> str:
        return signed(json.loads(_decoded(self.parts()[1])), key)

    def of_another_purpose(self) -> str:
        """What the same key signs that is no session, such as the token of a mail's verification."""
        return signed({"email": self.user.email, "exp": int(time.time()) + HOUR}, self.key)

    def with_algorithm(self, name: str) -> str:
        return f"{_encoded({'alg': name, 'typ': 'JWT'})}.{self.parts()[1]}."

    def with_swapped_subject(self) -> str:
        """The stranger's token with its own signature, its claims naming the user instead."""
        head, body, signature = _split(self.stranger.token)
        claims = _decoded(body)
        if self.stranger.id not in claims:
            raise Untested("a token does not hold its user's identifier")
        return f"{head}.{_text(claims.replace(self.stranger.id, self.user.id).encode())}.{signature}"

    def altered(self) -> str:
        """The user's token with another first character in its signature."""
        head, body, signature = self.parts()
        return f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


BAD_TOKENS: Mapping[str, Callable[[Forge], str]] = {
    "garbage": lambda _: secrets.token_urlsafe(48),
    "garbage in three parts": lambda _: ".".join(secrets.token_urlsafe(24) for _ in range(3)),
    "expired": Forge.expired,
    "of another key": lambda forge: forge.of_another_key(secrets.token_urlsafe(48)),
    "of an empty key": lambda forge: forge.of_another_key(""),
    "alg none": lambda forge: forge.with_algorithm("none"),
    "alg nOnE": lambda forge: forge.with_algorithm("nOnE"),
    "unsigned": lambda forge: "{}.{}.".format(*forge.parts()),
    "without a signature": lambda forge: "{}.{}".format(*forge.parts()),
    "tampered claims": Forge.with_swapped_subject,
    "tampered signature": Forge.altered,
    "of another purpose": Forge.of_another_purpose,
}
"""Every kind of bad token by its name: each names the user, or nobody, and none may open what is the user's."""


def signed(claims: dict[str, Any], key: str) -> str:
    """A token of these claims, signed as Better Auth signs: HS256 with the key's own bytes."""
    message = f"{_encoded({'alg': HS256, 'typ': 'JWT'})}.{_encoded(claims)}"
    return f"{message}.{_text(jwt.get_algorithm_by_name(HS256).sign(message.encode(), key.encode()))}"


def _split(token: str) -> tuple[str, str, str]:
    if token.count(".") != 2:
        raise Untested("the user's token is no JWT")
    head, body, signature = token.split(".")
    return head, body, signature


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def _encoded(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
