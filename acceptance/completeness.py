"""Which levels of which rules have no test yet: `spec/open-levels.yaml`, a list that only shrinks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from acceptance.rules import ROOT, Rule
from acceptance.verdict import RuleBinding

OPEN_LEVELS_FILE = ROOT / "spec" / "open-levels.yaml"


def load_open_levels(path: Path = OPEN_LEVELS_FILE) -> dict[str, tuple[str, ...]]:
    """The open levels by rule, each `level`, or `level/part` where only that part has no test."""
    document: dict[str, list[str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {rule: tuple(levels) for rule, levels in document.items()}


def untested_levels(rules: Iterable[Rule], ties: Sequence[RuleBinding]) -> dict[str, tuple[str, ...]]:
    """The levels of every rule that no test stands for, as `load_open_levels` writes them."""
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


def mistakes(open_levels: Mapping[str, Sequence[str]], untested: Mapping[str, Sequence[str]]) -> list[str]:
    """What is wrong with the list: a level without a test that it does not name, or one that it need not."""
    return [
        *(
            f"{rule}: {level}: no test, and not in the list of open levels"
            for rule, levels in untested.items()
            for level in levels
            if level not in open_levels.get(rule, ())
        ),
        *(
            f"{rule}: {level}: in the list of open levels, but tested or no level of the rule: take it out"
            for rule, levels in open_levels.items()
            for level in levels
            if level not in untested.get(rule, ())
        ),
    ]
