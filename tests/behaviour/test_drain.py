"""Draining: connections held open to one pod are used again right after its SIGTERM.

Before the SIGTERM, clients disconnect without waiting for their responses: a pod that insists on sending them never
stops by itself, which `test_deleted_pods_stop_within_their_grace_period` judges.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.pods import origin
from acceptance.client.user import User, send
from acceptance.core.deadlines import REQUEST
from acceptance.core.fields import text_at
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.faults import delete
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.experiments.runner import ExperimentRunner
from acceptance.traffic.availability import failure_reason
from acceptance.traffic.plans import CLIENT_PAUSE, Plan, on_held_connections, page_views, task_writes, to_pod
from acceptance.traffic.records import InconclusiveSampleError, Record

HELD_CONNECTIONS = 20
WARM_UP_SECONDS = 3 * CLIENT_PAUSE
"""Time in which every connection carries two requests before the pod is deleted."""
ABANDONED, ABANDONED_AFTER = 10, 0.01
"""How many requests are abandoned by their clients, and after how many seconds: most responses take longer."""


@dataclass(frozen=True)
class Drain:
    """The experiment, when each component's pod was deleted, and its replacement."""

    experiment: Experiment
    deleted_at: dict[ComponentName, float]
    replaced: dict[ComponentName, WaitResult[tuple[str, ...]]]


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def drain(experiments: ExperimentRunner, writer: User, reader: User) -> Drain:
    """One pod of each component is deleted while a client holds connections to it, and uses them without a check."""
    target, plans, pods = experiments.target, {}, {}
    for name, plan in zip(COMPONENTS, (task_writes(writer), page_views(reader)), strict=True):
        component = target.component(name)
        pods[name] = experiments.pods(component)[0]
        held = on_held_connections(plan, HELD_CONNECTIONS)
        plans[str(name)] = to_pod(held, text_at(pods[name], "status.podIP"), component.port)
    with experiments.experiment("drain", **plans) as experiment:
        experiment.availability = False
        dwell(WARM_UP_SECONDS, "every connection is used")
        for name, pod in pods.items():
            abandon_requests(reader, plans[name], origin(experiments.release, name, pod))
        drain = Drain(experiment, {}, {})
        with experiment.disturbance(restarts=False):
            for name, pod in pods.items():
                drain.deleted_at[name] = experiment.annotate(f"{name} pod deleted")
                delete(experiments.release.cluster, pod)
            for name in COMPONENTS:
                drain.replaced[name] = wait_rollout(experiments, experiment, name)
    for name in COMPONENTS:
        require_held(drain, name)
    return drain


def abandon_requests(user: User, plan: Plan, address: str) -> None:
    """Send requests to a pod, and close each connection before the response can have arrived."""
    headers = user.browser_headers | user.authorization
    for _ in range(ABANDONED):
        with suppress(AssertionError):  # no response, as intended
            send(user.gateway, "GET", address + plan.path, headers=headers, timeout=(REQUEST.seconds, ABANDONED_AFTER))


def wait_rollout(
    experiments: ExperimentRunner, experiment: Experiment, name: ComponentName
) -> WaitResult[tuple[str, ...]]:
    component = experiments.target.component(name)
    return experiment.wait_for(f"{name} replaced", lambda: wait_rolled_out(experiments.objects, component))


def held_connections(drain: Drain, name: ComponentName) -> dict[int, list[Record]]:
    """Return the records of each connection that had carried two requests when the component's pod was deleted."""
    records, deleted_at = drain.experiment.traffic[name].records, drain.deleted_at[name]
    held = {record.connection for record in records if record.sent < deleted_at and record.reused}
    return {number: [record for record in records if record.connection == number] for number in sorted(held)}


def require_held(drain: Drain, name: ComponentName) -> None:
    """Raise `InconclusiveSampleError` if too few connections to the component's pod were held to judge its end.

    A connection is used again only if its first request was answered in time: a late answer is no fault of the end.
    """
    if name not in drain.experiment.traffic or not drain.experiment.traffic[name].availability.keeps_connections:
        return
    if len(held := held_connections(drain, name)) < HELD_CONNECTIONS:
        before = [each for each in drain.experiment.traffic[name].records if each.sent < drain.deleted_at[name]]
        slowest = max((each.duration for each in before), default=0.0)
        raise InconclusiveSampleError(
            f"{len(held)} connections to the {name}'s pod were held instead of {HELD_CONNECTIONS}: each was to be used "
            f"{CLIENT_PAUSE:g} s after its last request, and the slowest of those was answered after {slowest:.1f} s"
        )


def drain_findings(uses: dict[int, list[Record]], status: int, service: str) -> list[Finding]:
    """Return a finding for each way in which held connections ended other than by `Connection: close` in a response."""
    lost: list[str] = []
    not_closed = 0
    for number, records in uses.items():
        for record in records:
            reason = failure_reason(record, status)
            if reason is not None:
                lost.append(f"connection {number}, use {record.use + 1}: {reason}")
                break
        else:
            not_closed += not records[-1].close
    object_ = f"Service/{service}"
    findings = []
    if lost:
        actual = f"{len(lost)} of {len(uses)} lost one: {'; '.join(lost[:5])}"
        findings.append(Finding("STA-08", object_, "held connections", "every request is answered", actual))
    if not_closed:
        actual = f"{not_closed} of {len(uses)} were not"
        findings.append(Finding("STA-08", object_, "held connections", "closed with `Connection: close`", actual))
    return findings


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_held_connections_are_answered_and_closed(
    drain: Drain, component: ComponentName, experiments: ExperimentRunner
) -> None:
    drain.replaced[component].raise_if_failed()
    run = drain.experiment.traffic[component]
    if not run.availability.keeps_connections:
        raise Untested(f"the {component} closes each connection after its response")
    service = experiments.target.component(component).service
    found = drain_findings(held_connections(drain, component), run.plan.status, service)
    report_findings(of_derived_part(found, experiments.target), experiments.target)
