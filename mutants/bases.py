"""The unaltered snapshots that mutants are made of, one a level."""

from __future__ import annotations

from acceptance.checks.config_map import ROUND_TRIP
from acceptance.render import Renderer, nested
from acceptance.rules import Level
from acceptance.snapshot import Snapshot
from mutants import simulated


def bases(renderer: Renderer) -> dict[Level, Snapshot]:
    """Rendered, and simulated from that, for a target whose chart takes free keys."""
    target = renderer.target
    static = renderer.snapshot()
    path = target.values.extra_config
    assert path is not None, "mutants are made of this repository's own chart"
    installed = renderer.with_values(static, nested(path, ROUND_TRIP))
    return {
        "static": static,
        "live": simulated.running(installed, target),
        "image": simulated.built(static, target),
    }
