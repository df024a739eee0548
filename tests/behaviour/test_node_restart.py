"""The nodes restart while users write: everything is Ready again by itself, and nothing acknowledged is lost."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import requests
import urllib3
from kubernetes.client import ApiException

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import NODE_RESTARTED, Deadline
from acceptance.core.fields import name_of, text_at
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments import faults
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import is_ready, restarts_of
from acceptance.provision.database import Database
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.plans import new_token
from acceptance.traffic.write_ledger import Reconciliation, Write, count, discrepancies, reconcile

pytestmark = pytest.mark.experiment(last=True)
"""What the suite runs on the node is restarted too: the sampler's records and the tracked connections end here."""

UNANSWERED = (AssertionError, requests.RequestException)
"""What a request raises if the release does not answer, or the gateway, which runs on the node too."""
MIN_WRITES = 5
"""Tasks that are acknowledged before the first node stops, so that there is something to lose."""


@dataclass
class TaskWriter:
    """Adds tasks one after the other until a request fails, and notes which were acknowledged."""

    user: User
    token: str = field(default_factory=new_token)
    writes: list[Write] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for number in range(10_000):
            marker = f"{self.token}-{number}"
            try:
                self.user.add_task(marker)
            except UNANSWERED:
                self.writes.append(Write(marker, acknowledged=False))
                return
            self.writes.append(Write(marker, acknowledged=True))
            if number + 1 >= MIN_WRITES:
                self.enough.set()


@dataclass(frozen=True)
class NodeRestart:
    """How the release recovered, by component, and what PostgreSQL contained of the writes."""

    ready: dict[str, WaitResult[None]]
    """How the wait for each component ended; they are waited for one after the other."""
    seconds: dict[str, float]
    """Seconds from the restart until each component was seen Ready."""
    served: WaitResult[object]
    ledger: Reconciliation | None
    """None where the database has no table or column of the target's name."""


def wait_restarted_pods(
    experiments: ExperimentRunner, component: str, before: dict[str, int], deadline: Deadline
) -> None:
    """Wait until the component has its replicas Ready, in pods that are new or were restarted since `before`.

    The API server shows the pods as they were before the restart until the kubelet reports again.
    """
    part = experiments.target.component(component)

    def probe() -> None:
        try:
            pods = experiments.pods(part)
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise NotYet(f"the API server does not answer: {type(error).__name__}") from error
        running = [pod for pod in pods if restarts_of(pod) > before.get(text_at(pod, "metadata.uid"), -1)]
        ready = [name_of(pod) for pod in running if is_ready(pod)]
        if len(ready) < part.replicas:
            raise NotYet(f"{len(ready)} of {part.replicas} pods are Ready again: {ready}")

    eventually(f"the pods of {part.deployment} to be Ready again", probe, deadline)


def wait_served(user: User) -> object:
    """Wait until a task can be added, and return it."""

    def probe() -> object:
        try:
            return user.add_task(new_token())
        except UNANSWERED as error:
            raise NotYet(str(error)) from error

    return eventually("a user's request to be served", probe, NODE_RESTARTED)


@pytest.fixture(scope="module")
def node_restart(experiments: ExperimentRunner, writer: User, database: Database) -> NodeRestart:
    """The nodes restart while tasks are added."""
    cluster, target = experiments.release.cluster, experiments.target
    cluster.require_capability("node-restart")
    adding = TaskWriter(writer)
    with experiments.experiment("node restart") as experiment:
        experiment.restarts_nodes = True
        before = {
            text_at(pod, "metadata.uid"): restarts_of(pod)
            for name in COMPONENTS
            for pod in experiments.pods(target.component(name))
        }
        thread = threading.Thread(target=adding.run, daemon=True)
        thread.start()
        if not adding.enough.wait(NODE_RESTARTED.seconds):
            raise Untested(f"{len(adding.writes)} tasks could be added before the restart, expected {MIN_WRITES}")
        restarted = experiment.annotate("node restarted")
        faults.restart_nodes(cluster)
        nodes_up = time.time()
        thread.join()
        ready: dict[str, WaitResult[None]] = {}
        seconds: dict[str, float] = {}
        for name in COMPONENTS:
            wait = partial(wait_restarted_pods, experiments, name, before, NODE_RESTARTED.counted_from(nodes_up))
            ready[name] = experiment.wait_for(f"{name} Ready again", wait)
            seconds[name] = time.time() - restarted
        served = experiment.wait_for("a request served", lambda: wait_served(writer))
        for each, result in ready.items():
            if not result.ok:  # other pods can restore the baseline, if these can't start again
                for pod in experiments.pods(target.component(each)):
                    faults.delete(cluster, pod, 0)
    ledger: Reconciliation | None = None
    with database.admin() as connection, suppress(Untested):
        counted = count(connection, target.tables.task, target.tables.task_title, adding.token)
        ledger = reconcile(adding.writes, counted)
    return NodeRestart(ready, seconds, served, ledger)


@pytest.mark.rule("STA-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_are_ready_again_after_a_node_restart(
    node_restart: NodeRestart, component: str, record_measurement: RecordMeasurement
) -> None:
    node_restart.ready[component].raise_if_failed()
    seconds = node_restart.seconds[component]
    record_measurement(f"node restart: {component} Ready again", round(seconds, 1), "s", Limit.of(NODE_RESTARTED))


@pytest.mark.rule("STA-09")
def test_requests_are_served_after_a_node_restart(node_restart: NodeRestart) -> None:
    node_restart.served.raise_if_failed()


@pytest.mark.rule("PER-05")
def test_node_restart_loses_no_acknowledged_write(node_restart: NodeRestart, experiments: ExperimentRunner) -> None:
    table, ledger = experiments.target.tables.task, node_restart.ledger
    if ledger is None:
        raise Untested(f"the database has no table {table} with the column that the target names")
    found: list[Finding] = discrepancies("PER-05", table, ledger)
    report_findings(found, experiments.target)
