"""Checks as tests: the parameters of a level, and the assertion that a check finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from _pytest.mark import ParameterSet

from acceptance import checks
from acceptance.checks import Check
from acceptance.checks.finding import Finding, Untested, merge_renderings, report_findings
from acceptance.checks.places import with_places
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import Level
from acceptance.core.target import Target


def parameters(level: Level, chosen: Callable[[Check], bool] = lambda _: True) -> list[ParameterSet]:
    """Return (check, component) for each check of a level, bound to its rule; `release` where it has no component."""
    return [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(each.rule))
        for each in checks.for_level(level)
        if chosen(each)
    ]


def assert_no_findings(check: Check, component: str, snapshots: Sequence[Snapshot], target: Target) -> None:
    """Report the findings of a check, which is for `component`, in all snapshots.

    Raises:
        FindingsError: There is a blocking finding.
        Untested: No snapshot has what the check needs.
    """
    __tracebackhide__ = True
    assert component == (check.component or "release")
    assert snapshots, "no snapshot"
    findings: list[Finding] = []
    reasons: list[Untested] = []
    for snapshot in snapshots:
        try:
            found = check(snapshot, target)
        except Untested as reason:
            reasons.append(reason)
            continue
        findings += [replace(each, rendering=snapshot.variant) for each in with_places(found, snapshot, target)]
    if len(reasons) == len(snapshots):
        raise reasons[0]
    report_findings(merge_renderings(findings, len(snapshots) - len(reasons)), target)
