"""The unaltered snapshots that mutants are made of, one a level."""

from __future__ import annotations

from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import Level
from acceptance.core.values import ROUND_TRIP, nested
from mutants import simulated


def installed(renderer: Renderer, static: Snapshot) -> Snapshot:
    """What a live release is rendered from: with the suite's text among the ConfigMap's free keys."""
    path = renderer.target.values.extra_config
    assert path is not None, "mutants are made of this repository's own chart"
    return renderer.with_values(static, nested(path, ROUND_TRIP))


def bases(renderer: Renderer) -> dict[Level, Snapshot]:
    """Rendered, and simulated from that."""
    target = renderer.target
    static = renderer.snapshot()
    return {
        "static": static,
        "live": simulated.running(installed(renderer, static), target),
        "image": simulated.built(static, target),
    }
