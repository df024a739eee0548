"""Processes that stand still: unready first and back when thawed, started again when it lasts; slow starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import ENDPOINTS, LIVENESS, POD_REPLACED, READINESS, STARTED, Deadline
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Component
from acceptance.core.wait import NotYet, consistently, eventually
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.faults import container_id, kill, paused_container
from acceptance.kube.status import container_status, endpoint_readiness, is_ready, restarts, restarts_of
from acceptance.provision.cluster import Cluster
from acceptance.traffic.plans import task_writes

COMPONENTS = ("backend", "frontend")
ENDPOINT_LAG = 2.0
"""Seconds from a pod's being unready to every node's leaving it out: kube-proxy writes its rules once a second."""
SLOWED = 10.0
"""Seconds by which a start is slowed within the budget: twice what one takes here."""

STARTUP_BUDGET = round(SLOWED + POD_REPLACED.seconds)
"""Seconds that a start must be given for the slow-start experiment: slowed, and as long as POD-17 allows besides."""

LONGEST_BUDGET = 90.0
"""Seconds of a chart's own budget that are waited for: with a grace period of 30 s they leave 30 of LIVENESS's 150.

Any other budget is made STARTUP_BUDGET by the chart's values.
"""

STARTUP_LAG = 15.0
"""Seconds that kubelet's probes may be late on a busy machine, one of 1 s each."""

READINESS_LAG = 5.0
"""Seconds that a few probes and the news of them may be late; 0 s seen, STARTUP_LAG's share of as many probes."""


@dataclass
class Freeze:
    """The pods that stood still, when, and what the kubelet made of it."""

    seen: Experiment
    pods: dict[str, Object]
    before: dict[str, int]
    frozen: dict[str, float] = field(default_factory=dict)
    unready: dict[str, float] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


def probe_of(experiments: ExperimentRunner, component: Component, kind: str) -> Object:
    """The probe of the component's container, as the API server has filled it in; empty where there is none."""
    deployments = {name_of(item): item for item in experiments.objects.list("Deployment").objects}
    containers = mappings_at(deployments[component.deployment], "spec.template.spec.containers")
    return next((mapping_at(c, kind) for c in containers if c.get("name") == component.container), {})


def figures(probe: Object) -> tuple[float, float, float]:
    """The probe's period in seconds, its failure threshold and its time-out in seconds."""
    period, threshold, timeout = (
        float(str(at(probe, field))) for field in ("periodSeconds", "failureThreshold", "timeoutSeconds")
    )
    return period, threshold, timeout


def startup_budget(experiments: ExperimentRunner, component: Component) -> tuple[float, float] | None:
    """Seconds from which, and up to which, the kubelet gives up a start that answers no probe.

    A probe that takes longer than the period delays the next one. None where it does not suit the experiment.
    """
    probe = probe_of(experiments, component, "startupProbe")
    if not probe:
        return None
    period, threshold, timeout = figures(probe)
    delay = float(str(at(probe, "initialDelaySeconds") or 0))
    least, most = delay + period * (threshold - 1), delay + max(period, timeout) * threshold
    return (least, most) if least >= STARTUP_BUDGET - 1 and most <= LONGEST_BUDGET else None


def patience(probe: Object) -> float:
    """Seconds until a process that stands still has failed a probe for good, if the kubelet is as prompt as it can be.

    The first failing probe may begin a whole period later; the last one is given up after its time-out.
    """
    period, threshold, timeout = figures(probe)
    return period * threshold + timeout


def now(experiments: ExperimentRunner, component: Component, pod: Object) -> Object:
    """The pod as it is now; `NotYet` where it is gone."""
    for item in experiments.pods(component):
        if text_at(item, "metadata.uid") == text_at(pod, "metadata.uid"):
            return item
    raise NotYet("the pod is gone")


