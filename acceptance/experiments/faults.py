"""Faults that are injected into the release and into what it depends on.

A fault that lasts is a context manager: it applies the fault at entry and undoes it at exit. A killed process and a
deleted pod are events, which Kubernetes repairs: their functions return the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from kubernetes import client

from acceptance.core.deadlines import LIVENESS, NODE_BACK, NODE_UP, Deadline
from acceptance.core.fields import Object, name_of, text_at
from acceptance.core.signals import uninterrupted
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.kube.client import TIMEOUT
from acceptance.kube.status import container_id, container_status
from acceptance.provision import run
from acceptance.provision.cgroups import freezer_of, pause_command, pause_next_command, resume_command
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.providers import Provider
from toolchain.console import CommandError

PODS_STAYED = "global timeout reached"
"""What `kubectl drain` prints if a pod can't be evicted or does not end in time."""


class FaultError(Exception):
    """The fault could not be injected; never a finding against the release."""


def main_process(cluster: Cluster, pod: Object, container: str) -> int:
    """Return the PID of the container's main process on the pod's node.

    Raises:
        FaultError: The container does not run.
    """
    identifier = container_id(container_status(pod, container))
    if not identifier:
        raise FaultError(f"container {container} of pod {name_of(pod)} does not run")
    found = cluster.node_of(pod).main_processes().get(identifier)
    if found is None:
        raise FaultError(f"the node runs no process of container {container} of pod {name_of(pod)}")
    return found


def process_environment(cluster: Cluster, pod: Object, container: str) -> dict[str, str]:
    """Return the environment with which the container's main process was started; it contains secrets."""
    pid = main_process(cluster, pod, container)
    entries = cluster.node_of(pod).exec("cat", f"/proc/{pid}/environ").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def kill(cluster: Cluster, pod: Object, container: str) -> float:
    """Kill the container's main process from the node, and return the moment in seconds since the epoch."""
    pid = main_process(cluster, pod, container)
    moment = time.time()
    cluster.node_of(pod).exec("kill", "-KILL", str(pid))
    return moment


def delete(cluster: Cluster, pod: Object, grace_period: int | None = None) -> float:
    """Delete the pod, and return the moment in seconds since the epoch.

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
        _request_timeout=TIMEOUT,
    )
    return moment


def restart_nodes(cluster: Cluster) -> float:
    """Restart the nodes one after the other, with everything on them, and return the moment of the command."""
    cluster.require_capability("node-restart")
    provider = cluster.provider
    moment = time.time()
    cluster.toolchain.engine.docker("restart", "--time", "10", *provider.nodes)
    eventually("the nodes to run containers again", partial(_require_nodes_up, provider), NODE_UP)
    provider.prepare_nodes()
    return moment


def _require_nodes_up(provider: Provider) -> None:
    if not provider.nodes_up():
        raise NotYet("a container runtime does not answer")


@contextmanager
def drained_node(cluster: Cluster, node: str, deadline: Deadline) -> Iterator[Callable[[], None]]:
    """Drain a node of the run's own cluster while the body runs, and let pods be scheduled on it again at exit.

    Yields a function that waits until every pod is evicted. It raises `WaitError` with kubectl's words if one stays,
    and `CommandError` if kubectl failed for another reason, which says nothing about the release.
    """
    cluster.require_capability("node-restart")
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={deadline.seconds:g}s")
    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(cluster.kubectl, "drain", node, *options)

        def wait_evicted() -> None:
            try:
                draining.result()
            except CommandError as error:
                if PODS_STAYED not in error.stderr:
                    raise
                raise WaitError(f"node {node} can't be drained within {deadline.seconds:g} s: {error}") from error

        try:
            yield wait_evicted
        finally:
            with uninterrupted():
                wait([draining])
                cluster.kubectl("uncordon", node)


@contextmanager
def lost_node(cluster: Cluster, node: str) -> Iterator[None]:
    """Kill a node of the run's own cluster, with everything on it, and start it again at exit."""
    cluster.require_capability("node-restart")
    provider, docker = cluster.provider, cluster.toolchain.engine.docker
    docker("kill", node)
    try:
        yield
    finally:
        with uninterrupted():
            docker("start", node)
            eventually(f"node {node} to run containers again", partial(_require_nodes_up, provider), NODE_UP)
            provider.prepare_nodes()
            timeout = f"--timeout={NODE_BACK.seconds:g}s"
            cluster.kubectl("wait", "--for=condition=Ready", f"node/{node}", timeout)


