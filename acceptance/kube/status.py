"""Reads the status of objects: conditions, readiness, endpoints, restarts, and whether a rollout is complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceptance.core.deadlines import GRACE_PERIOD
from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import Component

REVISION = "pod-template-hash"
SERVICE_NAME = "kubernetes.io/service-name"
INSUFFICIENT = "Insufficient "
"""What the scheduler's message contains if no node has enough of a resource."""


def statuses(pod: Object) -> list[Object]:
    """Return the status of every container, init containers first."""
    return [*mappings_at(pod, "status.initContainerStatuses"), *mappings_at(pod, "status.containerStatuses")]


def condition(item: Object, kind: str) -> Object:
    """Return the object's status condition of a type; empty if it has none."""
    return next((entry for entry in mappings_at(item, "status.conditions") if entry.get("type") == kind), {})


def may_end(pod: Object) -> bool:
    """Return whether a pod is meant to end, as a Job's is; another one may follow it."""
    return text_at(pod, "spec.restartPolicy", "Always") != "Always"


def has_condition(item: Object, kind: str) -> bool:
    """Return whether the object's status condition of a type is `True`."""
    return text_at(condition(item, kind), "status") == "True"


def is_ready(pod: Object) -> bool:
    """Return whether the pod is Ready and not terminating."""
    return has_condition(pod, "Ready") and not is_terminating(pod)


def grace_period(pod: Object) -> float:
    """Return the seconds that the pod's containers have to end."""
    stated = at(pod, "spec.terminationGracePeriodSeconds")
    return GRACE_PERIOD if stated is None else float(str(stated))


def longest_grace_period(pods: Iterable[Object]) -> float:
    """Return the longest grace period of pods, in seconds; 0 without pods."""
    return max(map(grace_period, pods), default=0.0)


def is_terminating(pod: Object) -> bool:
    """Return whether the pod is being deleted; it may still serve requests."""
    return at(pod, "metadata.deletionTimestamp") is not None


def container_status(pod: Object, container: str) -> Object:
    """Return the status of a container or an init container by its name; empty if the pod reports none yet."""
    return next((status for status in statuses(pod) if status.get("name") == container), {})


def container_id(status: Object) -> str:
    """Return a container's identifier in the runtime, by its status; empty before it is created."""
    return text_at(status, "containerID").rpartition("/")[2]


def running_containers(pods: Iterable[Object]) -> dict[str, tuple[Object, str]]:
    """Return the pod and the name of each running container, by its identifier in the runtime."""
    return {
        container_id(status): (pod, text_at(status, "name"))
        for pod in pods
        for status in statuses(pod)
        if at(status, "state.running") is not None
    }


def revision(pod: Object) -> str:
    """Return the pod template's hash, which is the same for all pods of a ReplicaSet."""
    return text_at(pod, f"metadata.labels.{REVISION}")


def pods_of(pods: Iterable[Object], component: Component) -> list[Object]:
    """Return the pods that have the component's labels."""
    return [pod for pod in pods if component.labels.items() <= mapping_at(pod, "metadata.labels").items()]


def endpoint_readiness(slices: Iterable[Object], service: str) -> dict[str, bool]:
    """Return the pods behind a Service by name, and whether each is a ready endpoint."""
    return {
        text_at(endpoint, "targetRef.name"): at(endpoint, "conditions.ready") is not False
        for item in slices
        if mapping_at(item, "metadata.labels").get(SERVICE_NAME) == service
        for endpoint in mappings_at(item, "endpoints")
    }


def unfinished_reason(
    deployment: Object | None, pods: Sequence[Object], slices: Sequence[Object], component: Component
) -> str | None:
    """Return why a rollout is not complete, or None when it is.

    Complete means: the controller has observed the latest generation; the numbers of updated, ready and available
    replicas equal `spec.replicas`; no other pod of the component exists, not even a terminating one; and the
    Service's ready endpoints are exactly these pods.
    """
    if deployment is None:
        return f"no Deployment {component.deployment} exists"
    expected = at(deployment, "spec.replicas")
    generation, observed = at(deployment, "metadata.generation"), at(deployment, "status.observedGeneration")
    if observed != generation:
        return f"generation {generation} is not observed yet (but {observed})"
    for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
        if (actual := at(deployment, f"status.{field}") or 0) != expected:  # a number of 0 is absent
            return f"{field} is {actual} instead of {expected}"
    own_pods = pods_of(pods, component)
    if terminating := [name_of(pod) for pod in own_pods if is_terminating(pod)]:
        return f"still terminating: {', '.join(terminating)}"
    names = {name_of(pod) for pod in own_pods if is_ready(pod)}
    if len(names) != expected or len(own_pods) != expected:
        return f"{len(names)} of {len(own_pods)} pods are Ready instead of {expected} of {expected}"
    if len({revision(pod) for pod in own_pods}) > 1:
        return "the pods are of more than one revision"
    endpoints = {name for name, is_ready in endpoint_readiness(slices, component.service).items() if is_ready}
    if endpoints != names:
        return f"the endpoints are {sorted(endpoints)}, the Ready pods {sorted(names)}"
    return None


def lack_of_room(pods: Iterable[Object]) -> str | None:
    """Return the scheduler's message about the first pod for which no node has enough CPU or memory, or None."""
    messages = (text_at(condition(pod, "PodScheduled"), "message") for pod in pods)
    return next((message for message in messages if INSUFFICIENT in message), None)


def restarts_of(pod: Object) -> int:
    """Return the sum of the restarts of the pod's containers, without init containers."""
    return sum(map(restart_count, list_at(pod, "status.containerStatuses")))


def restart_count(status: Object) -> int:
    """Return how often a container was restarted, by its status."""
    return int(str(status.get("restartCount", 0)))


def restarts(pods: Iterable[Object]) -> dict[str, int]:
    """Return the restarts of each pod by name."""
    return {name_of(pod): restarts_of(pod) for pod in pods}
