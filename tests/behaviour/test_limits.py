"""Containers at their limits: only the one beyond its memory limit is killed, only the one at its CPU limit slows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import POD_REPLACED
from acceptance.core.fields import Object, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, Component, ComponentName, Target
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.limits import (
    EXCESS,
    CpuLoad,
    MemoryLoad,
    cpu_findings,
    memory_findings,
    neighbour_findings,
    raise_if_node_was_full,
    restart_counts,
    slowdown_findings,
)
from acceptance.experiments.pressure import cores_of_largest_node, exhaust_memory, limits_of, use_cpu
from acceptance.experiments.recovery import late_findings, wait_restarted
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.report.results import Limit, NotJudged, RecordMeasurement
from acceptance.traffic.availability import Availability
from acceptance.traffic.plans import Plan, page_views, task_writes, to_pod

CPU_SECONDS = 8.0
"""Seconds under load: 80 of the kernel's scheduling periods, and 64 requests to each pod."""
SETTLING_SECONDS = 2.0
"""Requests that waited for the loaded container are answered before the next load."""
PER_SECOND = 8.0
PAGES_PER_SECOND = 4.0
BACKEND, NEIGHBOUR, FRONTEND = "backend pod", "neighbour", "frontend pod"


@dataclass(frozen=True)
class LimitsReached:
    """The experiment: a quiet time, then each component's CPU and then its memory."""

    experiment: Experiment
    quiet: Interval
    cores: int
    cpu: Mapping[ComponentName, CpuLoad]
    memory: Mapping[ComponentName, MemoryLoad]


def load_cpu(experiments: ExperimentRunner, experiment: Experiment, name: ComponentName, cores: int) -> CpuLoad:
    part, cluster = experiments.target.component(name), experiments.release.cluster
    pod = experiments.pods(part)[0]
    limit = limits_of(pod, part.container).cpu
    processes = math.ceil(min(float(limit or cores), cores)) + 2
    with experiment.disturbance(name, restarts=False):
        start = experiment.annotate(f"{part.container}: {processes} busy processes")
        use = use_cpu(cluster, pod, part.container, processes, CPU_SECONDS)
        load = CpuLoad(pod, part.container, limit, use, Interval(start, start + CPU_SECONDS))
        dwell(SETTLING_SECONDS, "the requests in flight are answered before the next load")
    return load


def load_memory(experiments: ExperimentRunner, experiment: Experiment, name: ComponentName) -> MemoryLoad:
    part = experiments.target.component(name)
    pod = experiments.pods(part)[0]
    limit = limits_of(pod, part.container).memory
    before = restart_counts(experiments.objects.list("Pod").objects)
    if limit is None:
        return MemoryLoad(pod, part.container, limit, None, before, before)
    with experiment.disturbance(name):
        experiment.annotate(f"{part.container}: memory exhausted")
        exhaust_memory(experiments.release.cluster, pod, part.container, limit)
        restarted = experiment.wait_for(f"{part.container} restarted", lambda: wait_restarted(experiments, part, pod))
    after = restart_counts(experiments.objects.list("Pod").objects)
    return MemoryLoad(pod, part.container, limit, restarted, before, after)


