"""Checks as tests: the parameters of a level, and the assertion that a check finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from _pytest.mark import ParameterSet

from acceptance import checks
from acceptance.chart.assessment import Assertion, Group, RenderedChart, assertions
from acceptance.checks import Check
from acceptance.checks.finding import report_findings
from acceptance.checks.places import with_places
from acceptance.checks.renderings import check_all
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


def static_parameters(group: Group) -> list[ParameterSet]:
    """Return (assertion, component) for each assertion of a group, bound to its rules."""
    return [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(*each.rules))
        for each in assertions()
        if each.group == group
    ]


def assert_no_findings(
    check: Check,
    component: str,
    snapshots: Sequence[Snapshot],
    target: Target,
    render: Callable[[], Snapshot] | None = None,
) -> None:
    """Report the findings of a check, which is for `component`, in all snapshots.

    Args:
        check: The check.
        component: What it is for.
        snapshots: What it judges.
        target: What is under test.
        render: Returns the rendered chart, in which the findings of a live release have their places.

    Raises:
        FindingsError: There is a blocking finding.
        Untested: No snapshot has what the check needs.
    """
    __tracebackhide__ = True
    assert component == (check.component or "release")
    found = check_all(check, [(snapshot, target) for snapshot in snapshots])
    report_findings(with_places(found, render(), target) if render and found else found, target)


def assert_none_found(assertion: Assertion, component: str, chart: RenderedChart, target: Target) -> None:
    """Report the findings of an assertion, which is for `component`, about a rendered chart.

    Raises:
        FindingsError: There is a blocking finding.
        Untested: An input is missing.
    """
    __tracebackhide__ = True
    assert component == (assertion.component or "release")
    found = assertion.findings(chart)
    report_findings(found if assertion.group == "rules" else with_places(found, chart.defaults, target), target)
