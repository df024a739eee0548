"""From checks to tests: parameters of a level, and a check over snapshots asserted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from _pytest.mark import ParameterSet

from acceptance import checks
from acceptance.checks import Check
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.snapshot import DEFAULTS, Snapshot
from acceptance.core.rules import Level, load
from acceptance.core.target import Target


def parameters(level: Level, chosen: Callable[[Check], bool] = lambda _: True) -> list[ParameterSet]:
    """(check, component) for each check of the level, tied to its rule; `release` where it names no component."""
    return [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(each.rule))
        for each in checks.for_level(level)
        if chosen(each)
    ]


def entity(name: str) -> Callable[[Check], bool]:
    """Checks of the rules of one entity, as `spec/rules.yaml` groups them."""
    return lambda check: load()[check.rule].entity == name


def assert_none(check: Check, component: str, snapshots: Sequence[Snapshot], target: Target) -> None:
    """No finding of the check, which is for `component`, in any snapshot; `Untested` where none of them can tell."""
    __tracebackhide__ = True
    assert component == (check.component or "release")
    assert snapshots, "no snapshot to look at"
    findings: list[Finding] = []
    reasons: list[Untested] = []
    for snapshot in snapshots:
        try:
            found = check(snapshot, target)
        except Untested as reason:
            reasons.append(reason)
            continue
        told = snapshot.variant != DEFAULTS
        findings += [replace(each, field=f"{each.field} ({snapshot.variant})") if told else each for each in found]
    if len(reasons) == len(snapshots):
        raise reasons[0]
    report_findings(findings, target)
