"""Changes of the release's settings under traffic: whether they reach new pods, and whether requests fail."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.checks.finding import Finding
from acceptance.client.user import User
from acceptance.core.fields import name_of
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS
from acceptance.experiments.experiment import Experiment, ExperimentRunner, WaitResult
from acceptance.experiments.faults import process_environment
from acceptance.experiments.steps import Step, run_step
from acceptance.kube.status import pods_of
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import duration_for, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError
from acceptance.traffic.sampler import Plan

MIN_REQUESTS = 500
RATE = 15.0
"""Tasks per second, and pages per second, so that enough are sent in the time of a rollout."""
MIN_SECONDS = duration_for(MIN_REQUESTS, RATE)
"""How long each change needs traffic."""


@dataclass(frozen=True)
class Change:
    """A changed setting: its rollout, and what the containers' environment then contained, by component."""

    interval: Interval
    rollout: WaitResult[None]
    old_pods: dict[str, set[str]]
    new_pods: dict[str, set[str]]
    values: dict[str, list[str]]


def pod_names(experiments: ExperimentRunner) -> dict[str, set[str]]:
    """The names of each component's pods, as they are now."""
    pods = experiments.objects.list("Pod").objects
    return {name: {name_of(pod) for pod in pods_of(pods, experiments.target.component(name))} for name in COMPONENTS}


def environment_values(experiments: ExperimentRunner, component: str, key: str) -> list[str]:
    """A variable's value in each container of the component; empty if a container has none."""
    part, cluster = experiments.target.component(component), experiments.release.cluster
    return [process_environment(cluster, pod, part.container).get(key, "") for pod in experiments.pods(part)]


def make_change(experiments: ExperimentRunner, experiment: Experiment, step: Step[None, None], key: str) -> Change:
    """Change a setting, wait for the rollout, and read the variable `key` in the containers."""
    old_pods = pod_names(experiments)
    result = run_step(experiment, step)
    new_pods = pod_names(experiments)
    values: dict[str, list[str]] = {name: environment_values(experiments, name, key) for name in COMPONENTS}
    return Change(result.interval, result.recovery, old_pods, new_pods, values)


def settings_traffic(writer: User, reader: User) -> dict[str, Plan]:
    """Tasks and pages, at `RATE` each."""
    return {"backend": task_writes(writer, RATE), "frontend": page_views(reader, RATE)}


def change_findings(
    rule: str, experiments: ExperimentRunner, change: Change, component: str, key: str, value: str
) -> list[Finding]:
    """Findings if pods were not replaced or do not all have the new value, which may be secret and is not shown."""
    part = experiments.target.component(component)
    object_ = f"Deployment/{part.deployment}"
    findings = []
    if kept := sorted(change.old_pods[component] & change.new_pods[component]):
        findings.append(Finding(rule, object_, "pods", "replaced by the change", f"kept: {', '.join(kept)}"))
    values = change.values[component]
    stale = sum(actual != value for actual in values)
    if stale or not values:
        expected = f"the new value in each of {part.replicas} pods"
        findings.append(Finding(rule, object_, f"environment {key}", expected, f"another one in {stale}"))
    return findings


def request_findings(
    experiment: Experiment, component: str, interval: Interval, experiments: ExperimentRunner
) -> list[Finding]:
    """STA-08 for a component's requests in an interval; raises `InconclusiveSampleError` if there are too few."""
    availability = experiment.traffic[component].availability.between(interval)
    if len(availability.records) < MIN_REQUESTS:
        raise InconclusiveSampleError(f"{len(availability.records)} requests are fewer than {MIN_REQUESTS}")
    service = experiments.target.component(component).service
    return failed_request_findings("STA-08", f"Service/{service}", availability)
