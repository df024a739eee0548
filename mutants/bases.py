"""The unmodified snapshots that mutants alter, one per level."""

from __future__ import annotations

from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import Level
from acceptance.core.values import ROUND_TRIP, nested
from mutants import simulated


def release_rendering(renderer: Renderer, static: Snapshot) -> Snapshot:
    """Render the chart as the suite installs it: with its round-trip text as an additional ConfigMap key."""
    path = renderer.target.values.extra_config
    assert path is not None, "mutants need this repository's chart"
    return renderer.with_values(static, nested(path, ROUND_TRIP))


def base_snapshots(renderer: Renderer) -> dict[Level, Snapshot]:
    """Return the rendered chart, and a live release and images simulated from it."""
    target = renderer.target
    static = renderer.snapshot()
    return {
        "static": static,
        "live": simulated.running(release_rendering(renderer, static), target),
        "image": simulated.built(static, target),
    }