def plans(experiments: ExperimentRunner, writer: User, reader: User) -> dict[str, Plan]:
    """Requests to two backend pods and the frontend pod, each on its own."""
    backend, frontend = (experiments.target.component(name) for name in COMPONENTS)

    def directly(plan: Plan, part: Component, pod: Object) -> Plan:
        return to_pod(plan, text_at(pod, "status.podIP"), part.port)

    labelled = dict(zip((BACKEND, NEIGHBOUR), experiments.pods(backend), strict=False))
    found = {label: directly(task_writes(writer, PER_SECOND), backend, pod) for label, pod in labelled.items()}
    page = replace(page_views(reader, PAGES_PER_SECOND), connections=8)
    return {**found, FRONTEND: directly(page, frontend, experiments.pods(frontend)[0])}


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def limits_reached(experiments: ExperimentRunner, writer: User, reader: User) -> LimitsReached:
    """Each component is loaded up to its CPU limit, and afterwards beyond its memory limit."""
    cluster = experiments.release.cluster
    cluster.require_capability("node")
    cores = cores_of_largest_node(cluster)
    with experiments.experiment("limits", **plans(experiments, writer, reader)) as experiment:
        experiment.availability = False
        dwell(SETTLING_SECONDS, "the first requests open connections")
        start = time.time()
        dwell(CPU_SECONDS, "answers are timed before anything is loaded")
        quiet = Interval(start, time.time())
        cpu = {name: load_cpu(experiments, experiment, name, cores) for name in COMPONENTS}
        memory = {name: load_memory(experiments, experiment, name) for name in COMPONENTS}
    reached = LimitsReached(experiment, quiet, cores, cpu, memory)
    for name in COMPONENTS:
        raise_if_node_was_full(cpu[name], findings_on_neighbours(reached, name, experiments.target))
    return reached


def neighbours(reached: LimitsReached, name: ComponentName) -> list[Availability]:
    """Return the traffic of the other backend pod; while the frontend is loaded, that of both, which do not need it."""
    labels, traffic = {"backend": (NEIGHBOUR,), "frontend": (BACKEND, NEIGHBOUR)}[name], reached.experiment.traffic
    return [traffic[label].availability for label in labels if label in traffic]


def findings_on_neighbours(reached: LimitsReached, name: ComponentName, target: Target) -> list[Finding]:
    """Return findings on neighbours that do not answer as before while the component is busy."""
    object_, loaded = f"Deployment/{target.component('backend').deployment}", reached.cpu[name].interval
    return [
        finding
        for availability in neighbours(reached, name)
        for finding in neighbour_findings(object_, availability, reached.quiet, loaded)
    ]


@pytest.mark.rule("SCY-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_container_stays_within_its_cpu_and_slows(
    limits_reached: LimitsReached,
    component: ComponentName,
    experiments: ExperimentRunner,
    record_measurement: RecordMeasurement,
) -> None:
    load = limits_reached.cpu[component]
    limit = Limit(EXCESS * float(load.limit), "SCY-04: the CPU limit") if load.limit else NotJudged("it has no limit")
    record_measurement(f"limits: {component}: CPU used at its limit", round(load.use.cores, 3), "cores", limit)
    label = {"backend": BACKEND, "frontend": FRONTEND}[component]
    findings = [*cpu_findings(load, limits_reached.cores)]
    availability = limits_reached.experiment.traffic[label].availability
    report_findings([*findings, *slowdown_findings(load, availability, limits_reached.quiet)], experiments.target)


@pytest.mark.rule("SCY-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_neighbours_of_a_busy_container_answer_as_before(
    limits_reached: LimitsReached, component: ComponentName, experiments: ExperimentRunner
) -> None:
    if not neighbours(limits_reached, component):
        raise Untested("the backend has one pod, so no other answers beside it")
    report_findings(findings_on_neighbours(limits_reached, component, experiments.target), experiments.target)


@pytest.mark.rule("SCY-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_only_the_container_beyond_its_memory_restarts(
    limits_reached: LimitsReached,
    component: ComponentName,
    experiments: ExperimentRunner,
    record_measurement: RecordMeasurement,
) -> None:
    load = limits_reached.memory[component]
    if load.restarted is not None and load.restarted.ok:
        name = f"limits: {component}: Ready again after its memory was exhausted"
        record_measurement(name, load.restarted.seconds, "s", Limit.of(POD_REPLACED))
        object_ = f"Pod/{name_of(load.pod)}"
        report_findings(late_findings("SCY-04", object_, name, load.restarted, experiments.target), experiments.target)
    report_findings(memory_findings(load), experiments.target)
