"""Findings by rule and object, with the levels and the tests that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.checks.grouping import SEVERITIES, GroupedField, GroupedFinding, format_renderings, group
from acceptance.report.finding_text import repeat_command
from acceptance.report.results import Picture, Results
from acceptance.report.sections.section import Evaluation, Section
from acceptance.report.verdict import TestResult


def findings_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `findings`."""
    tests_of: dict[tuple[str, str, str], list[TestResult]] = {}
    every: list[ClassifiedFinding] = []
    for test in results.tests.values():
        for each in _findings(test):
            every.append(each)
            tests = tests_of.setdefault((each.finding.rule, each.finding.object, each.severity), [])
            if test not in tests:
                tests.append(test)
    return {
        "findings": [_data(each, tests_of[each.rule, each.object, each.severity], results) for each in group(every)],
    }


def _data(finding: GroupedFinding, tests: list[TestResult], results: Results) -> dict[str, Any]:
    first = finding.fields[0]
    names = [test.binding.test for test in tests]
    return {
        "rule": finding.rule,
        "object": finding.object,
        "field": first.field,
        "expected": first.expected,
        "actual": first.actual,
        "fields": [_field(each) for each in finding.fields],
        "file": finding.file,
        "values": list(finding.values),
        "severity": finding.severity,
        "levels": list(dict.fromkeys(str(test.binding.level) for test in tests)),
        "tests": names,
        "command": repeat_command(results.python, names, results.options),
    }


def _field(field: GroupedField) -> dict[str, str]:
    return {
        "field": field.field,
        "expected": field.expected,
        "actual": field.actual,
        "occurs": format_renderings(field.renderings) if field.renderings else "",
        "place": str(field.place),
        "see": field.see,
    }


def _findings(test: TestResult) -> Iterator[ClassifiedFinding]:
    """Yield a test's findings; a plain assertion is a finding of which only the message is known."""
    yield from test.classified
    if test.outcome == "failed" and not any(each.severity == "blocking" for each in test.classified):
        for rule in test.binding.rules:
            yield ClassifiedFinding(Finding(rule, test.binding.part or "release", "", "", test.reason), "blocking")


def findings_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `found`: the findings of each rule by severity; and `objects`, the names that they are about by rule."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {severity: {} for severity in SEVERITIES}
    objects: dict[str, dict[str, None]] = {}
    for finding in signoff["findings"]:
        found[finding["severity"]].setdefault(finding["rule"], []).append(finding)
        objects.setdefault(finding["rule"], {})[finding["object"]] = None
    return {"found": found, "objects": {rule: list(names) for rule, names in objects.items()}}


FINDINGS = Section("findings", "Findings", findings_data, findings_context)
