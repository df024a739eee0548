"""A node is drained, and a node is lost, under traffic: pods move to the other nodes, and nothing acknowledged is lost.

Collected where the run creates a cluster with two workers or more (`--nodes 3`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import (
    ENDPOINT_GONE,
    NODE_DRAINED,
    NODE_LOSS_NOTICED,
    POD_REPLACED,
    PODS_OF_LOST_NODE_REPLACED,
    Deadline,
)
from acceptance.core.fields import name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments import faults
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.recovery import wait_moved
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import is_ready, is_terminating, longest_grace_period, pods_of
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.outages import OutageBound
from acceptance.traffic.plans import Plan, page_views, task_writes
from acceptance.traffic.sampler import Sampler

pytestmark = pytest.mark.experiment(last=True)
WRITES_PER_SECOND = 5.0
PAGES_PER_SECOND = 2.0
QUIET_SECONDS = 3.0
"""Time before the fault and after the recovery, so that its outage ends within the experiment."""


@dataclass(frozen=True)
class Recovery:
    """How the wait for a component's pods on other nodes ended, and how long after the fault, in seconds."""

    result: WaitResult[None]
    seconds: float


@dataclass(frozen=True)
class NodeFault:
    """The experiment, the node and its pods by component, and how the release recovered."""

    experiment: Experiment
    node: str
    pods: Mapping[ComponentName, frozenset[str]]
    """The names of the pods that were on the node."""
    interval: Interval
    evicted: WaitResult[None]
    recovered: Mapping[ComponentName, Recovery]

    def keeps_a_pod(self, experiments: ExperimentRunner, component: ComponentName) -> bool:
        """Return whether at every change a pod on another node was Ready and not being deleted."""
        part = experiments.target.component(component)
        states = self.experiment.history.states("Pod", self.interval.start, self.interval.end)
        return all(
            any(
                is_ready(pod) and not is_terminating(pod) and name_of(pod) not in self.pods[component]
                for pod in pods_of(state.objects, part)
            )
            for state in states
        )

    def noticed_after(self, experiments: ExperimentRunner, component: ComponentName) -> float:
        """Return how many seconds after the fault none of the component's pods on the node was Ready any more.

        NODE_LOSS_NOTICED if that was earlier, or never: Kubernetes itself is late on a busy machine.
        """
        part = experiments.target.component(component)
        noticed = (
            state.moment - self.interval.start
            for state in self.experiment.history.states("Pod", self.interval.start, self.interval.end)
            if not any(is_ready(pod) for pod in pods_of(state.objects, part) if name_of(pod) in self.pods[component])
        )
        return round(max(NODE_LOSS_NOTICED.seconds, next(noticed, 0.0)), 1)


def chosen_node(experiments: ExperimentRunner, sampler: Sampler) -> str:
    """Return the node with most pods of the release among those from which no request is sent. Raises `Untested`."""
    parts = [experiments.target.component(name) for name in COMPONENTS]
    counts = Counter(text_at(pod, "spec.nodeName") for part in parts for pod in experiments.pods(part))
    for excluded in (text_at(sampler.pod, "spec.nodeName"), experiments.release.cluster.provider.nodes[0]):
        counts.pop(excluded, None)
    if not counts:
        raise Untested("every pod of the release is on the node of the sampler or of the control plane")
    return counts.most_common(1)[0][0]


def pods_on(experiments: ExperimentRunner, node: str) -> dict[ComponentName, frozenset[str]]:
    """Return the names of each component's pods on a node."""
    return {
        name: frozenset(
            name_of(pod)
            for pod in experiments.pods(experiments.target.component(name))
            if text_at(pod, "spec.nodeName") == node
        )
        for name in COMPONENTS
    }


def plans(writer: User, reader: User) -> dict[str, Plan]:
    return {"backend": task_writes(writer, WRITES_PER_SECOND), "frontend": page_views(reader, PAGES_PER_SECOND)}


def wait_all_moved(
    experiments: ExperimentRunner, experiment: Experiment, node: str, deadline: Deadline, start: float
) -> dict[ComponentName, Recovery]:
    """Wait for each component to have its replicas Ready on other nodes; the deadline of each counts from the start."""
    recovered = {}
    for name in COMPONENTS:
        left = deadline.counted_from(start)
        wait = partial(wait_moved, experiments, experiments.target.component(name), node, left)
        result = experiment.wait_for(f"{name} Ready on other nodes", wait)
        recovered[name] = Recovery(result, time.time() - start)
    return recovered


def moved_in(pods: Mapping[ComponentName, frozenset[str]]) -> Deadline:
    """Return how long the pods of a drained node may take.

    A PodDisruptionBudget may let those of a component be evicted one after the other only.
    """
    seconds = POD_REPLACED.seconds * max(1, *map(len, pods.values()))
    return replace(POD_REPLACED, seconds=seconds, source=f"{POD_REPLACED.source}; one pod after the other")


