"""Pods, ReplicaSets and events with faults, as recorded from an API server and shortened."""

from __future__ import annotations

from typing import Any

from acceptance.core.fields import Object

PULL = 'failed to pull and unpack image "docker.io/library/a:1": dial tcp 10.0.0.1:{}: i/o timeout'
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=c pod=broken_x(uid)"}
CRASHED = {"exitCode": 1, "reason": "Error"}
STARTED = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
FORBIDDEN = (
    'pods "broken-{}" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
    '(container "c" must set securityContext.allowPrivilegeEscalation=false)'
)


def status(
    name: str = "c",
    state: Object | None = None,
    *,
    last: Object | None = None,
    restarts: int = 0,
    ready: bool = False,
) -> dict[str, Any]:
    """Return a container's status; `state` and `last` are `{"waiting" | "running" | "terminated": {…}}`."""
    return {
        "name": name,
        "image": "a:1",
        "state": state or STARTED,
        "lastState": last or {},
        "restartCount": restarts,
        "ready": ready,
        "containerID": "containerd://1" if "waiting" not in (state or STARTED) or restarts else "",
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    name: str = "broken",
    *containers: Object,
    init: Object | None = None,
    phase: str = "Pending",
    conditions: tuple[Object, ...] = (),
    deleted: bool = False,
) -> dict[str, Any]:
    """Return a scheduled pod; it is Ready if all its containers are."""
    ready = bool(containers) and all(each["ready"] for each in containers)
    ready_condition = [{"type": "Ready", "status": str(ready), **({} if ready else {"reason": "ContainersNotReady"})}]
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": f"uid of {name}",
            **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}),
        },
        "spec": {"nodeName": "node"},
        "status": {
            "phase": phase,
            "conditions": [*conditions, *ready_condition],
            "initContainerStatuses": [init] if init else [],
            "containerStatuses": list(containers),
        },
    }


def healthy(name: str = "healthy") -> dict[str, Any]:
    return pod(name, status(ready=True), phase="Running")


def unschedulable(message: str) -> dict[str, Any]:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    item = pod(conditions=(scheduled,))
    del item["spec"]["nodeName"]
    return item


def awaiting_sandbox(name: str = "broken") -> dict[str, Any]:
    condition = {"type": "PodReadyToStartContainers", "status": "False"}
    return pod(name, status(state=waiting("ContainerCreating")), conditions=(condition,))


def replica_set(suffix: str | None = None) -> dict[str, Any]:
    """Return a ReplicaSet; with the suffix of a pod's name, one that can't create that pod."""
    conditions = []
    if suffix:
        message = FORBIDDEN.format(suffix)
        conditions = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
    return {"metadata": {"name": "rs", "namespace": "n", "uid": "uid of rs"}, "status": {"conditions": conditions}}


def event(name: str, reason: str, message: str, *, kind: str = "Pod", normal: bool = False) -> dict[str, Any]:
    return {
        "type": "Normal" if normal else "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": kind, "name": name, "uid": f"uid of {name}"},
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "lastTimestamp": None,
    }
