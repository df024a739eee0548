"""Autoscaling under load: from minReplicas to maxReplicas and back, with an upgrade in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from acceptance.checks.autoscaler import NO_METRICS, least_seconds
from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import METRICS, SCALED_DOWN, SCALED_UP, Deadline
from acceptance.core.fields import Object, at, integer_at
from acceptance.core.interval import Interval
from acceptance.core.target import Autoscaler, Component
from acceptance.core.wait import NotYet, dwell, eventually
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.recovery import without_room
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.scaling import cpu_utilisation, desired_replicas
from acceptance.kube.client import ApiServer, Objects
from acceptance.kube.helm import RefusedReleaseError
from acceptance.kube.status import container_status, has_condition, is_ready, pods_of
from acceptance.provision.provisioner import Provisioner
from acceptance.report import timeline
from acceptance.report.results import Limit, NotJudged, Picture, RecordMeasurement
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.load_test import Load, run_load, stored_tasks
from acceptance.traffic.plans import on_held_connections, task_writes

pytestmark = pytest.mark.timeout(1500)
"""Metrics, scale-up, scale-down and the restored baseline, each to its deadline; and the setup."""
WINDOW, DEFAULT_WINDOW = "spec.behavior.scaleDown.stabilizationWindowSeconds", 300
"""The field with an autoscaler's window for scaling down, in seconds, and Kubernetes' default."""
CLIENTS = 12
"""Clients with 10 requests per second each: they use 480 m CPU and more; 70 % of five requests of 100 m are 350 m."""
SAMPLED_PER_SECOND = 5.0
"""Together with the requests on held connections (5 per second) 57 m CPU: below 140 m three replicas become two, even
where other processes make the same requests cost twice as much."""
HELD_CONNECTIONS = 10
"""Opened when all replicas are Ready: the autoscaler removes the newest pods first, and connections that the sampler
opened earlier do not reach those."""
HELD_PAUSE = 2.0
"""Seconds between two requests on one of them."""
UNDER_LOAD = NotJudged("as counted by Locust, which sends more than the pods before the scale-up can answer")
HOLD_SECONDS = 15.0
"""Time at maxReplicas and at minReplicas in which the count must stay: one sync of the autoscaler."""
BUDGETS = {"metrics": 75.0, "decision": 75.0, "scheduling": 10.0, "start": 30.0, "ready": 30.0}
"""Seconds after the phase before: scrape and sync periods of 15 s, some steps of scaling; POD-17 for start and ready,
which take 6 s and 8 s here."""


@dataclass
class Scaling:
    """The experiment; `load` is when the load ran, `upgrade` when the upgrade did and the count had to stay."""

    experiment: Experiment
    backend: Component
    limits: Autoscaler
    load: Interval = field(default_factory=lambda: Interval(0.0, 0.0))
    metrics: WaitResult[None] = SKIPPED
    at_minimum: WaitResult[None] = SKIPPED
    """Before the load."""
    scaled_up: WaitResult[None] = SKIPPED
    without_room: Untested | None = None
    """Why it was not scaled up, where no node has room for a pod."""
    upgraded: WaitResult[None] = SKIPPED
    scaled_down: WaitResult[None] = SKIPPED
    upgrade: Interval = field(default_factory=lambda: Interval(0.0, 0.0))
    acknowledged: int = 0
    step_seconds: int = 0
    """The least time that the steps and the window of scaling up take in the cluster's autoscaler."""
    deadline: Deadline = SCALED_DOWN
    """The deadline of the scale-down."""
    stored: Counter[str] | None = None
    """The titles of the load's tasks in PostgreSQL; None where they can't be counted."""

    def require_scaled_up(self) -> float:
        """Return the seconds from the start of the load to maxReplicas.

        Raises:
            WaitError: It was not reached, or minReplicas were not before the load.
            Untested: The backend serves the load with less CPU than the autoscaler's target, or no node has room.
        """
        self.metrics.raise_if_failed()
        self.at_minimum.raise_if_failed()
        if not self.scaled_up.ok:
            if self.without_room:
                raise self.without_room
            used = [cpu for _, cpu in cpu_utilisation(self.experiment.history, self.limits.name, self.load)]
            if used and max(used) <= self.limits.cpu_percent:
                raise Untested(
                    f"the load takes {max(used)} % CPU at most, and the target is {self.limits.cpu_percent} %"
                )
        return self.scaled_up.seconds

    def require_maximum(self) -> None:
        """Raise `Untested` if maxReplicas was not reached, which HPA-09 judges."""
        if not self.scaled_up.ok:
            raise Untested("the backend was not scaled up to maxReplicas (HPA-09)")

    def read_behaviour(self, objects: Objects) -> None:
        """Take from the autoscaler in the cluster how long it may take to scale up and down."""
        autoscalers = objects.list("HorizontalPodAutoscaler").by_name
        autoscaler = autoscalers.get(self.limits.name, {})
        window = integer_at(autoscaler, WINDOW, DEFAULT_WINDOW)
        self.step_seconds = least_seconds(autoscaler, "scaleUp")
        self.deadline = longer(SCALED_DOWN, DEFAULT_WINDOW if window is None else window)

    @property
    def scale_up_deadline(self) -> Deadline:
        """How long the scale-up may take."""
        return longer(SCALED_UP, self.step_seconds)

    def desired_replicas(self) -> list[tuple[float, int]]:
        """Return the numbers of replicas that were desired from the start of the load on, each with its moment."""
        interval = Interval(self.load.start, self.experiment.end)
        return desired_replicas(self.experiment.history, self.backend.deployment, interval)


