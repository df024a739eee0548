"""A container that is paused for long is restarted; a slow start is killed only beyond its startup budget."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.core.deadlines import LIVENESS, POD_REPLACED, RECOVERED, STARTED, Deadline
from acceptance.core.fields import Object, at, mapping_at, name_of, text_at
from acceptance.core.target import COMPONENTS, Component, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.faults import kill, paused_at_start, paused_container
from acceptance.experiments.probes import detection_deadline, probe_times, require_probe
from acceptance.experiments.recovery import current, late_findings, wait_container_started, wait_readiness
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import container_status, grace_period, restarts, restarts_of
from acceptance.report.results import Limit, RecordMeasurement

SLOW_START_SECONDS = 10.0
"""The delay of a start within the budget: twice what a start takes here."""
STARTUP_BUDGET = round(SLOW_START_SECONDS + POD_REPLACED.seconds)
"""Seconds that the startup probe must allow in the slow-start experiment: the delay, and what POD-17 allows besides."""
LONGEST_BUDGET = 90.0
"""Longest startup budget of a chart that is used as it is: with a grace period of 30 s it leaves 30 of LIVENESS's 150.

Any other budget is set to STARTUP_BUDGET by the chart's values.
"""
STARTUP_LAG = 15.0
"""Seconds that the kubelet's startup probes, one per second, may be late on a busy machine."""


@dataclass
class SlowStart:
    """A backend pod whose start was delayed beyond its startup budget, and the next one within it.

    `killed` ends with the pod after the kubelet killed the start beyond the budget.
    """

    pod: Object
    """As it was before."""
    budget: tuple[float, float]
    """Seconds from which, and up to which, the kubelet may kill a start."""
    killed: WaitResult[Object] = SKIPPED
    ready: WaitResult[float] = SKIPPED
    restarts_after: int = 0
    paused: str = ""
    """The identifier of the container that was paused while it started."""


def last_lifetime(pod: Object, container: str) -> float:
    """Return the seconds that the container's previous instance ran; 0 if there was none."""
    if ended := mapping_at(container_status(pod, container), "lastState.terminated"):
        start, end = (datetime.fromisoformat(text_at(ended, key)) for key in ("startedAt", "finishedAt"))
        return (end - start).total_seconds()
    return 0.0


def start_slowly(
    experiments: ExperimentRunner, experiment: Experiment, pod: Object, budget: tuple[float, float]
) -> SlowStart:
    """Pause a backend container as soon as it has started until the kubelet kills it; the next one for a while."""
    backend, cluster = experiments.target.component("backend"), experiments.release.cluster
    slow = SlowStart(pod, budget)
    with paused_at_start(cluster, pod, backend.container) as wait_paused:
        kill(cluster, pod, backend.container)
        started = experiment.wait_for("restarted", lambda: wait_container_started(experiments, backend, pod, STARTED))
        if not started.ok:
            slow.killed = started
            return slow
        wait_paused()
        slow.paused = text_at(container_status(started.value, backend.container), "containerID")
        with paused_at_start(cluster, started.value, backend.container) as wait_paused_again:
            slow.killed = experiment.wait_for(
                "slow start killed", lambda: wait_container_started(experiments, backend, started.value, LIVENESS)
            )
            if not slow.killed.ok:
                return slow
            wait_paused_again()
            dwell(SLOW_START_SECONDS, "a slow start within its budget")
    slow.ready = experiment.wait_for(
        "Ready after a slow start", lambda: wait_readiness(experiments, backend, pod, POD_REPLACED, ready=True)
    )
    slow.restarts_after = restarts_of(current(experiments, backend, pod))
    return slow


@dataclass
class LongPause:
    """A container that was paused until the kubelet restarted it."""

    pod: Object
    """As it was before."""
    start: float
    deadline: Deadline
    """The deadline for the restart, from the start of the pause: a paused process uses its whole grace period."""
    restarted: WaitResult[Object] = SKIPPED
    ready_again: WaitResult[float] = SKIPPED


@dataclass
class LongFreeze:
    """The experiment with a long pause per component, and the slow starts if the startup probe allows them."""

    experiment: Experiment
    rollout: WaitResult[None]
    pauses: dict[ComponentName, LongPause]
    slow_start: SlowStart | None = None


def prepare_startup_budget(experiments: ExperimentRunner, backend: Component) -> tuple[float, float] | None:
    """Return the backend's startup budget; it is set by the chart's values if the shipped one does not suit the test.

    None where that is impossible.
    """
    probe, path = probe_times(experiments.objects, backend, "startupProbe"), backend.values.startup_probe
    if probe is not None:
        least, most = probe.startup_budget
        if least >= STARTUP_BUDGET - 1 and most <= LONGEST_BUDGET:
            return least, most
    if path is None:
        return None
    settings = {"failureThreshold": STARTUP_BUDGET, "periodSeconds": 1, "timeoutSeconds": 1}
    experiments.upgrade({f"{path}.{field}": value for field, value in settings.items()})
    return STARTUP_BUDGET - 1, STARTUP_BUDGET


def wait_until_restarted(
    experiments: ExperimentRunner, experiment: Experiment, name: ComponentName, pause: LongPause
) -> None:
    """Wait until the kubelet has restarted the paused container, from the start of the pause."""
    component = experiments.target.component(name)
    deadline = pause.deadline.counted_from(pause.start)
    pause.restarted = experiment.wait_for(
        f"{name} restarted", lambda: wait_container_started(experiments, component, pause.pod, deadline)
    )


