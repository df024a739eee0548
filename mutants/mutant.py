"""Mutants of a running release."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.charts import Edit


@dataclass(frozen=True)
class Mutant:
    """Edits of chart or application that break a rule, and the test that must fail.

    `test` is a pytest node ID: a test, or a file with all its tests.
    """

    name: str
    rule: str
    test: str
    edits: tuple[Edit, ...]


def mutant(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    """Return a mutant; `test` is relative to tests/."""
    return Mutant(name, rule, f"tests/{test}", edits)