def spread_again(experiments: ExperimentRunner) -> None:
    """Delete a pod of each component; the scheduler prefers the node that was drained for its replacement."""
    for name in COMPONENTS:
        faults.delete(experiments.release.cluster, experiments.pods(experiments.target.component(name))[0])
    experiments.wait_rolled_out()


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def node_drain(experiments: ExperimentRunner, writer: User, reader: User, sampler: Sampler) -> NodeFault:
    """A node is drained, as `kubectl drain` does it."""
    cluster, node = experiments.release.cluster, chosen_node(experiments, sampler)
    with experiments.experiment("node drained", **plans(writer, reader)) as experiment:
        pods = pods_on(experiments, node)
        longest = longest_grace_period(experiments.objects.list("Pod").objects)
        dwell(QUIET_SECONDS, "the first requests open connections")
        with experiment.disturbance(restarts=False):
            start = experiment.annotate(f"{node} drained")
            with faults.drained_node(cluster, node, NODE_DRAINED.for_grace_period(longest)) as wait_evicted:
                recovered = wait_all_moved(experiments, experiment, node, moved_in(pods), start)
                evicted = experiment.wait_for("every pod evicted", wait_evicted)
                dwell(QUIET_SECONDS, "requests after the recovery")
            interval = Interval(start, experiment.annotate(f"{node} schedulable again"))
            spread_again(experiments)
    return NodeFault(experiment, node, pods, interval, evicted, recovered)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def node_loss(experiments: ExperimentRunner, writer: User, reader: User, sampler: Sampler) -> NodeFault:
    """A node is lost: everything on it ends at once, and it comes back when its pods have been replaced."""
    cluster, node = experiments.release.cluster, chosen_node(experiments, sampler)
    with experiments.experiment("node lost", **plans(writer, reader)) as experiment:
        pods = pods_on(experiments, node)
        dwell(QUIET_SECONDS, "the first requests open connections")
        with experiment.disturbance():
            start = experiment.annotate(f"{node} lost")
            with faults.lost_node(cluster, node):
                recovered = wait_all_moved(experiments, experiment, node, PODS_OF_LOST_NODE_REPLACED, start)
                dwell(QUIET_SECONDS, "requests after the recovery")
                end = experiment.annotate(f"{node} back")
    return NodeFault(experiment, node, pods, Interval(start, end), SKIPPED, recovered)


def judge_recovery(
    fault: NodeFault, component: ComponentName, deadline: Deadline, record_measurement: RecordMeasurement
) -> None:
    """Raise the error of a wait that failed, and record how long the component took to be Ready on other nodes."""
    recovery = fault.recovered[component]
    recovery.result.raise_if_failed()
    what = f"{fault.experiment.name}: {component} Ready on other nodes"
    record_measurement(what, round(recovery.seconds, 1), "s", Limit.of(deadline))


def outage_findings(
    fault: NodeFault,
    bounds: Mapping[ComponentName, OutageBound],
    record_measurement: RecordMeasurement,
) -> list[Finding]:
    """Record the longest outage of each component, and return a finding for each beyond its bound."""
    findings = []
    # A page needs the backend too.
    longest = max(bounds.values(), key=lambda bound: bound.longest)
    for name, bound in {**bounds, "frontend": longest}.items():
        run = fault.experiment.traffic[name]
        during = run.availability.between(fault.interval)
        failed = f"{len(during.failures)} of {len(during.records)} failed"
        limit = Limit(bound.longest, f"STA-09: {bound.source}")
        what = f"{fault.experiment.name}: longest outage of the {name} ({failed})"
        record_measurement(what, round(during.longest_outage, 2), "s", limit)
        findings += bound.findings(fault.experiment.name, fault.interval, run.availability, run.plan.service)
    return findings


@pytest.mark.rule("STA-09")
def test_node_can_be_drained(node_drain: NodeFault) -> None:
    """No PodDisruptionBudget may keep a pod on the node."""
    node_drain.evicted.raise_if_failed()


@pytest.mark.rule("STA-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_of_a_drained_node_move_in_time(
    node_drain: NodeFault, component: ComponentName, record_measurement: RecordMeasurement
) -> None:
    judge_recovery(node_drain, component, moved_in(node_drain.pods), record_measurement)


@pytest.mark.rule("STA-09")
def test_drained_node_fails_only_requests_without_another_pod(
    node_drain: NodeFault, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """While a pod of the component is Ready on another node, no request may fail."""
    kept = OutageBound(0.0, "a pod that is evicted answers until no request reaches it")
    deadline = moved_in(node_drain.pods)
    moved = OutageBound(deadline.seconds, deadline.source)
    bounds = {name: kept if node_drain.keeps_a_pod(experiments, name) else moved for name in COMPONENTS}
    report_findings(outage_findings(node_drain, bounds, record_measurement), experiments.target)


@pytest.mark.rule("STA-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_of_a_lost_node_are_replaced(
    node_loss: NodeFault, component: ComponentName, record_measurement: RecordMeasurement
) -> None:
    judge_recovery(node_loss, component, PODS_OF_LOST_NODE_REPLACED, record_measurement)


@pytest.mark.rule("STA-09")
def test_outage_of_a_lost_node_ends(
    node_loss: NodeFault, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """It ends when the cluster notices the loss, if a pod runs on another node; else when the pods are replaced."""
    bounds = {}
    for name in COMPONENTS:
        if node_loss.keeps_a_pod(experiments, name):
            noticed = node_loss.noticed_after(experiments, name)
            source = f"{NODE_LOSS_NOTICED.source}: its pods were unready after {noticed:.0f} s at most"
            bounds[name] = OutageBound(noticed + ENDPOINT_GONE.seconds, source)
        else:
            bounds[name] = OutageBound(PODS_OF_LOST_NODE_REPLACED.seconds, PODS_OF_LOST_NODE_REPLACED.source)
    report_findings(outage_findings(node_loss, bounds, record_measurement), experiments.target)


@pytest.mark.rule("PER-05")
@pytest.mark.parametrize("fault", ["node_drain", "node_loss"])
def test_no_acknowledged_write_is_lost_with_a_node(
    fault: str, request: pytest.FixtureRequest, experiments: ExperimentRunner
) -> None:
    experiment: Experiment = request.getfixturevalue(fault).experiment
    if not experiment.ledgers:
        raise Untested("no write was compared with PostgreSQL")
    found = [finding for ledger in experiment.ledgers.values() for finding in ledger.findings("PER-05")]
    report_findings(found, experiments.target)
