"""The chart, rendered once for the tests of this folder: no cluster, no Docker, no network."""

from __future__ import annotations

import pytest

from acceptance.chart.assessment import RenderedChart
from acceptance.chart.renderer import Renderer
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.kube import api_rules
from acceptance.kube.helm import find_helm


@pytest.fixture(scope="session", autouse=True)
def prepared_api_rules() -> None:
    """Builds the API server's own rules, if they are missing, while tests that do not need them run."""
    api_rules.prepare()


@pytest.fixture(scope="session")
def renderer(target: Target) -> Renderer:
    """Renders the chart; its secrets are redacted."""
    renderer = Renderer(find_helm(), target)
    for secret in renderer.credentials.values():
        redactor.add(secret)
    return renderer


@pytest.fixture(scope="session")
def rendered_chart(renderer: Renderer) -> RenderedChart:
    """The chart and its judged renderings."""
    return RenderedChart(renderer)
