"""Faults that are injected into the release and into what it depends on.

A fault that lasts is a context manager: it applies the fault at entry and undoes it at exit. To kill a process and to
delete a pod are single events, which Kubernetes undoes: these functions return their moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from kubernetes import client

from acceptance.core.deadlines import NODE_UP
from acceptance.core.fields import Object, name_of, text_at
from acceptance.core.signals import uninterrupted
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.status import container_status
from acceptance.provision import run
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.run import CTR
from toolchain.console import CommandError


class FaultError(Exception):
    """The fault could not be injected; never a finding against the release."""


def container_id(pod: Object, container: str) -> str:
    """The container's identifier in containerd; raises `FaultError` if it does not run."""
    if identifier := text_at(container_status(pod, container), "containerID"):
        return identifier.rpartition("/")[2]
    raise FaultError(f"container {container} of pod {name_of(pod)} does not run")


def main_process(cluster: Cluster, pod: Object, container: str) -> int:
    """The PID, on the node, of the container's main process; raises `FaultError` if it does not run."""
    expected = container_id(pod, container)
    for line in _tasks(cluster):
        identifier, pid, _ = line.split(maxsplit=2)
        if identifier == expected:
            return int(pid)
    raise FaultError(f"the node runs no task for container {container} of pod {name_of(pod)}")


def process_environment(cluster: Cluster, pod: Object, container: str) -> dict[str, str]:
    """The environment with which the container's main process was started; it contains secrets."""
    pid = main_process(cluster, pod, container)
    entries = cluster.node_exec("cat", f"/proc/{pid}/environ").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def kill(cluster: Cluster, pod: Object, container: str) -> float:
    """Kill the container's main process from the node; the moment, in seconds since the epoch."""
    pid = main_process(cluster, pod, container)
    moment = time.time()
    cluster.node_exec("kill", "-KILL", str(pid))
    return moment


def delete(cluster: Cluster, pod: Object, grace_period: int | None = None) -> float:
    """Delete the pod; the moment, in seconds since the epoch.

    Args:
        cluster: The cluster that runs the pod.
        pod: The pod to delete.
        grace_period: Seconds; None for the pod's own.
    """
    moment = time.time()
    client.CoreV1Api(cluster.api).delete_namespaced_pod(
        name_of(pod),
        text_at(pod, "metadata.namespace"),
        grace_period_seconds=grace_period,
        _request_timeout=(5, 30),
    )
    return moment


def restart_node(cluster: Cluster) -> float:
    """Restart the node, with everything that runs on it, the control plane too; the moment of the command."""
    cluster.require_capability("node-restart")
    moment = time.time()
    cluster.toolchain.engine.docker("restart", "--time", "10", cluster.node)
    eventually("the node to run containers again", partial(_require_node_up, cluster), NODE_UP)
    cluster.provider.prepare_node()
    return moment


def _require_node_up(cluster: Cluster) -> None:
    if not cluster.node_up():
        raise NotYet("its container runtime does not answer")


@contextmanager
def paused_container(cluster: Cluster, pod: Object, container: str) -> Iterator[float]:
    """Pause every process of the container; yields the moment, in seconds since the epoch.

    A container that was restarted meanwhile is not resumed, since it is gone. The run's record names what is paused:
    a node with a paused container can't even be deleted (cgroup v1), so the cleanup after a killed run resumes it.
    """
    identifier = container_id(pod, container)
    _record_paused(cluster, {identifier: cluster.node})
    cluster.node_exec(*CTR, "task", "pause", identifier)
    try:
        yield time.time()
    finally:
        with uninterrupted():
            _resume(cluster, identifier)
            _record_paused(cluster, {}, without=identifier)


@contextmanager
def database_stopped(database: Database) -> Iterator[float]:
    """Stop PostgreSQL: connections are closed and new ones refused; yields the moment."""
    database.stop()
    try:
        yield time.time()
    finally:
        database.start()


@contextmanager
def database_paused(database: Database) -> Iterator[float]:
    """Pause PostgreSQL: connections stay open, but nothing is answered; yields the moment."""
    database.pause()
    try:
        yield time.time()
    finally:
        database.unpause()


@contextmanager
def model_stopped(model: ModelStub) -> Iterator[float]:
    """Stop the model's stub: its connections are refused; yields the moment."""
    model.stop()
    try:
        yield time.time()
    finally:
        model.start()
        model.behave()


@contextmanager
def model_failing(model: ModelStub, *, status: int = 200, malformed: bool = False) -> Iterator[float]:
    """Make the model answer with an error status or without meaning; yields the moment."""
    model.behave(status=status, malformed=malformed)
    try:
        yield time.time()
    finally:
        model.behave()


@contextmanager
def model_slow(model: ModelStub, seconds: float) -> Iterator[float]:
    """Make the model answer `seconds` late; yields the moment."""
    model.behave(delay_seconds=seconds)
    try:
        yield time.time()
    finally:
        model.behave()


def _tasks(cluster: Cluster) -> list[str]:
    """The node's containers as `ctr task ls` lists them: identifier, PID, status."""
    return cluster.node_exec(*CTR, "task", "ls").splitlines()[1:]


def _is_paused(cluster: Cluster, identifier: str) -> bool:
    return any(line.split()[0] == identifier and line.split()[-1] == "PAUSED" for line in _tasks(cluster))


def _resume(cluster: Cluster, identifier: str) -> None:
    if not _is_paused(cluster, identifier):
        return
    try:
        cluster.node_exec(*CTR, "task", "resume", identifier)
    except CommandError:
        if _is_paused(cluster, identifier):
            raise


def _record_paused(cluster: Cluster, more: Mapping[str, str], without: str = "") -> None:
    """Write to the run's record which containers are paused, with their nodes."""
    paused = {**run.paused_containers(run.read_record(cluster.run.folder)), **more}
    run.update_record(cluster.run, paused={key: node for key, node in paused.items() if key != without})
