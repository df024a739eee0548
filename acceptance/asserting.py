"""From checks to tests: parameters of a level, and a check over snapshots asserted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from _pytest.mark import ParameterSet

from acceptance import checks
from acceptance.checks import Check
from acceptance.finding import Finding, Untested, accept
from acceptance.rules import Level
from acceptance.snapshot import DEFAULTS, Snapshot
from acceptance.target import Target
from acceptance.verdict import untested


def parameters(level: Level, chosen: Callable[[Check], bool] = lambda _: True) -> list[ParameterSet]:
    """(check, component) for each check of the level, tied to its rule; `release` where it names no component."""
    return [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(each.rule))
        for each in checks.at(level)
        if chosen(each)
    ]


@contextmanager
def judging() -> Iterator[None]:
    """What can't be judged in here ends the test as untested, with the reason."""
    try:
        yield
    except Untested as reason:
        untested(str(reason))


def assert_none(check: Check, snapshots: Iterable[Snapshot], target: Target) -> None:
    """No finding in any of the snapshots; untested where none of them can tell."""
    __tracebackhide__ = True
    findings: list[Finding] = []
    reasons: list[Untested] = []
    count = 0
    for count, snapshot in enumerate(snapshots, start=1):
        try:
            found = check(snapshot, target)
        except Untested as reason:
            reasons.append(reason)
            continue
        told = snapshot.variant != DEFAULTS
        findings += [replace(each, field=f"{each.field} ({snapshot.variant})") if told else each for each in found]
    if not count:
        raise AssertionError("no snapshot to look at")
    if reasons and len(reasons) == count:
        untested(str(reasons[0]))
    accept(findings, target)
