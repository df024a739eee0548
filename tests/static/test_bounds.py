"""Bounds and formats: values at a bound render, values beyond it are rejected with the key's path."""

from __future__ import annotations

import pytest

<<<<<<< HEAD
from acceptance import checks
from acceptance.chart import bounds
from acceptance.chart.bounds import Case
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import report_findings
from acceptance.checks.places import with_places
from acceptance.checks.snapshot import Snapshot
=======
from acceptance.chart.assessment import Assertion, RenderedChart
>>>>>>> main
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


<<<<<<< HEAD
@pytest.mark.parametrize(
    ("case", "component"),
    [
        pytest.param(case, case.component or "release", id=case.id, marks=pytest.mark.rule(case.rule))
        for case in bounds.cases()
    ],
)
def test_bound(case: Case, component: str, renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    assert component == (case.component or "release")
    findings = bounds.check_case(case, renderer, defaults, STATIC)
    report_findings(with_places(findings, defaults, target), target)


@pytest.mark.rule("CFG-08")
@pytest.mark.parametrize("excess", [0, 1])
def test_size_of_the_config_map(excess: int, renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    case = bounds.total_size(renderer, defaults, excess)
    findings = bounds.check_case(case, renderer, defaults, STATIC)
    report_findings(with_places(findings, defaults, target), target)


@pytest.mark.rule("CFG-07")
def test_text_survives(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    findings = bounds.round_trip(renderer, defaults)
    report_findings(with_places(findings, defaults, target), target)


@pytest.mark.rule("CHT-10")
def test_unknown_keys_at_every_depth(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    findings = bounds.unknown_keys(renderer, defaults)
    report_findings(with_places(findings, defaults, target), target)
=======
@pytest.mark.parametrize(("assertion", "component"), static_parameters("bounds"))
def test_bound(assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
>>>>>>> main
