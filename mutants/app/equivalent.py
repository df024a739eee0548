"""The reviewed list of generated mutants of the application that users would not notice."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from mutants.equivalent import Equivalent

__all__ = ["Equivalent", "find", "load"]

FILE = Path(__file__).with_suffix(".yaml")


@cache
def load() -> tuple[Equivalent, ...]:
    """Return the list."""
    return tuple(Equivalent(**entry) for entry in yaml.safe_load(FILE.read_text(encoding="utf-8")))


def find(mutant: str) -> Equivalent | None:
    """Return the first entry of the list that matches a mutant's name, or None."""
    return next((each for each in load() if each.matches(mutant)), None)