def longer(deadline: Deadline, seconds: float) -> Deadline:
    """Return the deadline, `seconds` longer."""
    return replace(deadline, seconds=deadline.seconds + seconds)


def replicas(experiments: ExperimentRunner, component: Component) -> int:
    """Return the Deployment's `spec.replicas` at this moment."""
    deployments = experiments.objects.list("Deployment").by_name
    return int(str(at(deployments[component.deployment], "spec.replicas")))


def wait_metrics(experiments: ExperimentRunner, limits: Autoscaler) -> None:
    """Wait until the autoscaler has metrics."""

    def probe() -> None:
        autoscalers = experiments.objects.list("HorizontalPodAutoscaler").by_name
        if not has_condition(autoscalers.get(limits.name, {}), "ScalingActive"):
            raise NotYet("ScalingActive is not True")

    eventually("the autoscaler to have metrics", probe, METRICS)


def wait_scaled(experiments: ExperimentRunner, component: Component, expected: int, deadline: Deadline) -> None:
    """Wait until the component has exactly `expected` pods, all of them Ready."""

    def probe() -> None:
        pods = experiments.pods(component)
        ready, desired = sum(is_ready(pod) for pod in pods), replicas(experiments, component)
        if not desired == ready == len(pods) == expected:
            raise NotYet(f"{desired} are desired, {ready} of {len(pods)} pods are Ready")

    eventually(f"{expected} Ready replicas", probe, deadline)


def upgrade_with_autoscaler(experiments: ExperimentRunner, path: str) -> None:
    """Upgrade with the autoscaler on; an upgrade that is refused is a finding."""
    try:
        experiments.upgrade({path: True})
    except RefusedReleaseError as error:
        raise AssertionError(f"the upgrade failed: {error}") from error


def scale_up(experiments: ExperimentRunner, scaling: Scaling, path: str) -> None:
    """Under load: wait for maxReplicas, then upgrade, and record the replicas after it."""
    experiment, backend, maximum = scaling.experiment, scaling.backend, scaling.limits.max_replicas
    deadline = scaling.scale_up_deadline
    scaling.scaled_up = experiment.wait_for("scaled up", lambda: wait_scaled(experiments, backend, maximum, deadline))
    if not scaling.scaled_up.ok:
        scaling.without_room = without_room(experiments.objects, f"{maximum} backends")
    else:
        start = experiment.annotate("upgrade")
        scaling.upgraded = experiment.wait_for("upgrade", lambda: upgrade_with_autoscaler(experiments, path))
        dwell(HOLD_SECONDS, "the load continues at maxReplicas")
        scaling.upgrade = Interval(start, time.time())


