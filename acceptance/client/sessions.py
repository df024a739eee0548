"""A session: what responses to sign-up and sign-in open it with, whose it is, and when its token expires."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import jwt

from acceptance.checks.finding import Untested
from acceptance.client.tokens import token_in
from acceptance.core.fields import at
from acceptance.core.redaction import MINIMUM_LENGTH
from acceptance.core.target import Auth

LONGEST_USE = 600
"""Seconds for which a token must still be valid when it is taken: an experiment sends it for some minutes."""
ATTEMPT_PAUSE = 30
"""Seconds after a failed sign-in in which a token that is still valid serves without another attempt."""
NO_COOKIE = "the application keeps a session in its pages' scripts, without a cookie: no page can be read as its user"
"""The reason why nothing is asserted about a signed-in user's pages."""


def opened_by(auth: Auth, cookies: Mapping[str, str], body: Any) -> str | None:
    """Return the secret by which a response opens a session, or None if it opens none.

    Args:
        auth: The target's.
        cookies: Those that the response sets.
        body: Its JSON, which has the token where no cookie has.
    """
    return token_in(auth, cookies) if auth.has_cookie else text_in(body, auth.token_field)


def text_in(body: Any, path: str) -> str | None:
    """Return the text under a dotted path of JSON, or None if there is none, or an empty one."""
    found = at(body, path)
    return found if isinstance(found, str) and found else None


def identifier_in(body: Any, path: str) -> str | None:
    """Return the identifier, a text or a number, under a dotted path of JSON; or None."""
    found = at(body, path)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) and found != "" else None


def is_complete(auth: Auth, cookies: Mapping[str, str], body: Any) -> bool:
    """Return whether the response to sign-up gives all that the target expects; else the new user signs in."""
    known = auth.user_field is None or auth.user is not None or identifier_in(body, auth.user_field) is not None
    return known and opened_by(auth, cookies, body) is not None


def names_in(bodies: Iterable[Any]) -> str:
    """Return the names of the fields of each body, with those of the objects in them; no value, which may be secret."""
    return " and ".join(str(sorted(_paths(body))) if isinstance(body, dict) else "no JSON object" for body in bodies)


def _paths(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        yield from (f"{name}.{path}" for path in _paths(value)) if isinstance(value, dict) and value else (name,)


def user_of(auth: Auth, bodies: Sequence[Any], token: str) -> str:
    """Return the identifier of a session's user: in a response, if the target names a field for it, else in the token.

    Args:
        auth: The target's.
        bodies: The JSON of the responses to sign-up and sign-in, or that of `auth.user`.
        token: The session's.

    Raises:
        AssertionError: It is not there.
    """
    if auth.user_field is None:
        return user_id(auth, token)
    found = next((each for body in bodies if (each := identifier_in(body, auth.user_field))), None)
    asked = f"GET {auth.user}" if auth.user else "sign-up and sign-in"
    assert found, f"{asked}: expected the user's identifier in {auth.user_field}, got {names_in(bodies)}"
    return found


def user_id(auth: Auth, token: str) -> str:
    """Return the identifier of a token's user by the target's claim; raises `AssertionError` if it has none."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise AssertionError(
            f"the session's token is no JWT ({error}), and the target names no auth.user_field that identifies the user"
        ) from error
    expected = [auth.user_claim] if auth.user_claim else ["user.id", "sub"]
    found = next((each for name in expected if (each := identifier_in(claims, name))), None)
    assert found, f"expected a token with {' or '.join(expected)}, got one with {sorted(claims)}"
    return found


def is_signed_with_secret(token: str) -> bool:
    """Return whether a token is a JWT that is signed with a shared secret, as its header says."""
    try:
        return str(jwt.get_unverified_header(token).get("alg", "")).startswith("HS")
    except jwt.PyJWTError:
        return False


def claims_in(token: str) -> dict[str, Any]:
    """Return the claims of a token, or none if it is no JWT."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return claims


def expiry(token: str) -> float | None:
    """Return when a token expires, in seconds since the epoch; None where it does not say so."""
    found = claims_in(token).get("exp")
    return float(found) if isinstance(found, int | float) else None


@dataclass(frozen=True)
class Credentials:
    """What a browser keeps of a session: its cookies by name, and the token for the backend."""

    cookies: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    since: float = field(default_factory=time.time)

    def secrets(self) -> set[str]:
        """Return what is kept out of reports: the token, and each cookie's value that is long enough to be a secret."""
        return {value for value in (self.token, *self.cookies.values()) if len(value) >= MINIMUM_LENGTH}

    @property
    def renewed_at(self) -> float:
        """When new credentials are needed: some time before the expiry, or at half the lifetime of a short one.

        Never where the token does not expire, or had expired when it was given: another one would be no better.
        """
        end = expiry(self.token)
        if end is None or end <= self.since:
            return float("inf")
        return end - min(LONGEST_USE, (end - self.since) / 2)


class Session:
    """A user's session, which is opened again before its token expires."""

    def __init__(self, credentials: Credentials, renew: Callable[[], Credentials] | None = None) -> None:
        """Begin with `credentials`; without `renew` they are kept for good."""
        self._credentials = credentials
        self._renew = renew
        self._lock = RLock()
        self._holders = 0
        self._next_attempt = 0.0

    @classmethod
    def of(cls, auth: Auth, cookies: Mapping[str, str]) -> Session:
        """Return the session of a cookie that is the token, which is kept for good."""
        return cls(Credentials(cookies, token_in(auth, cookies) or ""))

    @property
    def credentials(self) -> Credentials:
        """The credentials that are valid now.

        Raises:
            Untested: The token has expired, and none can be obtained.
        """
        with self._lock:
            due = max(self._credentials.renewed_at, self._next_attempt)
            if self._renew and not self._holders and time.time() >= due:
                self._credentials = self._renewed(self._renew)
            return self._credentials

    def _renewed(self, renew: Callable[[], Credentials]) -> Credentials:
        try:
            return renew()
        except AssertionError as error:  # among them the end of a wait
            if time.time() < (expiry(self._credentials.token) or 0):
                self._next_attempt = time.time() + ATTEMPT_PAUSE
                return self._credentials
            raise Untested(f"the user's token has expired, and no other can be obtained: {str(error)[:300]}") from error

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Use no other token within the context, where the key that signs tokens is another one for a while."""
        assert self.credentials
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
