"""Load balance and shared state: every pod gets its share, and what one writes every other reads."""

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
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.provision.gateway import Gateway
from acceptance.traffic.availability import UNATTRIBUTED
from acceptance.traffic.balance import MIN_CONNECTIONS_PER_POD, balance_p, imbalance_findings
from acceptance.traffic.plans import task_writes
from acceptance.traffic.records import InconclusiveSampleError

CONNECTIONS_PER_SECOND = 80.0


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def balanced_traffic(experiments: ExperimentRunner, writer: User) -> Experiment:
    """Nothing is disturbed; every request opens a new connection."""
    part = experiments.target.component("backend")
    plan = replace(task_writes(writer, CONNECTIONS_PER_SECOND), reused_share=0.0)
    with experiments.experiment("load balance", backend=plan) as experiment:
        connections = 1.1 * MIN_CONNECTIONS_PER_POD * part.replicas
        dwell(connections / CONNECTIONS_PER_SECOND, "enough connections for each pod")
    unattributed = experiment.traffic["backend"].availability.pods[UNATTRIBUTED]
    if part.pod_header is None and unattributed:
        raise Untested(f"the target names no response header with the pod's name, {unattributed} are unattributed")
    return experiment


@pytest.mark.rule("STA-07", "SVC-09")
def test_load_is_balanced_over_ready_pods(balanced_traffic: Experiment, experiments: ExperimentRunner) -> None:
    part = experiments.target.component("backend")
    availability = balanced_traffic.traffic["backend"].availability
    if availability.reused:
        raise InconclusiveSampleError("connections were reused")
    counts = {name_of(pod): availability.pods.get(name_of(pod), 0) for pod in experiments.pods(part)}
    service = f"Service/{part.service}"
    findings = [
        Finding("SVC-09", service, "pods that answer", f"{pod} among them", "no request")
        for pod, count in counts.items()
        if not count
    ]
    if others := sorted(availability.pods.keys() - counts.keys()):
        findings.append(Finding("SVC-09", service, "pods that answer", f"only {sorted(counts)}", f"also {others}"))
    shared = imbalance_findings(counts, part.service) if len(counts) > 1 else []
    report_findings([*findings, *shared], experiments.target)


@pytest.mark.rule("STA-07")
def test_half_a_share_would_be_found(balanced_traffic: Experiment, experiments: ExperimentRunner) -> None:
    """On the measured counts, with half of one pod's requests moved to another."""
    counts = dict(balanced_traffic.traffic["backend"].availability.pods)
    if len(counts) < 2:
        raise Untested("the backend has one pod")
    one, other = sorted(counts)[:2]
    moved = counts[one] // 2
    skewed = {**counts, one: counts[one] - moved, other: counts[other] + moved}
    assert balance_p(counts) > balance_p(skewed)
    assert imbalance_findings(skewed, experiments.target.component("backend").service)


@pytest.mark.rule("STA-01", "STA-04")
def test_write_on_one_pod_is_read_on_every_other(experiments: ExperimentRunner, user: User, gateway: Gateway) -> None:
    part, api = experiments.target.component("backend"), experiments.target.api
    addresses = {name_of(pod): text_at(pod, "status.podIP") for pod in experiments.pods(part)}
    if len(addresses) < 2:
        raise Untested("the backend has one pod")
    path = user.path(api.tasks)
    headers = {"Authorization": f"Bearer {user.token}"}
    findings = []
    with gateway.session() as session:
        for (writer, writer_ip), (reader, reader_ip) in itertools.permutations(addresses.items(), 2):
            title = f"state {secrets.token_hex(8)}"
            written = session.post(
                f"http://{writer_ip}:{part.port}{path}",
                json={api.title_field: title},
                headers=headers,
                timeout=REQUEST.seconds,
            )
            read = session.get(f"http://{reader_ip}:{part.port}{path}", headers=headers, timeout=REQUEST.seconds)
            for pod, answer, status in ((writer, written, api.created), (reader, read, requests.codes.ok)):
                if answer.status_code != status:
                    expected, actual = f"{status} for the same token", str(answer.status_code)
                    findings.append(Finding("STA-04", f"Pod/{pod}", "status", expected, actual))
            if title not in read.text:
                expected = f"the task that Pod/{writer} has just written"
                findings.append(Finding("STA-01", f"Pod/{reader}", "tasks", expected, "missing"))
    report_findings(findings, experiments.target)
