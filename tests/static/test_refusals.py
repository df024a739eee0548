"""Bounds and formats: values at a bound pass, values beyond it are refused with the key's path."""

from __future__ import annotations

import pytest

from acceptance import checks, refusals
from acceptance.finding import report_findings
from acceptance.refusals import Case
from acceptance.render import Renderer
from acceptance.snapshot import Snapshot
from acceptance.target import Target

STATIC = {(each.rule, each.component): each for each in checks.for_level("static")}


@pytest.mark.parametrize(
    ("case", "component"),
    [
        pytest.param(case, case.component or "release", id=case.id, marks=pytest.mark.rule(case.rule))
        for case in refusals.cases()
    ],
)
def test_bound(case: Case, component: str, renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    assert component == (case.component or "release")
    findings = refusals.check_case(case, renderer, defaults, STATIC)
    report_findings(findings, target)


@pytest.mark.rule("CFG-08")
@pytest.mark.parametrize("excess", [0, 1])
def test_size_of_the_config_map(excess: int, renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    case = refusals.total_size(renderer, defaults, excess)
    findings = refusals.check_case(case, renderer, defaults, STATIC)
    report_findings(findings, target)


@pytest.mark.rule("CFG-07")
def test_text_survives(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    findings = refusals.round_trip(renderer, defaults)
    report_findings(findings, target)


@pytest.mark.rule("CHT-10")
def test_unknown_keys_at_every_depth(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    findings = refusals.unknown_keys(renderer, defaults)
    report_findings(findings, target)
