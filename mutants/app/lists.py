"""The reviewed lists of generated mutants of the application: those nobody notices, and those judged elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from mutants.app.mutant import Mutant
from mutants.equivalent import Equivalent

EQUIVALENT = Path(__file__).with_name("equivalent.yaml")
"""What no user, operator or client could notice, or what no rule states."""
ELSEWHERE = Path(__file__).with_name("elsewhere.yaml")
"""What the tests of the application alone can't judge, and others do."""


@cache
def load(file: Path) -> tuple[Equivalent, ...]:
    """Return a list."""
    return tuple(Equivalent(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8")))


def find(file: Path, mutant: Mutant) -> Equivalent | None:
    """Return the first entry of a list that matches a mutant's name, or None."""
    return next((each for each in load(file) if each.matches(mutant.name)), None)
