"""Load balance and shared state: every pod gets its share of requests, and each reads what another has written."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import replace

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import describe
from acceptance.client.pods import origins
from acceptance.client.user import User
from acceptance.core.fields import name_of
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
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


def require_enough(counts: Mapping[str, int]) -> None:
    """Raise `Untested` if too few connections were answered to tell chance from an uneven balance."""
    if sum(counts.values()) < (least := MIN_CONNECTIONS_PER_POD * len(counts)):
        answered = f"{sum(counts.values())} connections were answered at {CONNECTIONS_PER_SECOND:g} a second"
        raise Untested(f"{answered}, and a verdict needs {least}: the backend is too slow for it")


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
    report_findings(findings, experiments.target)
    require_enough(counts)
    report_findings(imbalance_findings(counts, part.service) if len(counts) > 1 else [], experiments.target)


@pytest.mark.rule("STA-07")
def test_half_a_share_would_be_found(balanced_traffic: Experiment, experiments: ExperimentRunner) -> None:
    """A control: the measured counts, with half of one pod's requests moved to another, must be a finding."""
    counts = dict(balanced_traffic.traffic["backend"].availability.pods)
    if len(counts) < 2:
        raise Untested("the backend has one pod")
    require_enough(counts)
    one, other = sorted(counts)[:2]
    moved = counts[one] // 2
    skewed = {**counts, one: counts[one] - moved, other: counts[other] + moved}
    assert balance_p(counts) > balance_p(skewed)
    assert imbalance_findings(skewed, experiments.target.component("backend").service)


@pytest.mark.rule("STA-01", "STA-04")
def test_write_on_one_pod_is_read_on_every_other(experiments: ExperimentRunner, user: User) -> None:
    api, pods = experiments.target.api, origins(experiments.release, "backend")
    if len(pods) < 2:
        raise Untested("the backend has one pod")
    findings = []
    for (writer, writes), (reader, reads) in itertools.permutations(pods.items(), 2):
        title = f"state {secrets.token_hex(8)}"
        written = user.call("POST", user.path(api.tasks), writes, json={api.title_field: title})
        if written.status_code != api.created:
            expected, actual = f"{api.created} for the same token", describe(experiments.target, written)
            findings.append(Finding("STA-04", f"Pod/{writer}", "status", expected, actual))
            continue
        try:
            titles = [task[api.title_field] for task in user.tasks(origin=reads)]
        except AssertionError as error:
            findings.append(Finding("STA-04", f"Pod/{reader}", "tasks", "200 for the same token", str(error)))
            continue
        if title not in titles:
            expected = f"the task that Pod/{writer} has just written"
            findings.append(Finding("STA-01", f"Pod/{reader}", "tasks", expected, "missing"))
    report_findings(findings, experiments.target)
