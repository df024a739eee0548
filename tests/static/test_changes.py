"""What changes with a value or a version: pods follow their settings, and an upgrade can be applied."""

from __future__ import annotations

import pytest

from acceptance.chart.assessment import Assertion, RenderedChart
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


@pytest.mark.parametrize(("assertion", "component"), static_parameters("changes"))
def test_change(assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
