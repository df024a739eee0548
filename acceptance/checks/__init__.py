"""Checks: pure functions of a snapshot and the target that return findings; a module for each entity.

Importing this package registers them all; `registry.at(level)` lists them.
"""

from acceptance.checks import (
    autoscaler,
    chart,
    config_map,
    deployment,
    image,
    persistence,
    pod,
    relationships,
    secret,
    security,
    service,
    state,
)
from acceptance.checks.registry import Check, Judgement, at, judge

__all__ = [
    "Check",
    "Judgement",
    "at",
    "autoscaler",
    "chart",
    "config_map",
    "deployment",
    "image",
    "judge",
    "persistence",
    "pod",
    "relationships",
    "secret",
    "security",
    "service",
    "state",
]
