"""Invalid tokens made from a valid one, as an attacker could send them."""

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
    """Makes tokens.

    Attributes:
        user: The user whose token is forged.
        other_user: A user whose token is valid only for its own data.
        key: The release's signing key.
    """

    user: User
    other_user: User
    key: str

    def parts(self) -> tuple[str, str, str]:
        """Return the encoded header, claims and signature of the user's token; raises `Untested` if it is not a JWT."""
        return _split(self.user.token)

    def claims(self) -> dict[str, Any]:
        """Return the claims of the user's token; raises `Untested` if it is not signed with the key and HS256."""
        try:
            claims: dict[str, Any] = jwt.decode(
                self.user.token, self.key, algorithms=[HS256], options={"verify_aud": False, "verify_iat": False}
            )
        except jwt.PyJWTError as error:
            raise Untested(f"the user's token is not a {HS256} JWT signed with the release's key: {error}") from error
        return claims

    def reissued(self) -> str:
        """Return a new valid token: the user's claims for another hour, signed with the release's key."""
        return signed(self.claims() | {"exp": int(time.time()) + HOUR}, self.key)

    def expired(self) -> str:
        """Return a token that expired an hour ago."""
        return signed(self.claims() | {"exp": int(time.time()) - HOUR}, self.key)

    def of_another_key(self, key: str) -> str:
        """Return the user's claims signed with another key."""
        return signed(json.loads(_decoded(self.parts()[1])), key)

    def of_another_purpose(self) -> str:
        """Return a token of the same key that is not a session, such as one for e-mail verification."""
        return signed({"email": self.user.email, "exp": int(time.time()) + HOUR}, self.key)

    def with_algorithm(self, name: str) -> str:
        """Return an unsigned token whose header names another algorithm."""
        return f"{_encoded({'alg': name, 'typ': 'JWT'})}.{self.parts()[1]}."

    def with_swapped_subject(self) -> str:
        """Return the other user's token with its signature unchanged, but with the user's identifier in its claims."""
        head, body, signature = _split(self.other_user.token)
        claims = _decoded(body)
        if self.other_user.id not in claims:
            raise Untested("the token does not contain its user's identifier")
        return f"{head}.{_text(claims.replace(self.other_user.id, self.user.id).encode())}.{signature}"

    def altered(self) -> str:
        """Return the user's token with the first character of its signature changed."""
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
"""Makes each kind of invalid token, by name. The backend must not give access to the user's data for any."""


def signed(claims: dict[str, Any], key: str) -> str:
    """Return a token signed as Better Auth does: HS256 with the bytes of the key."""
    message = f"{_encoded({'alg': HS256, 'typ': 'JWT'})}.{_encoded(claims)}"
    return f"{message}.{_text(jwt.get_algorithm_by_name(HS256).sign(message.encode(), key.encode()))}"


def _split(token: str) -> tuple[str, str, str]:
    if token.count(".") != 2:
        raise Untested("the user's token is not a JWT")
    head, body, signature = token.split(".")
    return head, body, signature


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def _encoded(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
