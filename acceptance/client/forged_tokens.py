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
from acceptance.client.identity import UNKNOWN_NUMBER, replaced, unknown_like
from acceptance.client.user import User

HS256 = "HS256"
HOUR = 3600
SECONDS = 3
"""How long ago a token has just expired: more than two clocks differ of which one is known to a second."""


@dataclass(frozen=True)
class Forge:
    """Makes tokens.

    Attributes:
        user: The user whose token is forged.
        other_user: A user whose token is valid only for its own data.
        key: The release's signing key.
        ahead: By how many seconds the release's clock is ahead of this machine's.
    """

    user: User
    other_user: User
    key: str
    ahead: float = 0.0

    def now(self) -> int:
        """Return the time by the release's clock, in seconds since the epoch."""
        return int(time.time() + self.ahead)

    def parts(self) -> tuple[str, str, str]:
        """Return the encoded header, claims and signature of the user's token; raises `Untested` if it is not a JWT."""
        return _split(self.user.token)

    def claims(self) -> dict[str, Any]:
        """Return the claims of the user's token; raises `Untested` if it is not signed with the key and HS256."""
        try:
            claims: dict[str, Any] = jwt.decode(
                self.user.token,
                self.key,
                algorithms=[HS256],
                # What the release itself may leave out, or write as a number.
                options={"verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_jti": False},
            )
        except jwt.PyJWTError as error:
            raise Untested(f"the user's token is not a {HS256} JWT signed with the release's key: {error}") from error
        return claims

    def reissued(self) -> str:
        """Return a new valid token: the user's claims for another hour, signed with the release's key."""
        return self.with_claims()

    def with_claims(self, **changes: object) -> str:
        """Return the user's claims, valid for another hour, with some changed, signed with the release's key."""
        return signed(self.claims() | {"exp": self.now() + HOUR} | changes, self.key)

    def without_expiry(self) -> str:
        """Return a token that never expires."""
        claims = self.claims()
        claims.pop("exp", None)
        return signed(claims, self.key)

    def expired(self) -> str:
        """Return a token that expired an hour ago."""
        return self.with_claims(exp=self.now() - HOUR)

    def just_expired(self) -> str:
        """Return a token that expired some seconds ago, beyond the target's leeway."""
        return self.with_claims(exp=self.now() - self.user.target.auth.leeway_seconds - SECONDS)

    def not_yet_valid(self) -> str:
        """Return a token that is valid from an hour on."""
        return self.with_claims(nbf=self.now() + HOUR, exp=self.now() + 2 * HOUR)

    def extended(self) -> str:
        """Return the user's token with a later expiry, and its signature unchanged."""
        head, body, signature = self.parts()
        claims = _claims(body)
        return f"{head}.{_encoded(claims | {'exp': self.now() + 1000 * HOUR})}.{signature}"

    def of_own_key_in_header(self) -> str:
        """Return the user's claims signed with a key that the token's own header contains."""
        key = secrets.token_bytes(32)
        head = {"alg": HS256, "typ": "JWT", "jwk": {"kty": "oct", "k": _text(key)}}
        return signed(_claims(self.parts()[1]), key, head)

    @property
    def unknown_user(self) -> str:
        """The identifier of a user who does not exist any more, of the same form as the user's."""
        return unknown_like(self.user.id)

    def of_unknown_user(self) -> str:
        """Return a valid token of a user who does not exist any more; raises `Untested` if none can be made."""
        claims = self.claims() | {"exp": self.now() + HOUR}
        return signed(_of_another(claims, self.user.id, self.unknown_user), self.key)

    def truncated(self) -> str:
        """Return the user's token with half of its signature."""
        head, body, signature = self.parts()
        return f"{head}.{body}.{signature[: len(signature) // 2]}"

    def of_another_key(self, key: str) -> str:
        """Return the user's claims signed with another key."""
        return signed(_claims(self.parts()[1]), key)

    def of_another_purpose(self) -> str:
        """Return a token of the same key that is not a session, such as one for e-mail verification.

        Raises `Untested` where the email alone makes a session's token.
        """
        if self.user.target.auth.user_claim == "email":
            raise Untested("a session's token names its user by the email, as one of another purpose does")
        self.claims()
        return signed({"email": self.user.email, "exp": self.now() + HOUR}, self.key)

    def with_algorithm(self, name: str) -> str:
        """Return an unsigned token whose header names another algorithm."""
        return f"{_encoded({'alg': name, 'typ': 'JWT'})}.{self.parts()[1]}."

    def with_swapped_subject(self) -> str:
        """Return the other user's token with its signature unchanged, but with the user's identifier in its claims."""
        head, body, signature = _split(self.other_user.token)
        claims = _of_another(_claims(body), self.other_user.id, self.user.id)
        return f"{head}.{_encoded(claims)}.{signature}"

    def altered(self) -> str:
        """Return the user's token with the first character of its signature changed."""
        head, body, signature = self.parts()
        return f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


