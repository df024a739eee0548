"""Checks: pure functions of a snapshot and the target that return findings, one module per entity.

Importing this package registers all of them; `for_level` lists those of a level.
"""

from acceptance.checks import (
    api_server,
    autoscaler,
    chart,
    config_map,
    credentials,
    declared,
    deployment,
    exposure,
    image,
    notes,
    persistence,
    pod,
    pod_lifecycle,
    pod_security,
    pod_settings,
    policies,
    privileges,
    relationships,
    secret,
    service,
    state,
    variables,
)
from acceptance.checks.registry import Check, CheckResults, for_level, run_checks

__all__ = [
    "Check",
    "CheckResults",
    "api_server",
    "autoscaler",
    "chart",
    "config_map",
    "credentials",
    "declared",
    "deployment",
    "exposure",
    "for_level",
    "image",
    "notes",
    "persistence",
    "pod",
    "pod_lifecycle",
    "pod_security",
    "pod_settings",
    "policies",
    "privileges",
    "relationships",
    "run_checks",
    "secret",
    "service",
    "state",
    "variables",
]
