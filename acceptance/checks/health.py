"""The path at which a component says by HTTP whether it is well, for requests other than the kubelet's."""

from __future__ import annotations

from acceptance.checks.finding import Untested
from acceptance.core.fields import Object, text_at
from acceptance.core.target import Component

KINDS = ("liveness", "readiness", "startup")
"""The probes, in the order in which they are asked for their paths."""


def find_health_path(component: Component, container: Object, first: str = KINDS[0]) -> str:
    """Return the path: one that the target states, else one that a probe of the chart asks for; empty without either.

    Args:
        component: What the target says of the component.
        container: The component's container, in a pod or its template.
        first: The probe whose path is preferred.
    """
    kinds = sorted(KINDS, key=lambda kind: kind != first)
    stated: list[str] = [getattr(component.probes, kind) for kind in kinds if kind in component.probes.model_fields_set]
    probed = [text_at(container, f"{kind}Probe.httpGet.path") for kind in kinds]
    return next((path for path in (*stated, *probed) if path.startswith("/")), "")


def health_path(component: Component, container: Object, first: str = KINDS[0]) -> str:
    """Return the path, as `find_health_path`; raises `Untested` where none is known."""
    found = find_health_path(component, container, first)
    if not found:
        raise unknown_path(component)
    return found


def unknown_path(component: Component) -> Untested:
    """Return the exception for a component whose health path is not known."""
    return Untested(f"no probe of the container {component.container} asks for a path, and the target states none")
