"""What was given and does not arrive: a finding, unless the key is never there, which another rule says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from acceptance.chart.given import cases, check_given
from acceptance.checks.finding import Untested
from acceptance.checks.snapshot import ChartState, Rendering, Snapshot
from acceptance.core.target import Target

GIVEN = {(each.rule, each.name): each for each in cases()}


def snapshot(target: Target, settings: dict[str, str], credentials: dict[str, str]) -> Snapshot:
    objects: list[dict[str, Any]] = [
        {"kind": "ConfigMap", "metadata": {"name": target.config_map.name}, "data": settings},
        {"kind": "Secret", "metadata": {"name": target.secret.name}, "stringData": credentials},
    ]
    rendering = Rendering(tuple(objects))
    return Snapshot("static", rendering.objects, chart=ChartState({}, {}, {}, None, {}, {}, rendering, rendering))


class Chart:
    """A chart that renders the same whatever it is given."""

    def __init__(self, target: Target, rendered: Snapshot) -> None:
        self.target, self.rendered, self.shipped = target, rendered, dict[str, Any]()

    def with_values(self, _: object, __: object) -> Snapshot:
        return self.rendered


@pytest.mark.parametrize(
    ("rule", "name", "presence"),
    [
        ("CFG-05", "three origins", "CORS_ORIGINS (CFG-11)"),
        ("CFG-03", "staging", "ENVIRONMENT (CFG-11)"),
        ("SEC-04", "an encoded password", "DATABASE_URL (SEC-12)"),
        ("SEC-06", "an ordinary key", "OPENAI_API_KEY (SEC-12)"),
    ],
)
def test_key_that_is_never_there_is_told_once(target: Target, rule: str, name: str, presence: str) -> None:
    without = snapshot(target, {"OTHER": "x"}, {"OTHER": "x"})
    chart: Any = Chart(target, without)
    with pytest.raises(Untested, match=re.escape(f"has no {presence}")):
        check_given(GIVEN[rule, name], chart, without)


@pytest.mark.parametrize(("rule", "name"), [("CFG-05", "three origins"), ("SEC-04", "an encoded password")])
def test_key_that_another_value_removes_is_a_finding(target: Target, rule: str, name: str) -> None:
    base = snapshot(target, {"CORS_ORIGINS": "http://x.example"}, {"DATABASE_URL": "postgresql://u:p@h/d"})
    chart: Any = Chart(target, snapshot(target, {}, {}))
    assert [each.rule for each in check_given(GIVEN[rule, name], chart, base)] == [rule]


def test_count_that_is_never_there_is_a_finding(target: Target) -> None:
    given = GIVEN["DEP-03", "3 replicas"]
    name = target.component(given.component or "").deployment
    deployment: dict[str, Any] = {"kind": "Deployment", "metadata": {"name": name}, "spec": {}}
    rendered = replace(snapshot(target, {}, {}), objects=(deployment,))
    chart: Any = Chart(target, rendered)
    assert [each.rule for each in check_given(given, chart, rendered)] == ["DEP-03"]
