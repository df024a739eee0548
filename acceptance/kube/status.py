"""What an object's status says: conditions, readiness, endpoints, restarts, and whether a rollout is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import Component


def statuses(pod: Object) -> list[Object]:
    """The status of every container, init ones first."""
    return [*mappings_at(pod, "status.initContainerStatuses"), *mappings_at(pod, "status.containerStatuses")]


REVISION = "pod-template-hash"


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


def restarts_of(pod: Object) -> int:
    """Restarts of all containers of the pod, init ones left out."""
    return sum(int(status.get("restartCount", 0)) for status in list_at(pod, "status.containerStatuses"))


def restarts(pods: Iterable[Object]) -> dict[str, int]:
    """Each pod's restarts, by its name."""
    return {name_of(pod): restarts_of(pod) for pod in pods}
