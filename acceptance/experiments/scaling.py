"""Autoscaling as the recorder observed it: desired replicas and CPU utilisation over time."""

from __future__ import annotations

from acceptance.core.fields import at, mappings_at, name_of
from acceptance.core.interval import Interval
from acceptance.kube.history import History

Curve = list[tuple[float, int]]
"""Values, each with the moment from which it applies, in seconds since the epoch."""


def desired_replicas(history: History, deployment: str, interval: Interval) -> Curve:
    """Return the Deployment's `spec.replicas`, at the interval's start and at each change."""
    curve: Curve = []
    for state in history.states("Deployment", interval.start, interval.end):
        for item in state.objects:
            replicas = at(item, "spec.replicas")
            unchanged = curve and curve[-1][1] == replicas
            if name_of(item) == deployment and isinstance(replicas, int) and not unchanged:
                curve.append((state.moment, replicas))
    return curve


def cpu_utilisation(history: History, autoscaler: str, interval: Interval) -> Curve:
    """Return the average CPU utilisation in percent of the request, as in the status of the HorizontalPodAutoscaler."""
    return [
        (state.moment, value)
        for state in history.states("HorizontalPodAutoscaler", interval.start, interval.end)
        for item in state.objects
        if name_of(item) == autoscaler
        for metric in mappings_at(item, "status.currentMetrics")
        for kind in ("resource", "containerResource")
        if at(metric, f"{kind}.name") == "cpu"
        if isinstance(value := at(metric, f"{kind}.current.averageUtilization"), int)
    ]
