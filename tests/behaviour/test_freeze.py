"""A container that is paused for a short time: its pod is unready, and ready again without a restart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import READINESS
from acceptance.core.fields import Object, name_of
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.faults import paused_container
from acceptance.experiments.probes import detection_deadline, probe_times, require_probe
from acceptance.experiments.recovery import wait_endpoint_removed, wait_readiness
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import restarts, restarts_of
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.late_rules import MAX_RULE_DELAY
from acceptance.traffic.plans import task_writes

READINESS_LAG = 5.0
"""Seconds that the readiness probes and the pod's status may be late on a busy machine; 0 s measured."""


@dataclass(frozen=True)
class ShortPause:
    """A container that was paused until its pod was unready, and resumed."""

    pod: Object
    """The pod as it was before."""
    interval: Interval
    """From the pause until the pod was unready, or until READINESS was over."""
    unready: WaitResult[float]
    endpoint_removed: WaitResult[None]
    ready_again: WaitResult[float]


@dataclass(frozen=True)
class ShortFreeze:
    """The experiment with one paused container per component with a readiness probe, and its restarts afterwards."""

    experiment: Experiment
    pauses: dict[ComponentName, ShortPause]
    restarts_after: dict[ComponentName, int]


def pause_until_unready(
    experiments: ExperimentRunner, experiment: Experiment, name: ComponentName, pod: Object
) -> ShortPause:
    component = experiments.target.component(name)
    times = probe_times(experiments.objects, component, "readinessProbe")
    deadline = detection_deadline(READINESS, times, READINESS_LAG)
    with experiment.disturbance(name, restarts=False):
        with paused_container(experiments.release.cluster, pod, component.container) as start:
            experiment.annotate(f"{name} paused")
            unready = experiment.wait_for(
                f"{name} unready", lambda: wait_readiness(experiments, component, pod, deadline, ready=False)
            )
            end = experiment.annotate(f"{name} unready")
            endpoint_removed = experiment.wait_for(
                f"{name} endpoint removed", lambda: wait_endpoint_removed(experiments, component, pod)
            )
        experiment.annotate(f"{name} resumed")
        ready_again = experiment.wait_for(
            f"{name} ready again", lambda: wait_readiness(experiments, component, pod, READINESS, ready=True)
        )
    return ShortPause(pod, Interval(start, end), unready, endpoint_removed, ready_again)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def short_freeze(experiments: ExperimentRunner, writer: User) -> ShortFreeze:
    """One container of each component with a readiness probe is paused in turn until its pod is unready."""
    target = experiments.target
    pods = {
        name: experiments.pods(part)[0]
        for name in COMPONENTS
        if probe_times(experiments.objects, part := target.component(name), "readinessProbe")
    }
    if not pods:
        raise Untested("no component has a readiness probe")
    with experiments.experiment("freeze", backend=task_writes(writer)) as experiment:
        pauses = {name: pause_until_unready(experiments, experiment, name, pods[name]) for name in pods}
        restarts_after = {
            name: restarts(experiments.pods(target.component(name))).get(name_of(pod), -1) for name, pod in pods.items()
        }
    return ShortFreeze(experiment, pauses, restarts_after)


@pytest.mark.rule("POD-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_paused_pod_is_unready_and_returns_without_restart(
    short_freeze: ShortFreeze, component: ComponentName, experiments: ExperimentRunner
) -> None:
    require_probe(experiments.objects, experiments.target, component, "readinessProbe")
    pause, restarts_after = short_freeze.pauses[component], short_freeze.restarts_after[component]
    for wait in (pause.unready, pause.endpoint_removed, pause.ready_again):
        wait.raise_if_failed()
    findings = []
    if restarts_after != restarts_of(pause.pod):
        object_, expected = f"Pod/{name_of(pause.pod)}", str(restarts_of(pause.pod))
        findings.append(Finding("POD-10", object_, "restartCount", expected, str(restarts_after)))
    report_findings(findings, experiments.target)


@pytest.mark.rule("POD-10")
def test_requests_fail_only_until_paused_pod_is_unready(
    short_freeze: ShortFreeze, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    backend = experiments.target.component("backend")
    if backend.replicas < 2:
        raise Untested("the backend has one pod: requests to it have no other while it is paused")
    longest = require_probe(experiments.objects, experiments.target, "backend", "readinessProbe").longest_detection
    pause = short_freeze.pauses["backend"]
    pause.unready.raise_if_failed()
    unready = pause.interval.seconds
    limit = Limit(longest + READINESS_LAG, f"POD-10: {longest:g} s by the probe's settings, and {READINESS_LAG:g} s")
    record_measurement("freeze: time to unready", unready, "s", limit)
    findings = []
    if unready > longest + READINESS_LAG:
        expected = f"unready after {longest:g} s by its probe, or {READINESS_LAG:g} s later"
        findings.append(
            Finding("POD-10", f"Deployment/{backend.deployment}", "paused pod", expected, f"{unready:.1f} s")
        )
    availability = short_freeze.experiment.traffic["backend"].availability
    affected = Interval(pause.interval.start, pause.interval.end + MAX_RULE_DELAY)
    outside = [
        failure
        for failure in availability.failures
        if failure.record.done < affected.start or failure.record.sent > affected.end
    ]
    if outside:
        expected = f"none fails outside the {affected.seconds:.1f} s from the pause until the endpoint is removed"
        seconds = outside[0].record.sent - affected.start
        actual = f"{len(outside)} failed, the first after {seconds:.1f} s: {outside[0].reason}"
        findings.append(Finding("POD-10", f"Service/{backend.service}", "requests", expected, actual))
    report_findings(findings, experiments.target)
    answered = sum(affected.contains(r.sent) and r.done - r.sent < 1 and r.status > 0 for r in availability.records)
    assert answered, "no request was answered by another pod during the pause"
