"""Draining, without chance: connections held open to one pod are used again right after its SIGTERM."""

from __future__ import annotations

from functools import partial

import pytest

from acceptance.checks.finding import Finding, report_findings
from acceptance.client.user import User
from acceptance.core.fields import text_at
from acceptance.core.wait import consistently
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.faults import delete
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.traffic.availability import failure_reason
from acceptance.traffic.plans import CLIENT_PAUSE, on_held_connections, page_views, task_writes, to_pod
from acceptance.traffic.records import InconclusiveSampleError, Record

COMPONENTS = ("backend", "frontend")
HELD = 20
WARM_UP = 3 * CLIENT_PAUSE
"""Every connection has carried two requests by then."""


@pytest.fixture(scope="module")
def drained(experiments: ExperimentRunner, writer: User, reader: User) -> Experiment:
    """One pod of each component is deleted while connections to it are held, by a client that does not look first."""
    plans = {}
    pods = {}
    for name, plan in (("backend", task_writes(writer)), ("frontend", page_views(reader))):
        part = experiments.target.component(name)
        pods[name] = experiments.pods(part)[0]
        plans[name] = to_pod(on_held_connections(plan, HELD), text_at(pods[name], "status.podIP"), part.port)
    with experiments.experiment("drain", **plans) as seen:
        seen.availability = False
        consistently("held connections", lambda: None, WARM_UP)
        for name, pod in pods.items():
            seen.annotate(f"{name} pod deleted")
            delete(experiments.release.cluster, pod)
        for name in COMPONENTS:
            part = experiments.target.component(name)
            seen.attempt(f"replaced {name}", partial(wait_rolled_out, experiments.objects, part))
    return seen


def undrained(uses: dict[int, list[Record]], status: int, service: str) -> list[Finding]:
    """A finding for each way in which held connections ended other than by an answer that says so."""
    lost: list[str] = []
    untold = 0
    for number, records in uses.items():
        for record in records:
            reason = failure_reason(record, status)
            if reason is not None:
                lost.append(f"connection {number}, use {record.use + 1}: {reason}")
                break
        else:
            untold += not records[-1].close
    object_ = f"Service/{service}"
    findings = []
    if lost:
        found = f"{len(lost)} of {len(uses)} lost one: {'; '.join(lost[:5])}"
        findings.append(Finding("STA-08", object_, "held connections", "every request is answered", found))
    if untold:
        found = f"{untold} of {len(uses)} were not told"
        findings.append(Finding("STA-08", object_, "held connections", "told `Connection: close` at the end", found))
    return findings


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_held_connections_are_answered_and_told_to_close(
    drained: Experiment, component: str, experiments: ExperimentRunner
) -> None:
    drained.took(f"replaced {component}")
    sampling = drained.traffic[component]
    gone = next(mark.moment for mark in drained.annotations if mark.text == f"{component} pod deleted")
    early = {record.connection for record in sampling.records if record.sent < gone and record.reused}
    uses = {number: [record for record in sampling.records if record.connection == number] for number in sorted(early)}
    if len(uses) < HELD:
        raise InconclusiveSampleError(f"{len(uses)} connections were held instead of {HELD}")
    report_findings(
        undrained(uses, sampling.plan.status, experiments.target.component(component).service), experiments.target
    )