BAD_TOKENS: Mapping[str, Callable[[Forge], str]] = {
    "garbage": lambda _: secrets.token_urlsafe(48),
    "garbage in three parts": lambda _: ".".join(secrets.token_urlsafe(24) for _ in range(3)),
    "expired": Forge.expired,
    "expired some seconds ago": Forge.just_expired,
    "without an expiry": Forge.without_expiry,
    "not valid yet": Forge.not_yet_valid,
    "with another expiry": Forge.extended,
    "of another key": lambda forge: forge.of_another_key(secrets.token_urlsafe(48)),
    "of an empty key": lambda forge: forge.of_another_key(""),
    "of a key in its header": Forge.of_own_key_in_header,
    "alg none": lambda forge: forge.with_algorithm("none"),
    "alg nOnE": lambda forge: forge.with_algorithm("nOnE"),
    "unsigned": lambda forge: "{}.{}.".format(*forge.parts()),
    "without a signature": lambda forge: "{}.{}".format(*forge.parts()),
    "tampered claims": Forge.with_swapped_subject,
    "tampered signature": Forge.altered,
    "half a signature": Forge.truncated,
    "of another purpose": Forge.of_another_purpose,
}
"""Makes each kind of invalid token, by name. The backend must not give access to the user's data for any."""


ODD_TOKENS: Mapping[str, Callable[[Forge], str]] = {
    "issued in the future": lambda forge: forge.with_claims(iat=forge.now() + HOUR),
    "with an issue time as text": lambda forge: forge.with_claims(iat="yesterday"),
    "with an expiry as text": lambda forge: forge.with_claims(exp=str(forge.now() + HOUR)),
    "with an expiry that is no number": lambda forge: forge.with_claims(exp="tomorrow"),
    "with an expiry beyond any date": lambda forge: forge.with_claims(exp=10**30),
    "with an audience": lambda forge: forge.with_claims(aud="another application"),
    "with an issuer": lambda forge: forge.with_claims(iss="another issuer"),
    "without a user": lambda forge: forge.with_claims(user=None),
    "with a list as user": lambda forge: forge.with_claims(user=[{"id": forge.user.id}]),
    "with a number as user": lambda forge: forge.with_claims(
        user={"id": UNKNOWN_NUMBER}, session={"userId": UNKNOWN_NUMBER}
    ),
    "with text as session": lambda forge: forge.with_claims(session="session"),
    "with a list as claims": lambda forge: signed([forge.user.id], forge.key),
    "with another algorithm": lambda forge: signed(forge.claims(), forge.key, {"alg": "HS512", "typ": "JWT"}),
    "with an unknown algorithm": lambda forge: signed(forge.claims(), forge.key, {"alg": "HS1024", "typ": "JWT"}),
    "with a number as algorithm": lambda forge: signed(forge.claims(), forge.key, {"alg": 5}),
    "with an extension that must be understood": lambda forge: signed(
        forge.claims(), forge.key, {"alg": HS256, "crit": ["unknown"], "unknown": True}
    ),
    "of characters that are no base64": lambda _: "%%.é.😀",
    "of one dot": lambda _: ".",
    "of two dots": lambda _: "..",
    "of 6 kB": lambda _: "a" * 6000,
}
"""Makes unusual tokens by name. An implementation may accept or refuse them, but must not fail on any."""


def signed(claims: object, key: str | bytes, head: dict[str, Any] | None = None) -> str:
    """Return a token signed as Better Auth does: HS256 with the bytes of the key, whatever the header says."""
    message = f"{_encoded(head or {'alg': HS256, 'typ': 'JWT'})}.{_encoded(claims)}"
    secret = key.encode() if isinstance(key, str) else key
    return f"{message}.{_text(jwt.get_algorithm_by_name(HS256).sign(message.encode(), secret))}"


def _of_another(claims: Any, old: str, new: str) -> Any:
    """Return claims with another user's identifier; raises `Untested` if they have none to replace."""
    changed = replaced(claims, old, new)
    if changed == claims:
        raise Untested("the token does not contain its user's identifier")
    return changed


def _split(token: str) -> tuple[str, str, str]:
    """Return a JWT's parts; raises `Untested` for any other token, which may have two dots too."""
    if token.count(".") != 2 or not token.rpartition(".")[2]:
        raise Untested("the user's token is not a signed JWT")
    head, body, signature = token.split(".")
    _claims(head)
    _claims(body)
    return head, body, signature


def _claims(part: str) -> dict[str, Any]:
    """Return the JSON object that a part of a JWT encodes; raises `Untested` if it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Untested("the user's token is not a JWT")
    return found


def _encoded(value: object) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