@contextmanager
def paused_container(cluster: Cluster, pod: Object, container: str) -> Iterator[float]:
    """Pause every process of the container; yields the moment, in seconds since the epoch.

    A container that was restarted meanwhile is not resumed, since it is gone. The run's record names what is paused:
    a node with a paused container can't even be deleted (cgroup v1), so the cleanup after a killed run resumes it.
    """
    node = cluster.node_of(pod)
    freezer = freezer_of(node.exec("cat", f"/proc/{main_process(cluster, pod, container)}/cgroup"))
    _record_paused(cluster, {freezer: node.name})
    try:
        node.exec(*pause_command(freezer))
        yield time.time()
    finally:
        with uninterrupted():
            node.exec(*resume_command(freezer))
            _record_paused(cluster, {}, without=freezer)


@contextmanager
def paused_at_start(cluster: Cluster, pod: Object, container: str) -> Iterator[Callable[[], None]]:
    """Pause the container that replaces the running one as soon as it has started, until exit.

    A command on the node waits for it, since Kubernetes reports a start too late to pause a server that starts quickly.
    Yields a function that waits until the container is paused, and raises `FaultError` if none is. The same command
    resumes the container, also if this process is killed.
    """
    node = cluster.node_of(pod)
    freezer = freezer_of(node.exec("cat", f"/proc/{main_process(cluster, pod, container)}/cgroup"))
    with node.stream(*pause_next_command(freezer, LIVENESS.seconds)) as lines:
        if lines.readline().strip() != "watching":
            raise FaultError(f"node {node.name} can't watch the containers of pod {name_of(pod)}")

        def wait_paused() -> None:
            if lines.readline().strip() != "paused":
                raise FaultError(f"no new container of pod {name_of(pod)} could be paused in {LIVENESS.seconds:g} s")

        yield wait_paused


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
def _model_behaving(model: ModelStub, **behaviour: Any) -> Iterator[float]:
    """Set the model's behaviour until exit; yields the moment."""
    model.behave(**behaviour)
    try:
        yield time.time()
    finally:
        model.behave()


def model_failing(
    model: ModelStub, *, status: int = 200, malformed: bool = False, seconds: float = 0
) -> AbstractContextManager[float]:
    """Make the model answer with an error status or with nonsense, `seconds` late; yields the moment."""
    return _model_behaving(model, status=status, malformed=malformed, delay_seconds=seconds)


def model_slow(model: ModelStub, seconds: float) -> AbstractContextManager[float]:
    """Make the model answer `seconds` late; yields the moment."""
    return _model_behaving(model, delay_seconds=seconds)


def model_looping(model: ModelStub, seconds: float) -> AbstractContextManager[float]:
    """Make the model answer `seconds` late, and call the tool of a command again and again; yields the moment."""
    return _model_behaving(model, delay_seconds=seconds, repeats_calls=True)


MODEL_FAULTS: Mapping[str, Callable[[ModelStub], AbstractContextManager[float]]] = {
    "status 500": lambda model: model_failing(model, status=500),
    "status 503": lambda model: model_failing(model, status=503),
    "status 429": lambda model: model_failing(model, status=429),
    "status 401": lambda model: model_failing(model, status=401),
    "malformed answer": lambda model: model_failing(model, malformed=True),
    "stopped": model_stopped,
}
"""Ways in which the model fails at once, by name."""


def _record_paused(cluster: Cluster, more: Mapping[str, str], without: str = "") -> None:
    """Keep in the run's record which containers are paused, with their nodes."""
    paused = {**run.paused_freezers(run.read_record(cluster.run.folder)), **more}
    run.update_record(cluster.run, paused={key: node for key, node in paused.items() if key != without})
