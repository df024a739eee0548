"""Cookies as a browser keeps and sends them, among them the session's, and the headers that carry a token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookies import Morsel

from acceptance.core.target import Auth, Carrier


def kept_cookies(cookies: Mapping[str, str], given: Iterable[tuple[str, Morsel[str]]]) -> dict[str, str]:
    """Return the cookies that a browser has after a response.

    Args:
        cookies: Those that it had, by name.
        given: What the response sets: name and attributes of each.
    """
    kept = dict(cookies)
    for name, cookie in given:
        kept.pop(name, None)
        if cookie.value and not _has_expired(cookie):
            kept[name] = cookie.coded_value
    return kept


def _has_expired(cookie: Morsel[str]) -> bool:
    """Return whether a response removes a cookie; `Max-Age` overrides `Expires` (RFC 6265, section 4.1.2.2)."""
    if re.fullmatch(r"-?\d+", cookie["max-age"]):
        return int(cookie["max-age"]) <= 0
    try:
        expires = parsedate_to_datetime(cookie["expires"])
    except ValueError:
        return False
    return expires.astimezone(UTC) <= datetime.now(UTC)


def cookie_header(cookies: Mapping[str, str]) -> dict[str, str]:
    """Return the header with which a browser sends cookies: none without cookies."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


def token_header(carrier: Carrier, token: str, cookie: str) -> dict[str, str]:
    """Return the header that carries a token alone, in an Authorization header or in a cookie of this name."""
    return {"Authorization": f"Bearer {token}"} if carrier == "bearer" else cookie_header({cookie: token})


def authorization(auth: Auth, cookies: Mapping[str, str], token: str) -> dict[str, str]:
    """Return the header by which the backend knows the user of a session: with the first of the target's carriers."""
    return cookie_header(cookies) if auth.carriers[0] == "cookie" else token_header("bearer", token, auth.cookie)


def token_in(auth: Auth, cookies: Mapping[str, str]) -> str | None:
    """Return what the session's cookie holds, or None; Better Auth splits a long text into `name.0`, `name.1`, …."""
    pieces = {int(piece or 0): cookies[name] for name, piece in _holders(auth, cookies)}
    return "".join(pieces[number] for number in sorted(pieces)) or None


def token_cookie(auth: Auth, cookies: Mapping[str, str]) -> str:
    """Return the name of the cookie that holds the token: with a prefix where browsers use https."""
    return next((name.removesuffix(f".{piece}") for name, piece in _holders(auth, cookies)), auth.cookie)


def _holders(auth: Auth, cookies: Iterable[str]) -> list[tuple[str, str]]:
    """Return the cookies that hold the token or a piece of it: their names, and the piece's number or an empty text."""
    pattern = re.compile(rf"{re.escape(auth.cookie)}(?:\.(\d+))?$")
    return [(name, match[1] or "") for name in cookies if (match := pattern.search(name))]
