"""Spread and state: every pod gets its share, and what one wrote every other reads."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import replace

import pytest
import requests

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import REQUEST
from acceptance.core.fields import name_of, text_at
from acceptance.core.wait import consistently
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.provision.gateway import Gateway
from acceptance.traffic.availability import UNATTRIBUTED
from acceptance.traffic.balance import MIN_CONNECTIONS_PER_POD, imbalance_findings, spread_p
from acceptance.traffic.plans import task_writes
from acceptance.traffic.records import InconclusiveSampleError

CONNECTIONS_PER_SECOND = 80.0


@pytest.fixture(scope="module")
def spread(experiments: ExperimentRunner, writer: User) -> Experiment:
    """Nothing is disturbed; every request has a connection of its own."""
    part = experiments.target.component("backend")
    plan = replace(task_writes(writer, CONNECTIONS_PER_SECOND), reused_share=0.0)
    with experiments.experiment("spread", backend=plan) as seen:
        consistently("traffic", lambda: None, 1.1 * MIN_CONNECTIONS_PER_POD * part.replicas / CONNECTIONS_PER_SECOND)
    unattributed = seen.traffic["backend"].availability.pods[UNATTRIBUTED]
    if part.pod_header is None and unattributed:
        raise Untested(f"the target names no response header with the pod's name, {unattributed} are unattributed")
    return seen


@pytest.mark.rule("STA-07", "SVC-09")
def test_load_is_spread_over_every_ready_pod(spread: Experiment, experiments: ExperimentRunner) -> None:
    part = experiments.target.component("backend")
    availability = spread.traffic["backend"].availability
    if availability.reused:
        raise InconclusiveSampleError("connections were reused")
    counts = {name_of(pod): availability.pods.get(name_of(pod), 0) for pod in experiments.pods(part)}
    service = f"Service/{part.service}"
    findings = [
        Finding("SVC-09", service, "pods that answer", f"{pod} among them", "not one request")
        for pod, count in counts.items()
        if not count
    ]
    strangers = sorted(availability.pods.keys() - counts.keys())
    if strangers:
        findings.append(Finding("SVC-09", service, "pods that answer", f"only {sorted(counts)}", f"{strangers} too"))
    report_findings([*findings, *imbalance_findings(counts, part.service)], experiments.target)


@pytest.mark.rule("STA-07")
def test_the_verdict_on_these_very_counts_would_find_half_a_share(
    spread: Experiment, experiments: ExperimentRunner
) -> None:
    counts = dict(spread.traffic["backend"].availability.pods)
    poor, rich = sorted(counts)[:2]
    moved = counts[poor] // 2
    skewed = {**counts, poor: counts[poor] - moved, rich: counts[rich] + moved}
    assert spread_p(counts) > spread_p(skewed)
    assert imbalance_findings(skewed, experiments.target.component("backend").service)


@pytest.mark.rule("STA-01", "STA-04")
def test_what_one_pod_wrote_every_other_reads_at_once(
    experiments: ExperimentRunner, user: User, gateway: Gateway
) -> None:
    part, api = experiments.target.component("backend"), experiments.target.api
    addresses = {name_of(pod): text_at(pod, "status.podIP") for pod in experiments.pods(part)}
    assert len(addresses) >= 2
    path = user.path(api.tasks)
    headers = {"Authorization": f"Bearer {user.token}"}
    findings = []
    with gateway.session() as session:
        for (one, here), (other, there) in itertools.permutations(addresses.items(), 2):
            title = f"state {secrets.token_hex(8)}"
            written = session.post(
                f"http://{here}:{part.port}{path}",
                json={api.title_field: title},
                headers=headers,
                timeout=REQUEST.seconds,
            )
            read = session.get(f"http://{there}:{part.port}{path}", headers=headers, timeout=REQUEST.seconds)
            for pod, answer, wanted in ((one, written, api.created), (other, read, requests.codes.ok)):
                if answer.status_code != wanted:
                    got = str(answer.status_code)
                    findings.append(Finding("STA-04", f"Pod/{pod}", "status", f"{wanted} for the same token", got))
            if title not in read.text:
                wanted_text = f"the task that Pod/{one} has just written"
                findings.append(Finding("STA-01", f"Pod/{other}", "tasks", wanted_text, "not there"))
    report_findings(findings, experiments.target)
