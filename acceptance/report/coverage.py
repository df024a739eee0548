"""Which levels of which rules have no test yet: `spec/coverage-gaps.yaml`, a list that only shrinks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from acceptance.core.rules import ROOT, Rule
from acceptance.report.verdict import RuleBinding

COVERAGE_GAPS_FILE = ROOT / "spec" / "coverage-gaps.yaml"


def load_coverage_gaps(path: Path = COVERAGE_GAPS_FILE) -> dict[str, tuple[str, ...]]:
    """The open levels by rule, each `level`, or `level/part` where only that part has no test."""
    document: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {rule: tuple(levels) for rule, levels in document.items()}


def untested_levels(rules: Iterable[Rule], ties: Sequence[RuleBinding]) -> dict[str, tuple[str, ...]]:
    """The levels of every rule that no test stands for, as `load_coverage_gaps` writes them."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        names: list[str] = []
        parts = rule.components or ("release",)
        for level in rule.levels:
            bare = [part for part in parts if not any(tie.covers(rule, level, part) for tie in ties)]
            names += [level] if len(bare) == len(parts) else [f"{level}/{part}" for part in bare]
        if names:
            found[rule.id] = tuple(names)
    return found


def mistakes(coverage_gaps: Mapping[str, Sequence[str]], untested: Mapping[str, Sequence[str]]) -> list[str]:
    """What is wrong with the list: a level without a test that it does not name, or one that it need not."""
    return [
        *(
            f"{rule}: {level}: no test, and not in the list of open levels"
            for rule, levels in untested.items()
            for level in levels
            if level not in coverage_gaps.get(rule, ())
        ),
        *(
            f"{rule}: {level}: in the list of open levels, but tested or no level of the rule: take it out"
            for rule, levels in coverage_gaps.items()
            for level in levels
            if level not in untested.get(rule, ())
        ),
    ]
