"""Every template file and every key of the values has an effect."""

from __future__ import annotations

import pytest

<<<<<<< HEAD
from acceptance.chart import unused
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
@pytest.mark.rule("CHT-08")
def test_every_template_file_is_used(renderer: Renderer, defaults: Snapshot, target: Target, tmp_path: Path) -> None:
    report_findings(with_places(unused.unused_templates(renderer, tmp_path), defaults, target), target)


@pytest.mark.rule("CHT-10")
def test_every_value_is_used(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    report_findings(with_places(unused.unused_values(renderer), defaults, target), target)
=======
@pytest.mark.parametrize(("assertion", "component"), static_parameters("unused"))
def test_everything_is_used(
    assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target
) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
>>>>>>> main