def scale_down(experiments: ExperimentRunner, scaling: Scaling, writer: User) -> None:
    """Without load: wait for minReplicas, while requests use connections to every pod."""
    experiment, backend, minimum = scaling.experiment, scaling.backend, scaling.limits.min_replicas
    with experiments.sampler.sample(on_held_connections(task_writes(writer), HELD_CONNECTIONS, HELD_PAUSE)) as held:
        experiment.traffic["held connections"] = held
        scaling.scaled_down = experiment.wait_for(
            "scaled down", lambda: wait_scaled(experiments, backend, minimum, scaling.deadline)
        )
        dwell(HOLD_SECONDS, "the count stays at minReplicas")


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def scaling(
    experiments: ExperimentRunner,
    writer: User,
    provisioner: Provisioner,
    record_picture: Callable[[Picture], None],
    record_measurement: RecordMeasurement,
) -> Scaling:
    """The backend under load up to maxReplicas, upgraded there, and without load down to minReplicas."""
    target = experiments.target
    limits, path, backend = target.autoscaler, target.values.hpa_enabled, target.component("backend")
    if limits is None or path is None:
        raise Untested("the target names no autoscaler, or no value that enables it")
    cluster = experiments.release.cluster
    if "metrics-server" not in cluster.capabilities and not ApiServer(cluster.api).serves_metrics():
        raise Untested(NO_METRICS)
    image = provisioner.tools().reference
    plan = task_writes(writer, SAMPLED_PER_SECOND)
    with experiments.experiment("autoscaling", backend=plan) as experiment, experiment.disturbance(restarts=False):
        scaling = Scaling(experiment, backend, limits)
        experiments.upgrade({path: True})
        scaling.metrics = experiment.wait_for("metrics", lambda: wait_metrics(experiments, limits))
        if not scaling.metrics.ok:
            return scaling
        scaling.read_behaviour(experiments.objects)
        scaling.at_minimum = experiment.wait_for(
            "minReplicas before the load",
            lambda: wait_scaled(experiments, backend, limits.min_replicas, scaling.deadline),
        )
        start = experiment.annotate("load starts")
        database = provisioner.database() if provisioner.installs_release else None
        before = stored_tasks(writer, database) if database else None
        with run_load(experiments.release.cluster, image, writer, CLIENTS) as load:
            scale_up(experiments, scaling, path)
        scaling.acknowledged = load.requests - load.failures
        after = stored_tasks(writer, database) if database else None
        scaling.stored = None if before is None or after is None else after - before
        scaling.load = Interval(start, experiment.annotate("load ends"))
        if scaling.scaled_up.ok:
            scale_down(experiments, scaling, writer)
    for name, number in (("requests", load.requests), ("failures", load.failures)):
        record_measurement(f"autoscaling: load: {name}", number, "requests", UNDER_LOAD)
    svg = timeline.autoscaling(experiment, backend, limits, load, start)
    record_picture(Picture("autoscaling: replicas", svg, caption(scaling, load)))
    return scaling


def caption(scaling: Scaling, load: Load) -> str:
    """Return the caption of the picture, which sums up its curves."""
    sampled = scaling.experiment.traffic["backend"].availability
    return (
        f"desired replicas: {', '.join(str(count) for _, count in scaling.desired_replicas())}; "
        f"load: {load.requests} requests, {load.failures} failed; "
        f"sampler: {len(sampled.records)} requests, {len(sampled.failures)} failed"
    )


def limit_findings(rule: str, scaling: Scaling) -> list[Finding]:
    """Return a finding if more or fewer replicas were ever desired than the autoscaler's limits allow."""
    minimum, maximum = scaling.limits.min_replicas, scaling.limits.max_replicas
    beyond = [count for _, count in scaling.desired_replicas() if not minimum <= count <= maximum]
    object_ = f"Deployment/{scaling.backend.deployment}"
    return [Finding(rule, object_, "spec.replicas", f"{minimum} to {maximum}", f"{beyond}")] if beyond else []


