"""Why pods can't run: one sentence, as soon as it is knowable."""

from __future__ import annotations

import re
from collections.abc import Iterable

from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, text_at
from acceptance.kube.client import Objects
from acceptance.kube.status import statuses

IMAGE_REASONS = {
    "ErrImagePull": "can't be pulled",
    "ImagePullBackOff": "can't be pulled",
    "InvalidImageName": "has no valid name",
    "ErrImageNeverPull": "is not on the node, and its pull policy is Never",
}
CONFIG_REASONS = ("CreateContainerConfigError", "CreateContainerError")
START_REASONS = ("RunContainerError", "StartError", "ContainerCannotRun")
"""The runtime's refusal: of a waiting container, and of its last life."""
SANDBOX_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
"""Reasons of events; a pod's status does not tell why its volumes or its sandbox can't be made."""
CRASH_LOOP_RESTARTS = 2
"""Restarts from which a container that runs, but is not ready, counts as one that ends again and again."""


def condition(item: Object, kind: str) -> Object:
    """An object's condition of a type, or an empty one."""
    return next((entry for entry in mappings_at(item, "status.conditions") if entry.get("type") == kind), {})


def of_container(status: Object) -> str | None:
    """Why a container does not run, in words that stay the same while it is tried again; None where it does."""
    name = text_at(status, "name")
    waiting = mapping_at(status, "state.waiting")
    reason = text_at(waiting, "reason")
    if reason in IMAGE_REASONS:
        return f"container {name}: the image {text_at(status, 'image')} {IMAGE_REASONS[reason]}"
    if reason in CONFIG_REASONS:
        return f"container {name} can't be made: {text_at(waiting, 'message')}"
    if status.get("ready") is True:
        return None
    ended = mapping_at(status, "state.terminated") or mapping_at(status, "lastState.terminated")
    for refused in (waiting, ended):
        if refused.get("reason") in START_REASONS:
            return f"container {name} can't be started: {text_at(refused, 'message').rpartition(' failed: ')[2]}"
    code = ended.get("exitCode")
    words = f"{text_at(ended, 'reason') or 'Error'}, exit code {code}"
    over = "terminated" in mapping_at(status, "state")  # the kubelet need not say CrashLoopBackOff in between
    if ended and (
        reason == "CrashLoopBackOff" or status.get("restartCount", 0) >= (1 if over else CRASH_LOOP_RESTARTS)
    ):
        return f"container {name} ends again and again: {words}"
    return f"container {name} ended: {words}" if code and over else None


def of_pod(pod: Object, events: Iterable[Object] = ()) -> str | None:
    """Why a pod does not run, or None; `events` tell of its volumes and sandbox."""
    if at(pod, "metadata.deletionTimestamp"):
        return None
    scheduled = condition(pod, "PodScheduled")
    words = text_at(scheduled, "message")
    if scheduled.get("reason") == "Unschedulable" and "node.kubernetes.io/not-ready" not in words:
        return f"Pod/{name_of(pod)} can't be scheduled: {words}"
    for status in statuses(pod):
        if (cause := of_container(status)) is not None:
            return f"Pod/{name_of(pod)}: {cause}"
    if awaiting_sandbox(pod):
        told = sorted(
            text_at(event, "message")
            for event in events
            if event.get("reason") in SANDBOX_EVENTS and at(event, "involvedObject.uid") == at(pod, "metadata.uid")
        )
        if told:  # a sandbox is another one at each try
            return f"Pod/{name_of(pod)}: " + re.sub("[0-9a-f]{64}", "…", told[0])
    return None


def awaiting_sandbox(pod: Object) -> bool:
    """Whether a pod has a node, but not yet the volumes and the sandbox that its containers need."""
    return condition(pod, "PodReadyToStartContainers").get("status") == "False"


def of_replica_set(replica_set: Object) -> str | None:
    """Why a ReplicaSet can't make its pods (Pod Security, quota), or None."""
    failure = condition(replica_set, "ReplicaFailure")
    if failure.get("status") != "True":
        return None
    # The pod's generated name differs each time.
    words = text_at(failure, "message").partition('" is forbidden: ')
    return f"ReplicaSet/{name_of(replica_set)} can't make its pods: {words[2] or words[0]}"


def first(pods: Iterable[Object], replica_sets: Iterable[Object], events: Iterable[Object] = ()) -> str | None:
    """The first cause among objects in order of their names, or None."""
    known = tuple(events)
    found = [
        *(of_replica_set(item) for item in sorted(replica_sets, key=name_of)),
        *(of_pod(item, known) for item in sorted(pods, key=name_of)),
    ]
    return next((cause for cause in found if cause is not None), None)


def current_cause(objects: Objects) -> str | None:
    """Why something in the namespace can't run now, or None."""
    pods = objects.list("Pod").objects
    events = objects.list("Event").objects if any(map(awaiting_sandbox, pods)) else ()
    return first(pods, objects.list("ReplicaSet").objects, events)
