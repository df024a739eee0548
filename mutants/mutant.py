"""Mutants of a running release."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.edits import Edit


@dataclass(frozen=True)
class Mutant:
    """Edits of chart or application that break a rule, and the test that must fail.

    `test` is a pytest node ID: a test, or a file with all its tests. `experiment` is one of a test that runs before it,
    where `test` judges the experiments of other tests.
    """

    name: str
    rule: str
    test: str
    edits: tuple[Edit, ...]
    experiment: str = ""


def mutant(name: str, rule: str, test: str, *edits: Edit, experiment: str = "") -> Mutant:
    """Return a mutant; `test` and `experiment` are relative to tests/."""
    return Mutant(name, rule, f"tests/{test}", edits, experiment and f"tests/{experiment}")
