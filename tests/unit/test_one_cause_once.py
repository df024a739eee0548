"""Advice on a chart's values names each cause once, and the cause of each value that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from acceptance.chart.renderer import USUAL, How
from acceptance.chart.two_releases import shared_selectors
from acceptance.chart.value_changes import missing_sections
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import at
from acceptance.core.target import Target, load


class FakeRenderer:
    """Renders a Deployment and its Service, which are named after the release or its override."""

    shipped: Mapping[str, Any] = {"backend": {"port": 1}, "frontend": {"port": 1}, "name": "x"}

    def __init__(self) -> None:
        self.target: Target = load()

    def required(self) -> dict[str, Any]:
        return {}

    def render(self, values: Mapping[str, Any], how: How = USUAL) -> Rendering:
        for section in ("backend", "frontend"):
            if section in values and values[section] is None:
                cause = "nil pointer evaluating interface {}.port"
                where = f"shop/templates/{section}.yaml:9:18"
                return Rendering(error=f'template: {where}: executing "{where}" at <.Values.{section}.port>: {cause}')
        name = at(values, str(self.target.values.name_override)) or how.release or "todo"
        pods = {"metadata": {"labels": {"app": "todo"}}, "spec": {"containers": [{"name": "a"}]}}
        return Rendering(
            (
                {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": pods}},
                {"kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": "todo"}}},
            )
        )

    def render_all(self, sets: Iterable[Mapping[str, Any]]) -> list[Rendering]:
        return list(map(self.render, sets))


@pytest.fixture
def renderer() -> Any:
    return FakeRenderer()


def test_selector_of_two_releases_is_one_finding(renderer: Any) -> None:
    """However the second one gets its names: by the release's, and by the value that overrides them."""
    (found,) = shared_selectors(renderer)
    assert (found.rule, found.object) == ("SVC-07", "Service/todo")


def test_each_missing_section_has_its_own_cause(renderer: Any) -> None:
    (found,) = missing_sections(renderer)
    assert found.field == "backend, frontend"
    assert found.actual == (
        'template: shop/templates/backend.yaml:9:18: executing "shop/templates/backend.yaml:9:18" at '
        "<.Values.backend.port>: nil pointer evaluating interface {}.port; "
        "without frontend: shop/templates/frontend.yaml:9 nil pointer evaluating interface {}.port"
    )
