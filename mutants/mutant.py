"""A way of breaking a release that runs."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.charts import Edit


@dataclass(frozen=True)
class Mutant:
    """A copy of chart and application with `edits`, the rule that it breaks, and the test that must see it.

    `test` is a pytest node ID: one test, or all of one file.
    """

    name: str
    rule: str
    test: str
    edits: tuple[Edit, ...]


def mutant(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    """The mutant that a test must see, whose place is under tests/."""
    return Mutant(name, rule, f"tests/{test}", edits)