@pytest.mark.rule("HPA-09")
def test_scales_up_to_max_replicas(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    seconds = scaling.require_scaled_up()
    record_measurement("autoscaling: start of load to all Ready", seconds, "s", Limit.of(scaling.scale_up_deadline))
    report_findings(limit_findings("HPA-09", scaling), experiments.target)


@pytest.mark.rule("HPA-09")
def test_each_scale_up_phase_is_within_its_budget(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    scaling.require_scaled_up()
    findings = []
    before = scaling.load.start
    for phase, moment in phase_ends(scaling).items():
        seconds = max(0.0, moment - before)
        budget = BUDGETS[phase] + (scaling.step_seconds if phase == "decision" else 0)
        record_measurement(f"autoscaling: {phase}", seconds, "s", Limit(budget, "HPA-09: the phase's budget"))
        if seconds > budget:
            object_ = f"HorizontalPodAutoscaler/{scaling.limits.name}"
            findings.append(Finding("HPA-09", object_, phase, f"within {budget:g} s", f"{seconds:.1f} s"))
        before = max(before, moment)
    report_findings(of_derived_part(findings, experiments.target), experiments.target)


def phase_ends(scaling: Scaling) -> dict[str, float]:
    """Return when each phase of the scale-up ended, from high CPU metrics to `maxReplicas` Ready pods."""
    backend, limits, history, load = scaling.backend, scaling.limits, scaling.experiment.history, scaling.load
    used = cpu_utilisation(history, limits.name, load)
    high = next((moment for moment, cpu in used if cpu > limits.cpu_percent and moment > load.start), None)
    if high is None:
        raise Untested(f"the backend was scaled up by another metric: its CPU was never above {limits.cpu_percent} %")
    decided = next(moment for moment, count in scaling.desired_replicas() if count == limits.max_replicas)
    reached: dict[str, Callable[[Object], bool]] = {
        "scheduling": lambda pod: has_condition(pod, "PodScheduled"),
        "start": lambda pod: at(container_status(pod, backend.container), "state.running") is not None,
        "ready": is_ready,
    }
    ends = {"metrics": high, "decision": decided}
    for phase, has_reached in reached.items():
        ends[phase] = next(
            state.moment
            for state in history.states("Pod", load.start, load.end)
            if sum(has_reached(pod) for pod in pods_of(state.objects, backend)) >= limits.max_replicas
        )
    return ends


@pytest.mark.rule("HPA-10")
def test_scales_down_to_min_replicas(
    scaling: Scaling, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    scaling.require_maximum()
    seconds = scaling.scaled_down.seconds
    record_measurement("autoscaling: end of load to minReplicas", seconds, "s", Limit.of(scaling.deadline))
    report_findings(limit_findings("HPA-10", scaling), experiments.target)


@pytest.mark.rule("HPA-11")
def test_upgrade_keeps_the_replica_count(scaling: Scaling, experiments: ExperimentRunner) -> None:
    scaling.require_maximum()
    scaling.upgraded.raise_if_failed()
    backend, maximum, history = scaling.backend, scaling.limits.max_replicas, scaling.experiment.history
    if backend.replicas == maximum:
        raise Untested(f"the chart ships maxReplicas, {maximum}: an upgrade that resets the count changes nothing")
    counts = [count for _, count in desired_replicas(history, backend.deployment, scaling.upgrade)]
    findings = []
    if set(counts) != {maximum}:
        object_ = f"Deployment/{backend.deployment}"
        expected = f"{maximum}, as before the upgrade"
        findings.append(
            Finding("HPA-11", object_, "spec.replicas", expected, ", then ".join(map(str, counts)) or "not read")
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("HPA-12")
def test_no_request_fails_while_scaling(scaling: Scaling, experiments: ExperimentRunner) -> None:
    scaling.require_maximum()
    scaling.scaled_down.raise_if_failed()
    findings = [
        finding
        for run in scaling.experiment.traffic.values()
        for finding in failed_request_findings("HPA-12", f"Service/{scaling.backend.service}", run.availability)
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-05")
def test_load_is_stored(scaling: Scaling, experiments: ExperimentRunner) -> None:
    """Requests that Locust counts as failed may be stored."""
    scaling.require_maximum()
    if scaling.stored is None:
        raise Untested("the tasks can't be counted: the database is not this run's, or lacks the target's table")
    if not scaling.acknowledged:
        raise Untested("no request of the load was acknowledged")
    findings = []
    object_, stored = f"Table/{experiments.target.tables.task}", len(scaling.stored)
    if stored < scaling.acknowledged:
        expected = f"each of {scaling.acknowledged} acknowledged ones stored"
        findings.append(Finding("PER-05", object_, "tasks of the load", expected, f"{stored} stored"))
    if twice := [title for title, number in scaling.stored.items() if number > 1]:
        findings.append(Finding("PER-05", object_, "tasks of the load", "each stored once", f"{len(twice)} more often"))
    report_findings(findings, experiments.target)
