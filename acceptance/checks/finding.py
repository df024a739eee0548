"""Findings: a violated clause of a rule at one place, and its severity for the release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Literal

from acceptance.core import rules
from acceptance.core.target import Target, Waiver

Severity = Literal["blocking", "advice", "waived"]
"""blocking: rejects the release; advice: does not; waived: the target has a waiver for it."""


@dataclass(frozen=True)
class Finding:
    """One violated clause: `object` as `Kind/name`, `field` a path in it, the expected and the actual value.

    `advice` marks a finding that does not reject the release: a derived rule on a target that is not strict.
    """

    rule: str
    object: str
    field: str
    expected: str
    actual: str
    advice: bool = False

    def __str__(self) -> str:
        return f"{self.rule}: {self.object}: {self.field}: expected {self.expected}, actual {self.actual}"


class FindingsError(AssertionError):
    """A test's blocking findings; the message is one line per finding."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True)
class ClassifiedFinding:
    """A finding with its severity; `waiver` is the target's waiver of a waived finding."""

    finding: Finding
    severity: Severity
    waiver: Waiver | None = None


def classify(finding: Finding, target: Target, today: date) -> ClassifiedFinding:
    """Return the finding with its severity for a release of `target`.

    A violated derived rule is advice unless the target is strict; a waiver is valid to the end of its day `until`.
    """
    derived = finding.rule in rules.load() and rules.load()[finding.rule].source == "derived"
    if finding.advice or (derived and not target.strict):
        return ClassifiedFinding(finding, "advice")
    for waiver in target.waivers:
        if (waiver.rule, waiver.object) == (finding.rule, finding.object) and today <= waiver.until:
            return ClassifiedFinding(finding, "waived", waiver)
    return ClassifiedFinding(finding, "blocking")


_captured: ContextVar[list[ClassifiedFinding] | None] = ContextVar("captured", default=None)


@contextmanager
def capture_findings() -> Iterator[list[ClassifiedFinding]]:
    """Collect every finding passed to `report_findings` in this context, in order."""
    captured: list[ClassifiedFinding] = []
    token = _captured.set(captured)
    try:
        yield captured
    finally:
        _captured.reset(token)


def report_findings(findings: Iterable[Finding], target: Target) -> None:
    """Record every finding of a test, and fail the test if any is blocking.

    A test reports the findings of all its rules in one call: a finding fails its own rule only, and the test's other
    rules pass.

    Raises:
        FindingsError: At least one finding is blocking.
    """
    __tracebackhide__ = True
    classified = [classify(finding, target, date.today()) for finding in findings]
    if (captured := _captured.get()) is not None:
        captured.extend(classified)
    if blocking := [each.finding for each in classified if each.severity == "blocking"]:
        raise FindingsError(blocking)


class Untested(Exception):  # noqa: N818 - a verdict, not an error
    """A rule can't be judged; the message is the reason, which the report shows."""


class Waived(Exception):  # noqa: N818 - a verdict, not an error
    """The target itself exempts a rule, such as by another platform; the message is the reason."""