def wait_for(
    experiments: ExperimentRunner, component: Component, pod: Object, *, ready: bool, deadline: Deadline
) -> float:
    """Wait until the pod is Ready, or is not; the moment."""

    def probe() -> float:
        if is_ready(now(experiments, component, pod)) is not ready:
            raise NotYet(f"it is {'not ' if ready else ''}Ready")
        return time.time()

    return eventually(f"pod {name_of(pod)} to be {'Ready' if ready else 'unready'}", probe, deadline)


def wait_left_out(experiments: ExperimentRunner, component: Component, pod: Object) -> None:
    """Wait until the pod is no ready endpoint of its Service."""

    def probe() -> None:
        if endpoint_readiness(experiments.objects.list("EndpointSlice").objects, component.service).get(name_of(pod)):
            raise NotYet("it is one")

    eventually(f"pod {name_of(pod)} to be no ready endpoint of Service {component.service}", probe, ENDPOINTS)


def wait_started(experiments: ExperimentRunner, component: Component, before: Object, deadline: Deadline) -> Object:
    """Wait until another container runs than in the pod as it was before; the pod as it is then."""

    def probe() -> Object:
        pod = now(experiments, component, before)
        running = at(container_status(pod, component.container), "state.running")
        if not running or container_id(pod, component.container) == container_id(before, component.container):
            raise NotYet("the new container does not run yet")
        return pod

    return eventually(f"the container of pod {name_of(before)} to be started again", probe, deadline)


@pytest.fixture(scope="module")
def short_freeze(experiments: ExperimentRunner, writer: User, cluster: Cluster) -> Freeze:
    """One pod of each component stands still until it is unready, and goes on."""
    parts = {name: experiments.target.component(name) for name in COMPONENTS}
    pods = {name: experiments.pods(part)[0] for name, part in parts.items()}
    before = {name: restarts_of(pod) for name, pod in pods.items()}
    with experiments.experiment("freeze", backend=task_writes(writer)) as seen:
        found = Freeze(seen, pods, before)
        for name, part in parts.items():
            with paused_container(cluster, pods[name], part.container) as moment:
                found.frozen[name] = moment
                seen.annotate(f"{name} frozen")
                seen.attempt(
                    f"{name} unready",
                    partial(wait_for, experiments, part, pods[name], ready=False, deadline=READINESS),
                )
                found.unready[name] = seen.annotate(f"{name} unready")
                seen.attempt(f"{name} out", partial(wait_left_out, experiments, part, pods[name]))
            seen.annotate(f"{name} thawed")
            seen.attempt(
                f"{name} back",
                partial(wait_for, experiments, part, pods[name], ready=True, deadline=READINESS),
            )
        found.after = {
            name: restarts(experiments.pods(part)).get(name_of(pods[name]), -1) for name, part in parts.items()
        }
    return found


@dataclass
class SlowStart:
    """Restarts of a pod before its start was slowed beyond the budget, after that, and after the next, within it."""

    seen: Experiment
    pod: str
    counts: list[int]
    budget: tuple[float, float]
    """Seconds from which, and up to which, the kubelet may give a start up."""
    grace: float
    """Seconds that the pod may take to end."""
    life: float = 0.0
    """Seconds that the container lived whose start was slowed beyond the budget."""


def last_life(pod: Object, container: str) -> float:
    """Seconds that the container's previous life lasted; 0 where it had none."""
    if ended := mapping_at(container_status(pod, container), "lastState.terminated"):
        began, end = (datetime.fromisoformat(text_at(ended, key)) for key in ("startedAt", "finishedAt"))
        return (end - began).total_seconds()
    return 0.0


