"""Findings, each once, with the levels and the tests that made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from acceptance.report.results import Results
from acceptance.report.sections.section import Evaluation, Section
from acceptance.report.verdict import TestResult


def findings_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `findings`."""
    merged: dict[tuple[str, ...], dict[str, Any]] = {}
    for name, test in results.tests.items():
        for severity, finding in _findings(test):
            entry = merged.setdefault(
                (severity, *finding.values()), {**finding, "severity": severity, "levels": [], "tests": []}
            )
            for key, value in (("levels", test.binding.level), ("tests", name)):
                if value not in entry[key]:
                    entry[key].append(value)
    return {"findings": list(merged.values())}


def _findings(test: TestResult) -> Iterator[tuple[str, dict[str, str]]]:
    """A test's findings with their severity; a plain assertion is a finding of which only the message is known."""
    for classified in test.classified:
        finding = asdict(classified.finding)
        del finding["advice"]
        yield classified.severity, finding
    if test.outcome == "failed" and not any(each.severity == "blocking" for each in test.classified):
        for rule in test.binding.rules:
            object_ = test.binding.part or "release"
            yield "blocking", {"rule": rule, "object": object_, "field": "", "expected": "", "actual": test.reason}


FINDINGS = Section("findings", "Findings", findings_data)
