"""Draining, without chance: connections held open to one pod are used again right after its SIGTERM."""

from __future__ import annotations

from functools import partial

import pytest

from acceptance.availability import why_failed
from acceptance.client import User
from acceptance.experiment import Experiment, Laboratory
from acceptance.faults import delete
from acceptance.fields import text_at
from acceptance.finding import Finding, accept
from acceptance.records import Record, VoidError
from acceptance.rollout import rolled_out
from acceptance.traffic import CLIENT_PAUSE, held, page_views, task_writes, to_pod
from acceptance.wait import consistently

COMPONENTS = ("backend", "frontend")
HELD = 20
WARM_UP = 3 * CLIENT_PAUSE
"""Every connection has carried two requests by then."""


@pytest.fixture(scope="module")
def drained(lab: Laboratory, writer: User, reader: User) -> Experiment:
    """One pod of each component is deleted while connections to it are held, by a client that does not look first."""
    plans = {}
    pods = {}
    for name, plan in (("backend", task_writes(writer)), ("frontend", page_views(reader))):
        part = lab.target.component(name)
        pods[name] = lab.pods(part)[0]
        plans[name] = to_pod(held(plan, HELD), text_at(pods[name], "status.podIP"), part.port)
    with lab.experiment("drain", **plans) as seen:
        seen.availability = False
        consistently("held connections", lambda: None, WARM_UP)
        for name, pod in pods.items():
            seen.mark(f"{name} pod deleted")
            delete(lab.release.cluster, pod)
        for name in COMPONENTS:
            part = lab.target.component(name)
            seen.attempt(f"replaced {name}", partial(rolled_out, lab.objects, part))
    return seen


def undrained(uses: dict[int, list[Record]], status: int, service: str) -> list[Finding]:
    """A finding for each way in which held connections ended other than by an answer that says so."""
    lost: list[str] = []
    untold = 0
    for number, records in uses.items():
        for record in records:
            reason = why_failed(record, status)
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
def test_held_connections_are_answered_and_told_to_close(drained: Experiment, component: str, lab: Laboratory) -> None:
    drained.took(f"replaced {component}")
    sampling = drained.traffic[component]
    gone = next(mark.moment for mark in drained.marks if mark.text == f"{component} pod deleted")
    early = {record.connection for record in sampling.records if record.sent < gone and record.reused}
    uses = {number: [record for record in sampling.records if record.connection == number] for number in sorted(early)}
    if len(uses) < HELD:
        raise VoidError(f"{len(uses)} connections were held instead of {HELD}")
    accept(undrained(uses, sampling.plan.status, lab.target.component(component).service), lab.target)
