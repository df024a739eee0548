"""Why pods can't run: one sentence, as soon as it is knowable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceptance.fields import Object, mapping_at, mappings_at, name_of, text_at
from acceptance.objects import Objects

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
CONFIG_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


def statuses(pod: Object) -> list[Object]:
    """The status of every container, init ones first."""
    return [*mappings_at(pod, "status.initContainerStatuses"), *mappings_at(pod, "status.containerStatuses")]


def of_container(status: Object) -> str | None:
    """Why a container does not run, in words that stay the same while it is tried again; None where it does."""
    name = text_at(status, "name")
    waiting = mapping_at(status, "state.waiting")
    reason = text_at(waiting, "reason")
    if reason in IMAGE_REASONS:
        return f"container {name}: the image {text_at(status, 'image')} can't be pulled"
    if reason in CONFIG_REASONS:
        return f"container {name}: {reason}: {text_at(waiting, 'message')}"
    if status.get("ready") is True:
        return None
    ended = mapping_at(status, "lastState.terminated") or mapping_at(status, "state.terminated")
    if ended.get("exitCode"):
        words = f"{text_at(ended, 'reason') or 'Error'}, exit code {ended['exitCode']}"
        return f"container {name} ends again and again: {words}"
    return None


def of_pod(pod: Object) -> str | None:
    """Why a pod does not run, or None."""
    for condition in mappings_at(pod, "status.conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"Pod/{name_of(pod)} can't be scheduled: {text_at(condition, 'message')}"
    for status in statuses(pod):
        if (cause := of_container(status)) is not None:
            return f"Pod/{name_of(pod)}: {cause}"
    return None


def of_replica_set(replica_set: Object) -> str | None:
    """Why a ReplicaSet can't make its pods (Pod Security, quota), or None."""
    for condition in mappings_at(replica_set, "status.conditions"):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            # The pod's generated name differs each time.
            words = text_at(condition, "message").partition('" is forbidden: ')
            return f"ReplicaSet/{name_of(replica_set)} can't make its pods: {words[2] or words[0]}"
    return None


def first(pods: Iterable[Object], replica_sets: Iterable[Object]) -> str | None:
    """The first cause among objects in order of their names, or None."""
    found: Sequence[str | None] = [
        *(of_replica_set(item) for item in sorted(replica_sets, key=name_of)),
        *(of_pod(item) for item in sorted(pods, key=name_of)),
    ]
    return next((cause for cause in found if cause is not None), None)


def standing(objects: Objects) -> str | None:
    """Why something in the namespace can't run now, or None."""
    return first(objects.list("Pod").objects, objects.list("ReplicaSet").objects)