def wait_until_ready_again(
    experiments: ExperimentRunner, experiment: Experiment, name: ComponentName, pause: LongPause
) -> None:
    component = experiments.target.component(name)
    pause.ready_again = experiment.wait_for(
        f"{name} ready again", lambda: wait_readiness(experiments, component, pause.pod, RECOVERED, ready=True)
    )


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def long_freeze(experiments: ExperimentRunner) -> LongFreeze:
    """One container of each component is paused until it is restarted; meanwhile another one starts slowly."""
    parts = {name: experiments.target.component(name) for name in COMPONENTS}
    backend, cluster = parts["backend"], experiments.release.cluster
    with experiments.experiment("long freeze and slow start") as experiment, experiment.disturbance():
        budget = prepare_startup_budget(experiments, backend)
        rollout = experiment.wait_for("rollout", experiments.wait_rolled_out)
        pods = {name: experiments.pods(part)[0] for name, part in parts.items()}
        other_backends = experiments.pods(backend)[1:]
        freeze = LongFreeze(experiment, rollout, {})
        with ExitStack() as stack:
            for name, part in parts.items():
                start = stack.enter_context(paused_container(cluster, pods[name], part.container))
                times = probe_times(experiments.objects, part, "livenessProbe")
                deadline = detection_deadline(LIVENESS, times, grace_period(pods[name]) + STARTUP_LAG)
                freeze.pauses[name] = LongPause(pods[name], start, deadline)
            if budget is not None and other_backends:
                freeze.slow_start = start_slowly(experiments, experiment, other_backends[0], budget)
            for name in parts:
                wait_until_restarted(experiments, experiment, name, freeze.pauses[name])
        for name in parts:
            wait_until_ready_again(experiments, experiment, name, freeze.pauses[name])
        if budget is not None and not other_backends:
            pod = current(experiments, backend, pods["backend"])
            freeze.slow_start = start_slowly(experiments, experiment, pod, budget)
    return freeze


@pytest.mark.rule("POD-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_paused_for_long_is_restarted(
    long_freeze: LongFreeze,
    component: ComponentName,
    experiments: ExperimentRunner,
    record_measurement: RecordMeasurement,
) -> None:
    require_probe(experiments.objects, experiments.target, component, "livenessProbe")
    pause, experiment = long_freeze.pauses[component], long_freeze.experiment
    pause.restarted.raise_if_failed()
    pause.ready_again.raise_if_failed()
    restarted = next(
        state.moment
        for state in experiment.history.states("Pod", pause.start, experiment.end)
        if restarts(state.objects).get(name_of(pause.pod), 0) > restarts_of(pause.pod)
    )
    record_measurement(f"long freeze: {component} restarted", restarted - pause.start, "s", Limit.of(pause.deadline))
    what, object_ = "Ready again after its restart", f"Pod/{name_of(pause.pod)}"
    report_findings(late_findings("POD-11", object_, what, pause.ready_again, experiments.target), experiments.target)


def has_started(slow: SlowStart, experiment: Experiment, container: str) -> bool:
    """Return whether the container passed its startup probe before it was paused, as a quick server may."""
    return any(
        at(status, "started") is True and text_at(status, "containerID") == slow.paused
        for state in experiment.history.states("Pod", experiment.start, experiment.end)
        for pod in state.objects
        if (status := container_status(pod, container))
    )


@pytest.mark.rule("POD-12")
def test_slow_start_is_killed_only_beyond_its_budget(
    long_freeze: LongFreeze, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    slow = long_freeze.slow_start
    if slow is None:
        raise Untested(
            f"the startup probe's budget is not between {STARTUP_BUDGET} and {LONGEST_BUDGET:g} s, "
            "and the target names no value for the probe"
        )
    long_freeze.rollout.raise_if_failed()
    if has_started(slow, long_freeze.experiment, experiments.target.component("backend").container):
        raise Untested("the backend passed its startup probe before its container could be paused")
    killed = slow.killed.value
    before, after_kills, after_slow_start = restarts_of(slow.pod), restarts_of(killed), slow.restarts_after
    pod = f"Pod/{name_of(slow.pod)}"
    findings = []
    if after_kills < before + 2:
        expected = f"{before + 2}: killed by the experiment, and by the kubelet"
        findings.append(Finding("POD-12", pod, "restartCount", expected, str(after_kills)))
    if after_slow_start != after_kills:
        expected = f"{after_kills}: not killed again"
        findings.append(Finding("POD-12", pod, "restartCount after a slow start", expected, str(after_slow_start)))
    least, most = slow.budget
    termination = grace_period(slow.pod) + STARTUP_LAG
    lifetime = last_lifetime(killed, experiments.target.component("backend").container)
    limit = Limit(most + termination, f"POD-12: at least {least:g} s, its budget; {termination:g} s to terminate")
    record_measurement("slow start: lifetime beyond its budget", lifetime, "s", limit)
    if not least <= lifetime <= most + termination:  # the API's times are in whole seconds
        expected = f"{least:g} to {most:g} s of its budget, and at most {termination:g} s to terminate"
        findings.append(Finding("POD-12", pod, "lifetime of the slow start", expected, f"{lifetime:g} s"))
    report_findings(findings, experiments.target)
    slow.ready.raise_if_failed()
