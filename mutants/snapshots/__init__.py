"""Mutants of a snapshot: every clause of every rule with a check, for each of its levels and components.

Importing this package registers all of them, one module per entity. Decorated alterations are private: they are only
registered, and the decorator names them.
"""

from mutants.snapshots import (
    api_kinds,
    api_server,
    autoscalers,
    charts,
    config_maps,
    credentials,
    deployments,
    exposure,
    images,
    pod_settings,
    pods,
    policies,
    privileges,
    references,
    relationships,
    secrets,
    security,
    services,
    shapes,
)
from mutants.snapshots.registry import every

__all__ = [
    "api_kinds",
    "api_server",
    "autoscalers",
    "charts",
    "config_maps",
    "credentials",
    "deployments",
    "every",
    "exposure",
    "images",
    "pod_settings",
    "pods",
    "policies",
    "privileges",
    "references",
    "relationships",
    "secrets",
    "security",
    "services",
    "shapes",
]
