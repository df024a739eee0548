"""Coverage of the rules by tests; `spec/coverage-gaps.yaml` lists the levels that have no test yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from acceptance.core.rules import ROOT, Rule
from acceptance.report.verdict import RuleBinding

COVERAGE_GAPS_FILE = ROOT / "spec" / "coverage-gaps.yaml"


def load_coverage_gaps(path: Path = COVERAGE_GAPS_FILE) -> dict[str, tuple[str, ...]]:
    """Return the listed gaps by rule, each as `level`, or as `level/part` where only that part has no test."""
    document: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {rule: tuple(levels) for rule, levels in document.items()}


def untested_levels(rules: Iterable[Rule], bindings: Sequence[RuleBinding]) -> dict[str, tuple[str, ...]]:
    """Return the levels of every rule that no test covers, in the form of `load_coverage_gaps`."""
    untested: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        names: list[str] = []
        parts = rule.components or ("release",)
        for level in rule.levels:
            missing = [part for part in parts if not any(each.covers(rule, level, part) for each in bindings)]
            names += [level] if len(missing) == len(parts) else [f"{level}/{part}" for part in missing]
        if names:
            untested[rule.id] = tuple(names)
    return untested


def mistakes(coverage_gaps: Mapping[str, Sequence[str]], untested: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the differences between the listed gaps and the untested levels, a sentence each."""
    return [
        *(
            f"{rule}: {level}: no test, and not listed as a gap"
            for rule, levels in untested.items()
            for level in levels
            if level not in coverage_gaps.get(rule, ())
        ),
        *(
            f"{rule}: {level}: listed as a gap, but tested or not a level of the rule: remove it"
            for rule, levels in coverage_gaps.items()
            for level in levels
            if level not in untested.get(rule, ())
        ),
    ]
