"""Faults: things done to the release from outside, which undo themselves where they can be undone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kubernetes import client

from acceptance.core.fields import Object, name_of, text_at
from acceptance.core.signals import uninterrupted
from acceptance.kube.status import container_status
from acceptance.provision import run
from acceptance.provision.cluster import Cluster
from acceptance.provision.run import CTR
from toolchain.console import CommandError


class FaultError(Exception):
    """The fault could not be done; never a finding against the release."""


def container_id(pod: Object, container: str) -> str:
    """The container's identifier on the node; raises `FaultError` where it does not run."""
    if identifier := text_at(container_status(pod, container), "containerID"):
        return identifier.rpartition("/")[2]
    raise FaultError(f"container {container} of pod {name_of(pod)} does not run")


def main_process(cluster: Cluster, pod: Object, container: str) -> int:
    """The PID, on the node, of the container's main process."""
    wanted = container_id(pod, container)
    for line in cluster.node_exec(*CTR, "task", "ls").splitlines()[1:]:
        identifier, pid, _ = line.split(maxsplit=2)
        if identifier == wanted:
            return int(pid)
    raise FaultError(f"the node runs no task for container {container} of pod {name_of(pod)}")


def kill(cluster: Cluster, pod: Object, container: str) -> float:
    """Kill the container's main process from the node; the moment, in seconds since the epoch."""
    pid = main_process(cluster, pod, container)
    moment = time.time()
    cluster.node_exec("kill", "-KILL", str(pid))
    return moment


@contextmanager
def paused_container(cluster: Cluster, pod: Object, container: str) -> Iterator[float]:
    """Every process of the container stands still, from entry (the moment is yielded) to exit.

    A container that was restarted meanwhile is not there to be thawed. The run's record has it, since a node with
    something frozen can't even be deleted (cgroup v1): whoever removes a killed run thaws it first.
    """
    identifier = container_id(pod, container)
    record_paused(cluster, {identifier: cluster.node})
    cluster.node_exec(*CTR, "task", "pause", identifier)
    try:
        yield time.time()
    finally:
        with uninterrupted():
            if is_paused(cluster, identifier):
                try:
                    cluster.node_exec(*CTR, "task", "resume", identifier)
                except CommandError:
                    if is_paused(cluster, identifier):
                        raise
            record_paused(cluster, {}, without=identifier)


def record_paused(cluster: Cluster, more: Mapping[str, str], without: str = "") -> None:
    known = {**run.paused_containers(run.read_record(cluster.run.folder)), **more}
    run.update_record(cluster.run, paused={key: node for key, node in known.items() if key != without})


def is_paused(cluster: Cluster, identifier: str) -> bool:
    listed = cluster.node_exec(*CTR, "task", "ls").splitlines()[1:]
    return any(line.split()[0] == identifier and line.split()[-1] == "PAUSED" for line in listed)


def delete(cluster: Cluster, pod: Object, grace: int | None = None) -> float:
    """Delete the pod, with its own grace period or another; the moment, in seconds since the epoch."""
    moment = time.time()
    client.CoreV1Api(cluster.api).delete_namespaced_pod(
        name_of(pod),
        text_at(pod, "metadata.namespace"),
        grace_period_seconds=grace,
        _request_timeout=(5, 30),
    )
    return moment