def slow_start(
    experiments: ExperimentRunner, cluster: Cluster, seen: Experiment, pod: Object, budget: tuple[float, float]
) -> SlowStart:
    """A backend container stands still as soon as it has started, beyond its budget; the next one within it."""
    part = experiments.target.component("backend")
    grace = float(str(at(pod, "spec.terminationGracePeriodSeconds")))
    found = SlowStart(seen, name_of(pod), [restarts_of(pod)], budget, grace)
    kill(cluster, pod, part.container)
    seen.attempt("started", lambda: wait_started(experiments, part, pod, STARTED))
    started: Object = seen.value("started")
    with paused_container(cluster, started, part.container):
        seen.attempt("killed", lambda: wait_started(experiments, part, started, LIVENESS))
    if seen.came("killed"):
        successor: Object = seen.value("killed")
        with paused_container(cluster, successor, part.container):
            found.life = last_life(successor, part.container)
            found.counts.append(restarts_of(successor))
            consistently("a slow start", lambda: None, SLOWED)
        seen.attempt("Ready", lambda: wait_for(experiments, part, pod, ready=True, deadline=POD_REPLACED))
        found.counts.append(restarts_of(now(experiments, part, pod)))
    return found


@dataclass
class Lasting:
    """What stood still for good, and the slow starts, where the startup probe suits or can be made to."""

    long: Freeze
    slow: SlowStart | None = None


@pytest.fixture(scope="module")
def long_freeze(experiments: ExperimentRunner, cluster: Cluster) -> Lasting:
    """One pod of each component stands still until the kubelet starts it again; meanwhile another starts slowly."""
    parts = {name: experiments.target.component(name) for name in COMPONENTS}
    path = parts["backend"].values.startup_probe
    with experiments.experiment("lasting freeze and slow start") as seen:
        budget = startup_budget(experiments, parts["backend"])
        if budget is None and path is not None:
            shorter = {"failureThreshold": STARTUP_BUDGET, "periodSeconds": 1, "timeoutSeconds": 1}
            experiments.upgrade({f"{path}.{field}": value for field, value in shorter.items()})
            budget = STARTUP_BUDGET - 1, STARTUP_BUDGET
        seen.attempt("rollout", experiments.rolled_out)
        pods = {name: experiments.pods(part)[0] for name, part in parts.items()}
        others = experiments.pods(parts["backend"])[1:]
        before = {name: restarts_of(pod) for name, pod in pods.items()}
        found = Lasting(Freeze(seen, pods, before))
        with ExitStack() as stack:
            for name, part in parts.items():
                found.long.frozen[name] = stack.enter_context(paused_container(cluster, pods[name], part.container))
            if budget is not None and others:
                found.slow = slow_start(experiments, cluster, seen, others[0], budget)
            for name, part in parts.items():
                left = found.long.frozen[name] + LIVENESS.seconds - time.time()
                deadline = replace(LIVENESS, seconds=max(0.0, left))
                seen.attempt(f"{name} restarted", partial(wait_started, experiments, part, pods[name], deadline))
        for name, part in parts.items():
            seen.attempt(
                f"{name} back", partial(wait_for, experiments, part, pods[name], ready=True, deadline=POD_REPLACED)
            )
        if budget is not None and not others:
            pod = now(experiments, parts["backend"], pods["backend"])
            found.slow = slow_start(experiments, cluster, seen, pod, budget)
    return found


@pytest.mark.rule("POD-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_frozen_pod_is_unready_not_restarted_and_comes_back(
    short_freeze: Freeze, component: str, experiments: ExperimentRunner
) -> None:
    part = experiments.target.component(component)
    if not probe_of(experiments, part, "readinessProbe"):
        raise Untested(f"the {component} has no readiness probe")
    for name in ("unready", "out", "back"):
        short_freeze.seen.took(f"{component} {name}")
    object_ = f"Pod/{name_of(short_freeze.pods[component])}"
    findings = []
    if short_freeze.after[component] != short_freeze.before[component]:
        wanted, found = str(short_freeze.before[component]), str(short_freeze.after[component])
        findings.append(Finding("POD-10", object_, "restartCount", wanted, found))
    report_findings(findings, experiments.target)


