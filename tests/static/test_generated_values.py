"""Generated values that fit the schema: each set is rejected with a key's path, or renders to valid objects."""

from __future__ import annotations

import pytest

<<<<<<< HEAD
from acceptance import checks
from acceptance.chart import generated_values
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.places import with_places
from acceptance.checks.snapshot import Snapshot
=======
from acceptance.chart.assessment import Assertion, RenderedChart
>>>>>>> main
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none_found, static_parameters


<<<<<<< HEAD
@pytest.mark.rule("CHT-09", "CHT-10")
def test_generated_values(renderer: Renderer, defaults: Snapshot, target: Target) -> None:
    chart = defaults.chart
    assert chart is not None
    if chart.schema is None:
        raise Untested("the chart has no values.schema.json (CHT-10)")
    if chart.rendering.error is not None:
        raise Untested("the chart does not render (CHT-09)")
    schema = chart.schema
    assert schema is not None
    paths = [path for path, _ in generated_values.leaf_strategies(renderer.shipped, schema, schema)]
    rendered: list[dict[str, Any]] = []
    found: list[Finding] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(generated_values.changes(renderer.shipped, schema))
    def draw(changes: dict[str, Any]) -> None:
        # The secrets are the run's; the rest is generated.
        snapshot = renderer.with_values(defaults, merge_values(set_paths({}, changes), renderer.required()))
        assert snapshot.chart is not None
        error = snapshot.chart.rendering.error
        if error is not None:
            if not any(all(word in error for word in path.split(".")) for path in paths):
                found.append(Finding("CHT-10", "values", ", ".join(changes), "rejected with a key's path", error))
            return
        rendered.append(changes)
        # Objects follow namespace.name, which the target states.
        namespace = next(iter(snapshot.of_kind("Service")))["metadata"].get("namespace", target.chart.namespace)
        stated = target.model_copy(update={"chart": target.chart.model_copy(update={"namespace": namespace})})
        chosen = [each for each in checks.for_level("static") if each.rule in SOUND]
        found.extend(each for each in checks.run_checks(snapshot, stated, chosen).findings if not each.advice)

    draw()
    assert rendered, "every generated set of values was rejected"
    first = {(each.rule, each.object, each.field): each for each in reversed(found)}
    report_findings(with_places(first.values(), defaults, target), target)
=======
@pytest.mark.parametrize(("assertion", "component"), static_parameters("generated values"))
def test_generated_values(assertion: Assertion, component: str, rendered_chart: RenderedChart, target: Target) -> None:
    assert_none_found(assertion, component, rendered_chart, target)
>>>>>>> main
