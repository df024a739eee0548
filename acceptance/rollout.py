"""Rollouts: when one is over, which bounds hold in it, and when its pods came and went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceptance.availability import Interval
from acceptance.deadlines import ROLLED_OUT, Deadline
from acceptance.fields import Object, at, list_at, mapping_at, mappings_at, name_of, text_at
from acceptance.finding import Finding
from acceptance.history import GapError, History
from acceptance.objects import Objects
from acceptance.quantity import resolved
from acceptance.target import Component
from acceptance.wait import NotYet, eventually

REVISION = "pod-template-hash"
EDGES = ("maxSurge", "maxUnavailable")
SERVICE_NAME = "kubernetes.io/service-name"


def has_condition(item: Object, kind: str) -> bool:
    """Whether the status condition is `True`."""
    return any(
        text_at(entry, "type") == kind and text_at(entry, "status") == "True"
        for entry in mappings_at(item, "status.conditions")
    )


def is_ready(pod: Object) -> bool:
    return has_condition(pod, "Ready") and not is_terminating(pod)


def is_terminating(pod: Object) -> bool:
    """Whether the pod is being deleted; it may serve and drain yet."""
    return at(pod, "metadata.deletionTimestamp") is not None


def container_status(pod: Object, container: str) -> Object:
    """The status of one container, by its name; empty where the pod tells none yet."""
    return next((s for s in mappings_at(pod, "status.containerStatuses") if s.get("name") == container), {})


def revision(pod: Object) -> str:
    """What tells pods of one template from those of another."""
    return text_at(pod, f"metadata.labels.{REVISION}")


def pods_of(pods: Iterable[Object], component: Component) -> list[Object]:
    """The pods that have the component's labels."""
    return [pod for pod in pods if component.labels.items() <= mapping_at(pod, "metadata.labels").items()]


def endpoint_readiness(slices: Iterable[Object], service: str) -> dict[str, bool]:
    """Pods behind a Service, by name, and whether they get requests."""
    return {
        text_at(endpoint, "targetRef.name"): at(endpoint, "conditions.ready") is not False
        for item in slices
        if mapping_at(item, "metadata.labels").get(SERVICE_NAME) == service
        for endpoint in mappings_at(item, "endpoints")
    }


def unfinished_reason(
    deployment: Object | None, pods: Sequence[Object], slices: Sequence[Object], component: Component
) -> str | None:
    """What a rollout still lacks, in words, or None when it is over.

    Over means: the controller has seen the newest spec; updated, ready and available replicas are exactly the
    wanted number; no other pod of the component exists, not even a terminating one; and the Service's
    endpoints with ready true are exactly these pods.
    """
    if deployment is None:
        return f"there is no Deployment {component.deployment}"
    wanted = at(deployment, "spec.replicas")
    generation, observed = at(deployment, "metadata.generation"), at(deployment, "status.observedGeneration")
    if observed != generation:
        return f"generation {generation} is not observed yet (but {observed})"
    for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
        if at(deployment, f"status.{field}") != wanted:
            return f"{field} is {at(deployment, f'status.{field}') or 0} instead of {wanted}"
    mine = pods_of(pods, component)
    if gone := [name_of(pod) for pod in mine if is_terminating(pod)]:
        return f"still terminating: {', '.join(gone)}"
    names = {name_of(pod) for pod in mine if is_ready(pod)}
    if len(names) != wanted or len(mine) != wanted:
        return f"{len(names)} of {len(mine)} pods are Ready instead of {wanted} of {wanted}"
    if len({revision(pod) for pod in mine}) > 1:
        return "pods of more than one revision are there"
    serving = {name for name, is_ready in endpoint_readiness(slices, component.service).items() if is_ready}
    if serving != names:
        return f"the endpoints are {sorted(serving)}, the Ready pods {sorted(names)}"
    return None


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


def restarts_of(pod: Object) -> int:
    """Restarts of all containers of the pod, init ones left out."""
    return sum(int(status.get("restartCount", 0)) for status in list_at(pod, "status.containerStatuses"))


def restarts(pods: Iterable[Object]) -> dict[str, int]:
    """Each pod's restarts, by its name."""
    return {name_of(pod): restarts_of(pod) for pod in pods}
