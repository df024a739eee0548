"""Mutants of a running release."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.charts import Edit


@dataclass(frozen=True)
class Mutant:
    """Chart and application with `edits`, the rule that they break, and the test that must find it.

    `test` is a pytest node ID: one test, or all of one file.
    """

    name: str
    rule: str
    test: str
    edits: tuple[Edit, ...]


def mutant(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    """A mutant; `test` is relative to tests/."""
    return Mutant(name, rule, f"tests/{test}", edits)
