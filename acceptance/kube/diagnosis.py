"""The cause why pods can't run, as one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from acceptance.core.fields import Object, at, mapping_at, name_of, text_at
from acceptance.kube.client import Objects
from acceptance.kube.status import condition, has_condition, may_end, statuses

IMAGE_REASONS = {
    "ErrImagePull": "can't be pulled",
    "ImagePullBackOff": "can't be pulled",
    "InvalidImageName": "has no valid name",
    "ErrImageNeverPull": "is not on the node, and its pull policy is Never",
}
CONFIG_REASONS = ("CreateContainerConfigError", "CreateContainerError")
START_REASONS = ("RunContainerError", "StartError", "ContainerCannotRun")
"""Reasons of a waiting or terminated container that the runtime could not start."""
SANDBOX_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
"""Reasons of events; a pod's status does not contain why its volumes or its sandbox can't be created."""
CRASH_LOOP_RESTARTS = 2
"""Restarts from which a container that runs, but is not ready, counts as crash-looping."""


def container_cause(status: Object, *, may_end: bool = False) -> str | None:
    """Return why a container does not run, or None; the sentence is the same for every retry.

    Args:
        status: The container's status.
        may_end: Whether the container is meant to end, so that its end is no cause.
    """
    name = text_at(status, "name")
    waiting = mapping_at(status, "state.waiting")
    reason = text_at(waiting, "reason")
    if reason in IMAGE_REASONS:
        return f"container {name}: the image {text_at(status, 'image')} {IMAGE_REASONS[reason]}"
    if reason in CONFIG_REASONS:
        return f"container {name} can't be created: {text_at(waiting, 'message')}"
    return None if may_end or status.get("ready") is True else _start_or_exit_cause(name, status)


def _start_or_exit_cause(name: str, status: Object) -> str | None:
    """Return why a container could not be started, or with which result it terminated, or None."""
    waiting = mapping_at(status, "state.waiting")
    ended = mapping_at(status, "state.terminated") or mapping_at(status, "lastState.terminated")
    for state in (waiting, ended):
        if state.get("reason") in START_REASONS:
            return f"container {name} can't be started: {text_at(state, 'message').rpartition(' failed: ')[2]}"
    code = ended.get("exitCode")
    result = f"{text_at(ended, 'reason') or 'Error'}, exit code {code}"
    terminated = "terminated" in mapping_at(status, "state")  # the kubelet may not report CrashLoopBackOff in between
    restarts = status.get("restartCount", 0)
    if ended and (
        waiting.get("reason") == "CrashLoopBackOff" or restarts >= (1 if terminated else CRASH_LOOP_RESTARTS)
    ):
        return f"container {name} is crash-looping: {result}"
    return f"container {name} ended: {result}" if code and terminated else None


def pod_cause(pod: Object, events: Iterable[Object] = ()) -> str | None:
    """Return why a pod does not run, or None; `events` are searched for errors of its volumes and sandbox."""
    if at(pod, "metadata.deletionTimestamp"):
        return None
    scheduled = condition(pod, "PodScheduled")
    message = text_at(scheduled, "message")
    if scheduled.get("reason") == "Unschedulable" and "node.kubernetes.io/not-ready" not in message:
        return f"Pod/{name_of(pod)} can't be scheduled: {message}"
    for status in statuses(pod):
        if (cause := container_cause(status, may_end=may_end(pod))) is not None:
            return f"Pod/{name_of(pod)}: {cause}"
    if awaiting_sandbox(pod):
        messages = sorted(
            text_at(event, "message")
            for event in events
            if event.get("reason") in SANDBOX_EVENTS and at(event, "involvedObject.uid") == at(pod, "metadata.uid")
        )
        if messages:  # each retry creates a sandbox with another ID
            return f"Pod/{name_of(pod)}: " + re.sub("[0-9a-f]{64}", "…", messages[0])
    return None


def awaiting_sandbox(pod: Object) -> bool:
    """Return whether a scheduled pod is still without the volumes or the sandbox that its containers need."""
    return condition(pod, "PodReadyToStartContainers").get("status") == "False"


def replica_set_cause(replica_set: Object) -> str | None:
    """Return why a ReplicaSet can't create its pods (Pod Security, quota), or None."""
    if not has_condition(replica_set, "ReplicaFailure"):
        return None
    # The pod's generated name differs each time.
    message, _, refusal = text_at(condition(replica_set, "ReplicaFailure"), "message").partition('" is forbidden: ')
    return f"ReplicaSet/{name_of(replica_set)} can't create its pods: {refusal or message}"


def first_cause(pods: Iterable[Object], replica_sets: Iterable[Object], events: Iterable[Object] = ()) -> str | None:
    """Return the first cause, ReplicaSets before pods and each in order of their names, or None."""
    known = tuple(events)
    found = [
        *(replica_set_cause(item) for item in sorted(replica_sets, key=name_of)),
        *(pod_cause(item, known) for item in sorted(pods, key=name_of)),
    ]
    return next((cause for cause in found if cause is not None), None)


def current_cause(objects: Objects) -> str | None:
    """Return why a pod in the namespace can't run now, or None."""
    pods = objects.list("Pod").objects
    events = objects.list("Event").objects if any(map(awaiting_sandbox, pods)) else ()
    return first_cause(pods, objects.list("ReplicaSet").objects, events)
