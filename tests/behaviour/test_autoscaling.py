"""Autoscaling under load: from the fewest to the most replicas and back, with an upgrade in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import METRICS, SCALED_DOWN, SCALED_UP
from acceptance.core.fields import Object, at, mappings_at, name_of
from acceptance.core.target import Autoscaler
from acceptance.core.wait import NotYet, consistently, eventually
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.kube.history import History
from acceptance.kube.status import container_status, has_condition, is_ready, pods_of
from acceptance.provision.cluster import Cluster
from acceptance.provision.provisioner import Provisioner
from acceptance.report import timeline
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.load_test import run_load
from acceptance.traffic.plans import on_held_connections, task_writes
from toolchain.console import CommandError

pytestmark = pytest.mark.timeout(900)
"""Metrics, growth, shrinkage and what leads back, each to its deadline; and the set-up."""
CLIENTS = 12
"""Of 10 requests a second each: 480 m CPU and more, where 70 % of five requests of 100 m are 350 m."""
SAMPLED_PER_SECOND = 5.0
"""With what the held connections ask (10 a second) 85 m CPU: three replicas become two below 140 m, on a slow machine
too, where the same requests cost more."""
HELD = 10
"""Connections held while replicas go, spread over all of them: the most recent of the pods, which the autoscaler takes
first, would have none of those that the sampler opened before they were there."""
HOLD = 15.0
"""Seconds at either end in which nothing may go beyond it: one sync of the autoscaler."""


@dataclass
class Scaling:
    """The experiment, when the load began and ended, and the replicas wanted before and after the upgrade."""

    seen: Experiment
    limits: Autoscaler
    begun: float = 0.0
    ended: float = 0.0
    upgrade: tuple[int, int] = (0, 0)

    def grown(self) -> float:
        """Seconds from the load to the most replicas, without which nothing else can be told; or its `WaitError`."""
        self.seen.took("metrics")
        return self.seen.took("grown")

    def replicas(self, deployment: str) -> list[tuple[float, int]]:
        """When which number of replicas was wanted."""
        return changes(self.seen.history, "Deployment", deployment, "spec.replicas", self.begun, self.seen.end)


def changes(history: History, kind: str, name: str, path: str, start: float, end: float) -> list[tuple[float, int]]:
    """The values of a numeric field and since when each held."""
    found: list[tuple[float, int]] = []
    for state in history.states(kind, start, end):
        for item in state.objects:
            value = at(item, path)
            if name_of(item) == name and isinstance(value, int) and (not found or found[-1][1] != value):
                found.append((state.moment, value))
    return found


def utilisation(history: History, name: str, start: float, end: float) -> list[tuple[float, int]]:
    """CPU in percent of the request, as the autoscaler had it."""
    found: list[tuple[float, int]] = []
    for state in history.states("HorizontalPodAutoscaler", start, end):
        for item in state.objects:
            for metric in mappings_at(item, "status.currentMetrics"):
                value = at(metric, "resource.current.averageUtilization")
                if name_of(item) == name and isinstance(value, int):
                    found.append((state.moment, value))
    return found


@pytest.fixture(scope="module")
def scaling(
    experiments: ExperimentRunner,
    writer: User,
    cluster: Cluster,
    provisioner: Provisioner,
    record_picture: Callable[[str, str, str], None],
    record_measurement: Callable[[str, float, str, str], None],
) -> Scaling:
    target = experiments.target
    limits, path = target.autoscaler, target.values.hpa_enabled
    if limits is None or path is None:
        raise Untested("the target names no autoscaler, or no value that switches it on")
    part = target.component("backend")

    def deployment() -> Object:
        items = {name_of(item): item for item in experiments.objects.list("Deployment").objects}
        return items[part.deployment]

    def active() -> None:
        found = [
            item for item in experiments.objects.list("HorizontalPodAutoscaler").objects if name_of(item) == limits.name
        ]
        if not found or not has_condition(found[0], "ScalingActive"):
            raise NotYet("ScalingActive is not True")

    def count(wanted: int) -> Callable[[], None]:
        def probe() -> None:
            pods = experiments.pods(part)
            there = sum(is_ready(pod) for pod in pods)
            if at(deployment(), "spec.replicas") != wanted or there != wanted or len(pods) != wanted:
                spec = at(deployment(), "spec.replicas")
                raise NotYet(f"{spec} are wanted, {there} of {len(pods)} pods are Ready")

        return probe

    def upgrade() -> None:
        try:
            experiments.upgrade({path: True})
        except CommandError as error:
            raise AssertionError(f"the upgrade failed: {error}") from error

    image = provisioner.tools().reference
    with experiments.experiment("autoscaling", backend=task_writes(writer, SAMPLED_PER_SECOND)) as seen:
        found = Scaling(seen, limits)
        experiments.upgrade({path: True})
        seen.attempt("metrics", lambda: eventually("the autoscaler to have metrics", active, METRICS))
        if not seen.came("metrics"):
            return found
        seen.attempt("few", lambda: eventually("the fewest replicas", count(limits.min_replicas), SCALED_DOWN))
        found.begun = seen.annotate("load")
        with run_load(cluster, image, writer, CLIENTS) as load:
            most = limits.max_replicas
            seen.attempt("grown", lambda: eventually(f"{most} Ready replicas", count(most), SCALED_UP))
            if seen.came("grown"):
                seen.annotate("upgrade")
                before = at(deployment(), "spec.replicas")
                seen.attempt("upgrade", upgrade)
                consistently("load", lambda: None, HOLD)
                found.upgrade = before, at(deployment(), "spec.replicas")
        found.ended = seen.annotate("load ends")
        if seen.came("grown"):
            fewest = limits.min_replicas
            with experiments.sampler.sample(on_held_connections(task_writes(writer), HELD)) as seen.traffic[
                "held connections"
            ]:
                seen.attempt("shrunk", lambda: eventually(f"{fewest} replicas", count(fewest), SCALED_DOWN))
                consistently("quiet", lambda: None, HOLD)
    history = seen.history
    wanted = found.replicas(part.deployment)
    rows = {
        "replicas": {
            "wanted": [(moment, float(value)) for moment, value in wanted],
            "Ready": [
                (state.moment, float(sum(is_ready(pod) for pod in pods_of(state.objects, part))))
                for state in history.states("Pod", found.begun, seen.end)
            ],
        },
        "CPU, % of request": {
            "average": [
                (moment, float(value)) for moment, value in utilisation(history, limits.name, found.begun, seen.end)
            ]
        },
    }
    for name, number in (("requests", load.requests), ("failures", load.failures)):
        record_measurement(f"autoscaling: load: {name}", number, "requests", "as Locust counts; the sampler judges")
    answered, failed = load.rates()
    sampled = seen.traffic["backend"].availability
    bad = {failure.record.number for failure in sampled.failures}
    good = [record for record in sampled.records if record.number not in bad]
    rows["load, 1/s"] = {"answered": answered, "failed": failed}
    rows["sampler, 1/s"] = {
        "answered": timeline.rate((record.done for record in good), found.begun, seen.end),
        "failed": timeline.rate((failure.record.done for failure in sampled.failures), found.begun, seen.end),
    }
    rows["p95, s"] = {
        "load": load.slowest(),
        "sampler": timeline.slowest(good, found.begun, seen.end),
    }
    marks = [mark for mark in seen.annotations if mark.moment >= found.begun]
    caption = (
        f"wanted replicas: {', '.join(str(value) for _, value in wanted)}; "
        f"load: {load.requests} requests, {load.failures} failed; "
        f"sampler: {len(sampled.records)} requests, {len(bad)} failed"
    )
    record_picture("autoscaling: replicas", timeline.curves(marks, found.begun, seen.end, rows), caption)
    return found


def beyond(rule: str, scaling: Scaling, experiments: ExperimentRunner) -> list[Finding]:
    """A finding where more or fewer replicas were ever wanted than the autoscaler may want."""
    deployment = experiments.target.component("backend").deployment
    limits = scaling.limits
    wrong = [
        value for _, value in scaling.replicas(deployment) if not limits.min_replicas <= value <= limits.max_replicas
    ]
    wanted = f"{limits.min_replicas} to {limits.max_replicas}"
    return [Finding(rule, f"Deployment/{deployment}", "spec.replicas", wanted, f"{wrong}")] if wrong else []


@pytest.mark.rule("HPA-09")
def test_it_grows_to_the_most_and_not_beyond(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    seconds = scaling.grown()
    record_measurement("autoscaling: load to all Ready", seconds, "s", SCALED_UP.source)
    report_findings(beyond("HPA-09", scaling, experiments), experiments.target)


@pytest.mark.rule("HPA-09")
def test_the_time_of_each_phase_is_within_its_budget(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    scaling.grown()
    part, limits, history = experiments.target.component("backend"), scaling.limits, scaling.seen.history
    end = scaling.ended
    high = [
        moment
        for moment, value in utilisation(history, limits.name, scaling.begun, end)
        if value > limits.cpu_percent and moment > scaling.begun
    ]
    decided = [moment for moment, value in scaling.replicas(part.deployment) if value == limits.max_replicas]
    moments = {"metrics": high[0], "decision": decided[0]}
    phases: dict[str, Callable[[Object], bool]] = {
        "scheduling": lambda pod: has_condition(pod, "PodScheduled"),
        "start": lambda pod: at(container_status(pod, part.container), "state.running") is not None,
        "ready": is_ready,
    }
    for phase, holds in phases.items():
        moments[phase] = next(
            state.moment
            for state in history.states("Pod", scaling.begun, end)
            if sum(holds(pod) for pod in pods_of(state.objects, part)) >= limits.max_replicas
        )
    findings = []
    before = scaling.begun
    for phase, moment in moments.items():
        seconds, budget = max(0.0, moment - before), BUDGETS[phase]
        record_measurement(f"autoscaling: {phase}", seconds, "s", f"budget {budget:g} s")
        if seconds > budget:
            name = f"HorizontalPodAutoscaler/{limits.name}"
            findings.append(Finding("HPA-09", name, phase, f"within {budget:g} s", f"{seconds:.1f} s"))
        before = max(before, moment)
    report_findings(findings, experiments.target)


BUDGETS = {"metrics": 75.0, "decision": 75.0, "scheduling": 10.0, "start": 30.0, "ready": 30.0}
"""Seconds after the phase before: scrape and sync periods of 15 s, some steps of growth; POD-17 for start and ready,
which take 6 s and 8 s here."""


@pytest.mark.rule("HPA-10")
def test_it_returns_to_the_fewest_and_not_below(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    scaling.grown()
    seconds = scaling.seen.took("shrunk")
    record_measurement("autoscaling: end of load to the fewest", seconds, "s", SCALED_DOWN.source)
    report_findings(beyond("HPA-10", scaling, experiments), experiments.target)


@pytest.mark.rule("HPA-11")
def test_an_upgrade_keeps_the_count(scaling: Scaling, experiments: ExperimentRunner) -> None:
    scaling.grown()
    scaling.seen.took("upgrade")
    before, after = scaling.upgrade
    findings = []
    if before != after or before == experiments.target.component("backend").replicas:
        object_ = f"Deployment/{experiments.target.component('backend').deployment}"
        findings.append(Finding("HPA-11", object_, "spec.replicas", f"{before}, as before the upgrade", str(after)))
    report_findings(findings, experiments.target)


@pytest.mark.rule("HPA-12")
def test_no_request_fails_while_it_scales(scaling: Scaling, experiments: ExperimentRunner) -> None:
    scaling.grown()
    scaling.seen.took("shrunk")
    service = experiments.target.component("backend").service
    findings = [
        finding
        for sampling in scaling.seen.traffic.values()
        for finding in failed_request_findings("HPA-12", f"Service/{service}", sampling.availability)
    ]
    report_findings(findings, experiments.target)
