"""Each rule at each level: result, reasons and tests; and the rules of each entity at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.core.rules import LEVELS, Rule
from acceptance.report.results import Picture, Results
from acceptance.report.sections.section import Evaluation, Section
from acceptance.report.verdict import LevelResult, worst


def rules_data(_results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Return `rules`: each rule with the result of each of its levels."""
    return {
        "rules": {
            identifier: {
                "entity": (rule := evaluation.rules[identifier]).entity,
                "text": rule.text,
                "part": rule.part,
                "source": rule.source,
                "result": worst(level.outcome for level in levels.values()),
                "levels": {name: _level(rule, level) for name, level in levels.items()},
            }
            for identifier, levels in evaluation.levels.items()
        }
    }


def _level(rule: Rule, level: LevelResult) -> dict[str, Any]:
    tests = []
    for test in level.tests:
        result, reason = test.of(rule.id)
        tests.append({"test": test.binding.test, "part": test.binding.part, "result": result, "reason": reason})
    parts = {name: {"result": part.outcome, "reason": part.reason} for name, part in level.parts.items()}
    return {"result": level.outcome, "parts": parts, "tests": tests}


def rules_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `entities` in the rules' order, with their rules and the number of levels by result; and `reasons`."""
    entities: dict[str, dict[str, Any]] = {}
    for identifier, rule in signoff["rules"].items():
        entity = entities.setdefault(rule["entity"], {"rules": {}, "levels": {level: Counter() for level in LEVELS}})
        entity["rules"][identifier] = rule
        for level, result in rule["levels"].items():
            entity["levels"][level][result["result"]] += 1
    return {"entities": entities, "reasons": _reasons}


def _reasons(rule: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str]]]:
    """Return why a rule's levels did not pass; parts are named where they differ."""
    reasons = []
    for level, result in rule["levels"].items():
        parts = result["parts"]
        same = len({(part["result"], part["reason"]) for part in parts.values()}) == 1
        for name, part in parts.items() if not same else [("", next(iter(parts.values())))]:
            if part["result"] != "passed":
                reasons.append((f"{level}, {name}" if name else level, part))
    return reasons


GLANCE = Section("glance", "At a glance")
"""Its template uses the context of `RULES`."""
RULES = Section("rules", "Rules", rules_data, rules_context)
