"""Finds known secrets in texts: whole or in part, in every form in which they are usually written."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from acceptance.core.redaction import written_forms
from acceptance.core.secret_scan import looks_random

MINIMUM = 8
"""Characters; a shorter secret counts only where it is the whole text, since it occurs in ordinary words."""
PIECE, STRIDE = 8, 4
"""A part of at least PIECE + STRIDE - 1 characters contains one of the pieces that are searched for."""


def leaked_secrets(text: str, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of the secrets that a text contains, encoded or in part too."""
    for name, secret in secrets.items():
        whole, pieces = _searched(secret)
        if text == secret != "" or any(form in text for form in whole):
            yield name
        elif any(piece in text for piece in pieces):
            yield f"{name} in part"


def confidential_parts(secret: str) -> tuple[str, ...]:
    """Return what of a secret must stay secret: of a URL its password, raw and decoded, else all of it."""
    try:
        password = urlsplit(secret).password if "://" in secret else None
    except ValueError:
        password = None
    return tuple(dict.fromkeys((password, unquote(password)))) if password else (secret,)


@lru_cache(maxsize=256)
def _searched(secret: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the forms of a secret, and pieces of it if it is random."""
    forms: set[str] = set()
    pieces: list[str] = []
    for part in (secret, *confidential_parts(secret)):
        if len(part) >= MINIMUM:
            twice = base64.b64encode(base64.b64encode(part.encode())).decode()
            forms |= {*written_forms(part), part.encode().hex(), twice.rstrip("=")}
    for part in confidential_parts(secret):
        core = part.removeprefix("sk-proj-")
        if looks_random(core):
            encoded = base64.b64encode(part.encode()).decode().rstrip("=")
            for text in (core, encoded):
                pieces += [text[start : start + PIECE] for start in range(0, len(text) - PIECE + 1, STRIDE)]
    return tuple(form for form in forms if len(form) >= MINIMUM), tuple(dict.fromkeys(pieces))