@pytest.mark.rule("POD-10")
def test_requests_fail_only_until_the_frozen_pod_is_unready(
    short_freeze: Freeze, experiments: ExperimentRunner, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    part = experiments.target.component("backend")
    probe = probe_of(experiments, part, "readinessProbe")
    if not probe:
        raise Untested("the backend has no readiness probe")
    short_freeze.seen.took("backend unready")
    availability = short_freeze.seen.traffic["backend"].availability
    window = Interval(short_freeze.frozen["backend"], short_freeze.unready["backend"] + ENDPOINT_LAG)
    outside = [
        failure
        for failure in availability.failures
        if failure.record.done < window.start or failure.record.sent > window.end
    ]
    object_ = f"Service/{part.service}"
    unready, most = window.seconds - ENDPOINT_LAG, patience(probe)
    record_measurement("freeze: time to unready", unready, "s", f"{most:g} s by the probe's own figures")
    answered = sum(window.contains(r.sent) and r.done - r.sent < 1 and r.status > 0 for r in availability.records)
    findings = []
    if unready > most + READINESS_LAG:
        wanted = f"unready {most:g} s after it froze, as its probe says, or {READINESS_LAG:g} s later"
        findings.append(Finding("POD-10", f"Deployment/{part.deployment}", "frozen pod", wanted, f"{unready:.1f} s"))
    if outside:
        wanted = f"none fails outside the {window.seconds:.1f} s of the freeze until the pod is unready"
        into = outside[0].record.sent - window.start
        found = f"{len(outside)} failed, the first {into:.1f} s into it: {outside[0].reason}"
        findings.append(Finding("POD-10", object_, "requests", wanted, found))
    report_findings(findings, experiments.target)
    assert answered, "no request was answered by another pod meanwhile"


@pytest.mark.rule("POD-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_pod_that_stays_frozen_is_restarted(
    long_freeze: Lasting,
    component: str,
    experiments: ExperimentRunner,
    record_measurement: Callable[[str, float, str, str], None],
) -> None:
    long = long_freeze.long
    if not probe_of(experiments, experiments.target.component(component), "livenessProbe"):
        raise Untested(f"the {component} has no liveness probe")
    long.seen.took(f"{component} restarted")
    long.seen.took(f"{component} back")
    pod = name_of(long.pods[component])
    restarted = next(
        state.moment
        for state in long.seen.history.states("Pod", long.frozen[component], long.seen.end)
        if restarts(state.objects).get(pod, 0) > long.before[component]
    )
    seconds = restarted - long.frozen[component]
    record_measurement(f"long freeze: {component} restarted", seconds, "s", LIVENESS.source)


@pytest.mark.rule("POD-12")
def test_a_slow_start_is_killed_only_beyond_its_budget(
    long_freeze: Lasting, experiments: ExperimentRunner, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    slow = long_freeze.slow
    if slow is None:
        raise Untested(
            f"the startup probe gives no budget of {STARTUP_BUDGET} to {LONGEST_BUDGET:g} s, "
            "and the target names no value for it"
        )
    slow.seen.took("rollout")
    slow.seen.took("killed")
    first, second, third = slow.counts
    findings = []
    if second < first + 2:
        wanted = f"{first + 2}: the kill, and that of the kubelet"
        findings.append(Finding("POD-12", f"Pod/{slow.pod}", "restartCount", wanted, str(second)))
    if third != second:
        wanted = f"{second}: no further kill"
        findings.append(Finding("POD-12", f"Pod/{slow.pod}", "restartCount after a slow start", wanted, str(third)))
    least, most = slow.budget
    longest = most + slow.grace + STARTUP_LAG
    record_measurement("slow start: life beyond its budget", slow.life, "s", f"{least:g} s to {longest:g} s")
    if not least <= slow.life <= longest:  # the API's times are of whole seconds
        wanted = f"{least:g} to {most:g} s, its budget, and at most {longest - most:g} s to end"
        findings.append(Finding("POD-12", f"Pod/{slow.pod}", "slow start's life", wanted, f"{slow.life:g} s"))
    report_findings(findings, experiments.target)
    slow.seen.took("Ready")
