"""The reviewed list of generated mutants that users would not notice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Equivalent:
    """A pattern of mutants' names, in which `*` stands for any text, and why users would not notice them."""

    pattern: str
    reason: str

    def matches(self, mutant: str) -> bool:
        """Whether the pattern is of this mutant."""
        return re.fullmatch(".*".join(map(re.escape, self.pattern.split("*"))), mutant) is not None


@cache
def load() -> tuple[Equivalent, ...]:
    """Return the list."""
    return tuple(Equivalent(**entry) for entry in yaml.safe_load(FILE.read_text(encoding="utf-8")))


def find(mutant: str) -> Equivalent | None:
    """Return the first entry of the list that matches a mutant, or None."""
    return next((each for each in load() if each.matches(mutant)), None)
