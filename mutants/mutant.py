"""A way of breaking a release that runs."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.charts import Edit


@dataclass(frozen=True)
class Mutant:
    """A copy of chart and application with `edits`, the rule that it breaks, and the tests that must see it."""

    name: str
    rule: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def mutant(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    """The mutant that one test must see, or all of one file; its place is under tests/."""
    return Mutant(name, rule, (f"tests/{test}",), edits)
