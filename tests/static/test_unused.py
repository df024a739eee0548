"""Every template file and every key of the values has an effect."""

from __future__ import annotations

import pytest

from acceptance.chart.assessment import Assertion, RenderedChart
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


@pytest.mark.parametrize(("assertion", "component"), static_parameters("unused"))
def test_everything_is_used(
    assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target
) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
