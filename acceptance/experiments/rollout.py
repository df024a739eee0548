"""Rollouts: when one is over, which bounds hold in it, and when its pods came and went."""

from __future__ import annotations

from acceptance.checks.finding import Finding
from acceptance.core.deadlines import ROLLED_OUT, Deadline
from acceptance.core.fields import at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Component
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Objects
from acceptance.kube.history import GapError, History
from acceptance.kube.quantity import resolved
from acceptance.kube.status import has_condition, is_ready, is_terminating, pods_of, revision, unfinished_reason

EDGES = ("maxSurge", "maxUnavailable")


def wait_rolled_out(objects: Objects, component: Component, deadline: Deadline = ROLLED_OUT) -> tuple[str, ...]:
    """Wait until the component's rollout is over; the names of its pods. Raises `WaitError` at the deadline.

    Read from the API server itself: what a watch has not brought yet must not pass for the newest spec.
    """

    def probe() -> tuple[str, ...]:
        deployments = objects.list("Deployment").objects
        deployment = next((item for item in deployments if name_of(item) == component.deployment), None)
        pods = objects.list("Pod").objects
        lacking = unfinished_reason(deployment, pods, objects.list("EndpointSlice").objects, component)
        if lacking:
            raise NotYet(lacking)
        return tuple(sorted(name_of(pod) for pod in pods_of(pods, component)))

    return eventually(f"Deployment {component.deployment} to be rolled out", probe, deadline)


def bounds_findings(history: History, component: Component, start: float, end: float) -> list[Finding]:
    """DEP-10 at every change seen from `start` to `end`: surge and unavailability within what is configured.

    Raises `GapError` where that time was not seen whole or the wanted number of replicas changed in it.
    """
    specs = {
        (at(item, "spec.replicas"), *(at(item, f"spec.strategy.rollingUpdate.{key}") for key in EDGES))
        for state in history.states("Deployment", start, end)
        for item in state.objects
        if name_of(item) == component.deployment
    }
    if len(specs) != 1:
        raise GapError(f"Deployment {component.deployment} did not keep one replica count and strategy: {specs}")
    replicas, surge, unavailable = specs.pop()
    most = replicas + (resolved(surge, replicas, up=True) or 0)
    least = replicas - (resolved(unavailable, replicas, up=False) or 0)
    found: list[Finding] = []
    changes = 0
    for state in history.states("Pod", start, end):
        changes += 1
        staying = [pod for pod in pods_of(state.objects, component) if not is_terminating(pod)]
        available = sum(is_ready(pod) for pod in staying)
        when = f"{len(staying)} pods, {available} of them available, {state.moment - start:.2f} s into it"
        if len(staying) > most:
            found.append(_breach(component, "pods without deletionTimestamp", f"at most {most}", when))
        if available < least:
            found.append(_breach(component, "available pods", f"at least {least}", when))
    if changes < 2:
        raise GapError("no pod changed in that time")
    return found


def _breach(component: Component, field: str, wanted: str, when: str) -> Finding:
    return Finding("DEP-10", f"Deployment/{component.deployment}", field, wanted, when)


def turnover(history: History, component: Component, start: float, end: float) -> Interval:
    """From the first new pod's creation being seen to the last old pod's end, between `start` and `end`.

    Raises `GapError` where no pod came or none went.
    """
    states = list(history.states("Pod", start, end))
    old = {text_at(pod, "metadata.uid") for pod in pods_of(states[0].objects, component)}
    first = last = None
    for state in states:
        there = {text_at(pod, "metadata.uid") for pod in pods_of(state.objects, component)}
        if first is None and there - old:
            first = state.moment
        if last is None and not there & old:
            last = state.moment
    if first is None or last is None:
        raise GapError(f"the pods of {component.deployment} were not replaced in that time")
    return Interval(first, last)


def revisions(history: History, component: Component, start: float, end: float) -> dict[str, str]:
    """Revision by pod name, of every pod of the component that was there between `start` and `end`."""
    return {
        name_of(pod): revision(pod)
        for state in history.states("Pod", start, end)
        for pod in pods_of(state.objects, component)
    }


def ready_since(history: History, component: Component, start: float, end: float) -> dict[str, float]:
    """When each of the component's pods was first seen Ready, by name; `start` for those that were so already."""
    found: dict[str, float] = {}
    for state in history.states("Pod", start, end):
        for pod in pods_of(state.objects, component):
            if has_condition(pod, "Ready"):
                found.setdefault(name_of(pod), state.moment)
    return found
