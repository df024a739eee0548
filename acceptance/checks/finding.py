"""Findings: each is one violated clause of one rule at one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from acceptance.core import rules
from acceptance.core.target import Target, Waiver

Severity = Literal["blocking", "advice", "waived"]
"""What a finding does to the release: rejects it, advises, or is waived by the target."""


@dataclass(frozen=True)
class Place:
    """Where a finding's field is written: the chart's file, the line in it, and the value that controls the field.

    What is not known for certain is absent.
    """

    file: str = ""
    line: int | None = None
    value: str = ""
    """A dotted path of the chart's values."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


UNKNOWN = Place()


@dataclass(frozen=True)
class Finding:
    """One violated clause: `object` as `Kind/name`, `field` a path in it, the expected and the actual value.

    `advice` marks a finding that does not reject the release: a derived rule on a target that is not strict.
    `rendering` names the rendering that shows it; it is empty if every judged one does.
    """

    rule: str
    object: str
    field: str
    expected: str
    actual: str
    advice: bool = False
    rendering: str = ""
    place: Place = UNKNOWN

    def __str__(self) -> str:
        return f"{self.rule}: {self.object}: {self.field}: expected {self.expected}, actual {self.actual}"


def of_derived_part(findings: Iterable[Finding], target: Target) -> list[Finding]:
    """Return findings of the derived part of a rule: advice, unless the target is strict."""
    return [replace(each, advice=each.advice or not target.strict) for each in findings]


def merge_renderings(findings: Iterable[Finding], judged: int) -> list[Finding]:
    """Return the findings; those that all of the `judged` renderings show appear once and name none."""
    found = list(findings)
    shared = Counter(replace(each, rendering="", place=UNKNOWN) for each in dict.fromkeys(found))
    merged: dict[Finding, Finding] = {}
    for each in found:
        common = replace(each, rendering="", place=UNKNOWN)
        if shared[common] == judged:
            merged.setdefault(common, replace(each, rendering=""))
        else:
            merged[each] = each
    return list(merged.values())


class FindingsError(AssertionError):
    """Raised by a test with blocking findings; pytest shows each on a line."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True)
class ClassifiedFinding:
    """A finding and what it does to the release; `waiver` is the target's where it is waived."""

    finding: Finding
    severity: Severity
    waiver: Waiver | None = None


def classify(finding: Finding, target: Target, today: date) -> ClassifiedFinding:
    """Return what `finding` does to a release of `target`.

    A broken derived rule is advice unless the target is strict; a waiver holds to the end of its day `until`.
    """
    derived = finding.rule in rules.load() and rules.load()[finding.rule].source == "derived"
    if finding.advice or (derived and not target.strict):
        return ClassifiedFinding(finding, "advice")
    for waiver in target.waivers:
        if (waiver.rule, waiver.object) == (finding.rule, finding.object) and today <= waiver.until:
            return ClassifiedFinding(finding, "waived", waiver)
    return ClassifiedFinding(finding, "blocking")


_journal: ContextVar[list[ClassifiedFinding] | None] = ContextVar("journal", default=None)


@contextmanager
def capture_findings() -> Iterator[list[ClassifiedFinding]]:
    """Give every finding that `report_findings` classifies within, in order; the plugin does so for each test."""
    kept: list[ClassifiedFinding] = []
    token = _journal.set(kept)
    try:
        yield kept
    finally:
        _journal.reset(token)


def report_findings(findings: Iterable[Finding], target: Target) -> None:
    """Record every finding of a test, and raise `FindingsError` with the blocking ones.

    A test reports all its findings in one call, of all the rules that it is bound to: a finding fails its own rule
    only, and the test's other rules pass.
    """
    __tracebackhide__ = True
    judged = [classify(finding, target, date.today()) for finding in findings]
    if (kept := _journal.get()) is not None:
        kept.extend(judged)
    if counting := [each.finding for each in judged if each.severity == "blocking"]:
        raise FindingsError(counting)


class Untested(Exception):  # noqa: N818 - a verdict, not an error
    """Raised where a rule can't be asserted; the message is the reason, which the report shows.

    Attributes:
        cause: The finding of another rule that leaves nothing to assert.
    """

    def __init__(self, reason: str, cause: Finding | None = None) -> None:
        super().__init__(reason)
        self.cause = cause


class Waived(Untested):
    """Raised where the target sets a rule aside, such as by naming another platform; the message says how."""
