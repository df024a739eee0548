"""Changes of the release's settings under traffic: whether they reach the new pods, and whether requests fail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from acceptance.checks.finding import Finding, Untested, of_derived_part
from acceptance.checks.isolation import container_spec
from acceptance.client.user import User
from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.faults import process_environment
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.steps import Step, run_step
from acceptance.kube.status import pods_of
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import Plan, duration_for, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

MIN_REQUESTS = 500
"""The least number of requests during a change for which it is judged that none failed."""
RATE = 15.0
"""Tasks per second, and pages per second, so that enough are sent in the time of a rollout."""
MIN_SECONDS = duration_for(MIN_REQUESTS, RATE)
"""Seconds of traffic that each change needs."""


@dataclass(frozen=True)
class Change:
    """Changed settings: their rollout, and the containers' environments before and after it, by component.

    The environments have the changed variables alone, which may be secret and are not shown.
    """

    interval: Interval
    rollout: WaitResult[None]
    old_pods: dict[str, set[str]]
    new_pods: dict[str, set[str]]
    before: dict[str, list[dict[str, str]]] = field(repr=False)
    after: dict[str, list[dict[str, str]]] = field(repr=False)

    def values(self, component: str, key: str) -> list[str]:
        """Return a variable's value in each container of the component after the rollout; empty where it has none."""
        return [environment.get(key, "") for environment in self.after[component]]

    def uses(self, component: str, key: str) -> bool:
        """Return whether a container of the component had the variable before."""
        return any(key in environment for environment in self.before[component])


def pod_names(experiments: ExperimentRunner) -> dict[str, set[str]]:
    """Return the names of each component's pods, as they are now."""
    pods = experiments.objects.list("Pod").objects
    return {name: {name_of(pod) for pod in pods_of(pods, experiments.target.component(name))} for name in COMPONENTS}


def environments(experiments: ExperimentRunner, keys: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """Return by component the values of a ConfigMap's or Secret's keys in each running container's environment."""
    cluster, found = experiments.release.cluster, {}
    for name in COMPONENTS:
        part = experiments.target.component(name)
        found[str(name)] = [
            values_by_key(container_spec(pod, part.container), process_environment(cluster, pod, part.container), keys)
            for pod in experiments.pods(part)
        ]
    return found


def values_by_key(container: Object, environment: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """Return the value of each key in a container's environment, whose variable may have another name or a prefix."""
    prefixes = [text_at(source, "prefix") for source in mappings_at(container, "envFrom")]
    names = {key: [*(f"{prefix}{key}" for prefix in prefixes), key] for key in keys}
    for variable in mappings_at(container, "env"):
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if (key := text_at(variable, f"valueFrom.{kind}.key")) in names:
                names[key].insert(0, text_at(variable, "name"))
    known = {key: next((name for name in candidates if name in environment), None) for key, candidates in names.items()}
    return {key: environment[name] for key, name in known.items() if name is not None}


def make_change(
    experiments: ExperimentRunner, experiment: Experiment, step: Step[None, None], keys: Collection[str]
) -> Change:
    """Change settings, wait for the rollout, and read the values of `keys` in the containers before and after.

    After a rollout that failed nothing is read: its containers may not run.
    """
    old_pods, before = pod_names(experiments), environments(experiments, keys)
    result = run_step(experiment, step)
    new_pods = pod_names(experiments)
    after = environments(experiments, keys) if result.recovery.ok else {}
    return Change(result.interval, result.recovery, old_pods, new_pods, before, after)


def settings_traffic(writer: User, reader: User) -> dict[str, Plan]:
    """Return plans of tasks and of pages, at `RATE` each."""
    return {"backend": task_writes(writer, RATE), "frontend": page_views(reader, RATE)}


def change_findings(
    rule: str, experiments: ExperimentRunner, change: Change, component: str, given: Mapping[str, str]
) -> list[Finding]:
    """Return findings if pods were not replaced, or one lacks the new value of a key that it uses.

    Values may be secret and are not shown.

    Raises:
        Untested: No container of the component has one of the keys.
    """
    part = experiments.target.component(component)
    object_ = f"Deployment/{part.deployment}"
    used = {key: value for key, value in given.items() if change.uses(component, key)}
    if not used:
        raise Untested(f"the {component} has none of {sorted(given)} in its environment")
    findings = []
    if kept := sorted(change.old_pods[component] & change.new_pods[component]):
        findings.append(Finding(rule, object_, "pods", "replaced by the change", f"kept: {', '.join(kept)}"))
    for key, value in used.items():
        values = change.values(component, key)
        stale = sum(actual != value for actual in values)
        if stale or not values:
            expected = f"the new value in each of {part.replicas} pods"
            findings.append(Finding(rule, object_, f"environment {key}", expected, f"another one in {stale}"))
    return of_derived_part(findings, experiments.target) if kept else findings


def request_findings(
    experiment: Experiment, component: str, interval: Interval, experiments: ExperimentRunner
) -> list[Finding]:
    """Return a finding of STA-08 if a component's requests failed in an interval.

    Raises:
        InconclusiveSampleError: There were too few requests.
    """
    availability = experiment.traffic[component].availability.between(interval)
    if len(availability.records) < MIN_REQUESTS:
        raise InconclusiveSampleError(f"{len(availability.records)} requests are fewer than {MIN_REQUESTS}")
    service = experiments.target.component(component).service
    return failed_request_findings("STA-08", f"Service/{service}", availability)
