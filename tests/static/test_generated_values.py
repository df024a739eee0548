"""Generated values that fit the schema: each set is rejected with a key's path, or renders to valid objects."""

from __future__ import annotations

import pytest

from acceptance.chart.assessment import Assertion, RenderedChart
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


@pytest.mark.parametrize(("assertion", "component"), static_parameters("generated values"))
def test_generated_values(assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
