"""Identifiers as the API, a token and PostgreSQL write them: as text or number, a UUID in either case."""

from __future__ import annotations

import re
from typing import Any

UNKNOWN_USER = "nobody-any-more"
UNKNOWN_NUMBER = 2_000_000_019
"""Fits PostgreSQL's `integer`, and no table of a test has as many rows."""
_UNKNOWN_UUID = "00000000-0000-4000-8000-000000000019"
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)
_OF_USER = re.compile(r"sub|uid|id|.*(?:user|owner|account).*", re.I)
_TIMES = ("exp", "iat", "nbf")


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID, with or without hyphens."""
    return _UUID.fullmatch(text) is not None


def canonical(identifier: object) -> str:
    """Return the one text for an identifier, whatever its type and case are."""
    text = str(identifier)
    return text.replace("-", "").lower() if is_uuid(text) else text


def same(one: object, other: object) -> bool:
    """Return whether two values are the same identifier. None, true and false are never identifiers."""
    if any(value is None or isinstance(value, bool) for value in (one, other)):
        return False
    return canonical(one) == canonical(other)


def unknown_like(identifier: str) -> str:
    """Return an identifier of the same form that nobody has."""
    if identifier.isdecimal():
        return str(UNKNOWN_NUMBER)
    return _UNKNOWN_UUID if is_uuid(identifier) else UNKNOWN_USER


def replaced(claims: Any, old: str, new: str) -> Any:
    """Return claims with one identifier in place of another, of the same JSON type; the same claims if it is in none.

    Only claims that are named like a user are changed, where there are such: a small number may stand for other things
    too. Times never change.
    """
    changed = _replaced(claims, old, new, named=True)
    return changed if changed != claims else _replaced(claims, old, new, named=False)


def _replaced(value: Any, old: str, new: str, *, named: bool, name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            key: each if key in _TIMES else _replaced(each, old, new, named=named, name=key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_replaced(each, old, new, named=named, name=name) for each in value]
    if not same(value, old) or (named and not _OF_USER.fullmatch(name)):
        return value
    return int(new) if isinstance(value, int) and new.isdecimal() else new
