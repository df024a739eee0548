"""Waits for pods of a disturbed component until they are replaced, restarted, Ready, or no longer Ready.

It also says whether the nodes have room for them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from acceptance.checks.finding import Finding, Untested, of_derived_part
from acceptance.core.deadlines import ENDPOINTS, POD_REPLACED, RECOVERED, Deadline
from acceptance.core.fields import Object, at, name_of, text_at
from acceptance.core.target import Component, Target
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.client import Objects
from acceptance.kube.status import (
    container_id,
    container_status,
    endpoint_readiness,
    is_ready,
    lack_of_room,
    restarts_of,
)


def without_room(objects: Objects, what: str) -> Untested | None:
    """Return `Untested` if no node has room for a pod of the release, which is not the release's fault; else None.

    Args:
        objects: Reads the pods.
        what: What there is no room for, in words.
    """
    message = lack_of_room(objects.list("Pod").objects)
    return Untested(f"the nodes have no room for {what}: {message}") if message else None


def require_room(objects: Objects, what: str) -> None:
    """Raise `Untested` if no node has room for a pod of the release; see `without_room`."""
    if reason := without_room(objects, what):
        raise reason


def uids(pods: Iterable[Object]) -> set[str]:
    """Return the UIDs of the pods."""
    return {text_at(pod, "metadata.uid") for pod in pods}


def current(runner: ExperimentRunner, component: Component, pod: Object) -> Object:
    """Return the pod as it is now; raises `NotYet` if it is gone."""
    for item in runner.pods(component):
        if text_at(item, "metadata.uid") == text_at(pod, "metadata.uid"):
            return item
    raise NotYet("the pod is gone")


def wait_replaced(runner: ExperimentRunner, component: Component, deleted: set[str]) -> list[Object]:
    """Wait until the component has all its replicas Ready, without the deleted pods (UIDs), and return them."""

    def probe() -> list[Object]:
        ready = [pod for pod in runner.pods(component) if is_ready(pod) and not uids([pod]) & deleted]
        if len(ready) < component.replicas:
            raise NotYet(f"{len(ready)} of {component.replicas} pods are Ready: {[name_of(pod) for pod in ready]}")
        return ready

    return eventually(f"replacements of the pods of {component.deployment} to be Ready", probe, RECOVERED)


def late_findings(rule: str, object_: str, what: str, recovery: WaitResult[Any], target: Target) -> list[Finding]:
    """Return a finding of the derived part of a rule if a pod took longer than POD-17 allows to be Ready again.

    Raises:
        WaitError: It was not Ready again at all.
    """
    if recovery.seconds <= POD_REPLACED.seconds:
        return []
    expected = f"within {POD_REPLACED.seconds:g} s ({POD_REPLACED.source})"
    return of_derived_part([Finding(rule, object_, what, expected, f"after {recovery.seconds:.1f} s")], target)


def wait_moved(runner: ExperimentRunner, component: Component, node: str, deadline: Deadline) -> None:
    """Wait until the component has all its replicas Ready on other nodes than this one."""

    def probe() -> None:
        pods = [pod for pod in runner.pods(component) if is_ready(pod) and text_at(pod, "spec.nodeName") != node]
        if len(pods) < component.replicas:
            names = [name_of(pod) for pod in pods]
            raise NotYet(f"{len(pods)} of {component.replicas} pods are Ready on other nodes: {names}")

    eventually(f"pods of {component.deployment} to be Ready on other nodes than {node}", probe, deadline)


def wait_restarted(runner: ExperimentRunner, component: Component, pod: Object) -> Object:
    """Wait until a pod, passed as it was before, has restarted and is Ready; return it as it is then."""
    before = restarts_of(pod)

    def probe() -> Object:
        item = current(runner, component, pod)
        if restarts_of(item) > before and is_ready(item):
            return item
        raise NotYet(f"restarts: {restarts_of(item)}, Ready: {is_ready(item)}")

    return eventually(f"pod {name_of(pod)} to be restarted and Ready", probe, RECOVERED)


def wait_container_started(
    runner: ExperimentRunner, component: Component, before: Object, deadline: Deadline
) -> Object:
    """Wait until the pod runs another container than before, and return the pod as it is then."""
    earlier = container_id(container_status(before, component.container))

    def probe() -> Object:
        pod = current(runner, component, before)
        status = container_status(pod, component.container)
        if not at(status, "state.running") or container_id(status) == earlier:
            raise NotYet("the new container does not run yet")
        return pod

    return eventually(f"the container of pod {name_of(before)} to be restarted", probe, deadline)


def wait_readiness(
    runner: ExperimentRunner, component: Component, pod: Object, deadline: Deadline, *, ready: bool
) -> float:
    """Wait until the pod is Ready, or until it is not, and return the moment in seconds since the epoch."""

    def probe() -> float:
        if is_ready(current(runner, component, pod)) is not ready:
            raise NotYet(f"it is {'not ' if ready else ''}Ready")
        return time.time()

    return eventually(f"pod {name_of(pod)} to be {'Ready' if ready else 'unready'}", probe, deadline)


def wait_endpoint_removed(runner: ExperimentRunner, component: Component, pod: Object) -> None:
    """Wait until the pod is no longer a ready endpoint of its Service."""

    def probe() -> None:
        if endpoint_readiness(runner.objects.list("EndpointSlice").objects, component.service).get(name_of(pod)):
            raise NotYet("it still is")

    eventually(f"pod {name_of(pod)} no longer to be a ready endpoint of Service {component.service}", probe, ENDPOINTS)
