"""Upgrades: what can't be changed later, changed values that reach the pods, and the values of older releases."""

from __future__ import annotations

import pytest

from acceptance.chart.assessment import Assertion, RenderedChart
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


@pytest.mark.parametrize(("assertion", "component"), static_parameters("upgrades"))
def test_upgrade(assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
