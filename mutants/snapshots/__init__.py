"""Mutants of a snapshot: every clause of every rule that can be read, for each part and level it names.

Importing this package registers them all; a module for each entity.
"""

from mutants.snapshots import (
    autoscalers,
    charts,
    config_maps,
    deployments,
    images,
    pods,
    relationships,
    secrets,
    security,
    services,
    shapes,
)
from mutants.snapshots.registry import every

__all__ = [
    "autoscalers",
    "charts",
    "config_maps",
    "deployments",
    "every",
    "images",
    "pods",
    "relationships",
    "secrets",
    "security",
    "services",
    "shapes",
]
