"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.75
"""Of the similarity, from 0 to 1, above which a name is suggested."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name that is most similar to `name`; nothing if none is."""
    similar = difflib.get_close_matches(name, list(known), n=1, cutoff=CUTOFF)
    return f", did you mean {similar[0]}?" if similar else ""
