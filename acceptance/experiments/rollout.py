"""Rollouts: when one is complete, whether it stayed within its bounds, and when its pods existed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.checks.clauses import timestamp
from acceptance.checks.finding import Finding, Untested
from acceptance.core.deadlines import ROLLED_OUT, Deadline
from acceptance.core.fields import Object, at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Component, Target
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Objects
from acceptance.kube.history import GapError, History
from acceptance.kube.quantity import resolved
from acceptance.kube.status import (
    condition,
    has_condition,
    is_ready,
    is_terminating,
    longest_grace_period,
    pods_of,
    revision,
    unfinished_reason,
)

BOUNDS = ("maxSurge", "maxUnavailable")
WATCH_LAG = 0.5
"""Seconds by which the recorder may learn a pod's status later than the node learns its endpoint."""


def wait_rolled_out(objects: Objects, component: Component, deadline: Deadline = ROLLED_OUT) -> tuple[str, ...]:
    """Wait until the component's rollout is complete, and return the names of its pods.

    It reads from the API server, since a watch may not have delivered the newest spec yet. The deadline is later where
    old pods may take longer to end than by default.

    Raises:
        WaitError: The rollout was not complete at the deadline.
    """

    def probe() -> tuple[str, ...]:
        deployment = objects.list("Deployment").by_name.get(component.deployment)
        pods = objects.list("Pod").objects
        reason = unfinished_reason(deployment, pods, objects.list("EndpointSlice").objects, component)
        if reason:
            raise NotYet(reason)
        return tuple(sorted(name_of(pod) for pod in pods_of(pods, component)))

    old = longest_grace_period(pods_of(objects.list("Pod").objects, component))
    return eventually(f"Deployment {component.deployment} to be rolled out", probe, deadline.for_grace_period(old))


def image_tag_path(target: Target, component: str) -> str:
    """Return the dotted path of the component's image tag in the chart's values.

    Raises:
        Untested: The target names none.
    """
    path = target.component(component).values.image_tag
    if path is None:
        raise Untested(f"the target names no value for the image tag of the {component}")
    return path


@dataclass(frozen=True)
class PodBounds:
    """How many pods a rollout may have, and how many of them must be available."""

    maximum: int
    minimum_available: int


def bounds_findings(history: History, component: Component, interval: Interval) -> list[Finding]:
    """Return findings of DEP-10 if pods exceeded the configured surge or unavailability in the interval.

    Raises:
        GapError: The interval was not observed completely, or the expected number of replicas changed in it.
    """
    bounds = _bounds(history, component, interval)
    states = list(history.states("Pod", interval.start, interval.end))
    if len(states) < 2:
        raise GapError("no pod changed in that time")
    return [
        finding
        for state in states
        for finding in _breaches(component, bounds, state.objects, state.moment - interval.start)
    ]


def _bounds(history: History, component: Component, interval: Interval) -> PodBounds:
    specs = {
        (at(item, "spec.replicas"), *(at(item, f"spec.strategy.rollingUpdate.{key}") for key in BOUNDS))
        for state in history.states("Deployment", interval.start, interval.end)
        for item in state.objects
        if name_of(item) == component.deployment
    }
    if len(specs) != 1:
        raise GapError(f"Deployment {component.deployment} did not keep one replica count and strategy: {specs}")
    replicas, surge, unavailable = specs.pop()
    return PodBounds(
        maximum=replicas + (resolved(surge, replicas, up=True) or 0),
        minimum_available=replicas - (resolved(unavailable, replicas, up=False) or 0),
    )


def _breaches(
    component: Component, bounds: PodBounds, objects: tuple[Object, ...], seconds: float
) -> Iterator[Finding]:
    """Yield a finding for each bound that the pods exceed, `seconds` after the start of the rollout."""
    pods = [pod for pod in pods_of(objects, component) if not is_terminating(pod)]
    available = sum(is_ready(pod) for pod in pods)
    actual = f"{len(pods)} pods, {available} of them available, after {seconds:.2f} s"
    object_ = f"Deployment/{component.deployment}"
    if len(pods) > bounds.maximum:
        yield Finding("DEP-10", object_, "pods without deletionTimestamp", f"at most {bounds.maximum}", actual)
    if available < bounds.minimum_available:
        yield Finding("DEP-10", object_, "available pods", f"at least {bounds.minimum_available}", actual)


def turnover(history: History, component: Component, interval: Interval) -> Interval:
    """Return the part of the interval with old and new pods: from the first new pod to the end of the last old one.

    Raises `GapError` if no new pod appeared or an old one stayed.
    """
    states = list(history.states("Pod", interval.start, interval.end))
    old = {text_at(pod, "metadata.uid") for pod in pods_of(states[0].objects, component)}
    first_new = last_old = None
    for state in states:
        uids = {text_at(pod, "metadata.uid") for pod in pods_of(state.objects, component)}
        if first_new is None and uids - old:
            first_new = state.moment
        if last_old is None and not uids & old:
            last_old = state.moment
    if first_new is None or last_old is None:
        raise GapError(f"the pods of {component.deployment} were not replaced in that time")
    return Interval(first_new, last_old)


def revisions(history: History, component: Component, interval: Interval) -> dict[str, str]:
    """Return the revision of every pod of the component that existed in the interval, by the pod's name."""
    return {
        name_of(pod): revision(pod)
        for state in history.states("Pod", interval.start, interval.end)
        for pod in pods_of(state.objects, component)
    }


def ready_since(history: History, component: Component, interval: Interval) -> dict[str, float]:
    """Return the earliest moment at which each of the component's pods may have been Ready, by name.

    A busy machine delivers the watch late, and the kubelet states whole seconds: before the earlier of both moments the
    pod was not Ready. It is not after the interval's start if the pod was Ready then.
    """
    moments: dict[str, float] = {}
    for state in history.states("Pod", interval.start, interval.end):
        for pod in pods_of(state.objects, component):
            if has_condition(pod, "Ready"):
                stated = timestamp(condition(pod, "Ready").get("lastTransitionTime"))
                seen = state.moment - WATCH_LAG
                moments.setdefault(name_of(pod), min(seen, stated.timestamp()) if stated else seen)
    return moments
