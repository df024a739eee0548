"""What must not happen while nothing is disturbed: failed requests, restarts, and pods that become unready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from acceptance.checks.finding import Finding, of_derived_part
from acceptance.core.deadlines import AT_REST
from acceptance.core.fields import Object, mapping_at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Target
from acceptance.experiments.experiment import FAILED_WAIT, Disturbance, Experiment
from acceptance.kube.history import State
from acceptance.kube.status import is_ready, is_terminating, may_end, pods_of, restart_count, statuses
from acceptance.traffic.availability import UNATTRIBUTED, Availability, failed_request_findings
from acceptance.traffic.late_rules import MAX_RULE_DELAY
from acceptance.traffic.records import Record, percentile

STATUS_LAG = 5.0
"""Seconds by which the status of a pod may follow a disturbance on a busy machine."""
MIN_REQUESTS = 50
"""The least number of requests for which a 99th percentile is computed."""


def disturbances(experiment: Experiment) -> tuple[Disturbance, ...]:
    """Return the declared disturbances. An annotation outside of them counts as one to the end of the experiment."""
    declared = tuple(experiment.disturbances)
    undeclared = (
        Disturbance(Interval(annotation.moment, experiment.end))
        for annotation in experiment.annotations
        if not annotation.text.startswith(FAILED_WAIT)
        and not any(each.interval.contains(annotation.moment) for each in declared)
    )
    return declared + tuple(undeclared)


def undisturbed(experiment: Experiment, availability: Availability) -> Availability:
    """Return the availability computed from the requests that no disturbance overlaps."""
    times = [Interval(each.interval.start, each.interval.end + MAX_RULE_DELAY) for each in disturbances(experiment)]
    return availability.where(lambda record: not any(map(Interval(record.sent, record.done).overlaps, times)))


def request_findings(experiment: Experiment, target: Target) -> list[Finding]:
    """Return a finding of STA-08 for each kind of traffic with requests that failed while nothing was disturbed."""
    if not experiment.availability:
        return []
    found = [
        replace(finding, field=f"{experiment.name}: {label}: requests while nothing was disturbed")
        for label, run in experiment.traffic.items()
        for finding in failed_request_findings("STA-08", run.plan.service, undisturbed(experiment, run.availability))
    ]
    return of_derived_part(found, target)


def pod_findings(experiment: Experiment, target: Target) -> list[Finding]:
    """Return findings of POD-05 for restarts, and of STA-12 for pods that became unready, without a disturbance.

    A release that did not recover from a disturbance is a finding of STA-12 too. The pods of Jobs, which are meant to
    end, are not judged; nor are pods that were not recorded while a node restarted.
    """
    before: dict[str, Object] = {}
    findings: list[Finding] = []
    states = experiment.history.states("Pod", experiment.start, experiment.end) if experiment.pods_recorded else ()
    for state in states:
        for pod in state.objects:
            if may_end(pod):
                continue
            uid = text_at(pod, "metadata.uid")
            if uid in before and before[uid] is not pod:
                findings += _changes(experiment, target, before[uid], pod, state)
            before[uid] = pod
    if experiment.unrecovered:
        expected = "Ready and serving again by itself"
        findings.append(
            Finding("STA-12", "Release", f"{experiment.name}: afterwards", expected, experiment.unrecovered)
        )
    return of_derived_part(findings, target)


def _changes(experiment: Experiment, target: Target, before: Object, after: Object, state: State) -> Iterator[Finding]:
    component = next((name for name, part in target.components.items() if pods_of([after], part)), "")
    seconds = state.moment - experiment.start
    object_ = f"Pod/{name_of(after)}"
    active = [
        each
        for each in disturbances(experiment)
        if each.interval.start <= state.moment <= each.interval.end + STATUS_LAG
    ]
    if not any(each.restarts and each.component in ("", component) for each in active):
        for container, (earlier, later, cause) in _restarted(before, after).items():
            yield Finding(
                "POD-05",
                object_,
                f"{experiment.name}: restartCount of {container}",
                f"{earlier}, since the experiment does not end it",
                f"{later} after {seconds:.1f} s: {cause}",
            )
    if is_ready(before) and not is_ready(after) and not is_terminating(after) and not active:
        field = f"{experiment.name}: condition Ready"
        yield Finding("STA-12", object_, field, "True while nothing is disturbed", f"False after {seconds:.1f} s")


def _restarted(before: Object, after: Object) -> dict[str, tuple[int, int, str]]:
    """Return the containers with more restarts than before: both counts, and how the last instance ended."""
    counts = {text_at(status, "name"): restart_count(status) for status in statuses(before)}
    return {
        name: (counts[name], restart_count(status), _cause(status))
        for status in statuses(after)
        if (name := text_at(status, "name")) in counts and restart_count(status) > counts[name]
    }


def _cause(status: Object) -> str:
    ended = mapping_at(status, "lastState.terminated")
    return f"{ended.get('reason', 'unknown reason')}, exit code {ended.get('exitCode', 'unknown')}"


def slowest(records: Iterable[Record]) -> dict[str, float]:
    """Return the 99th percentile of the answered requests' durations, in seconds: of all (`""`), and of each pod.

    Groups of fewer than MIN_REQUESTS are absent.
    """
    groups: dict[str, list[float]] = {}
    for record in records:
        if record.status and not record.error:
            for group in ("", record.pod or UNATTRIBUTED):
                groups.setdefault(group, []).append(record.duration)
    return {
        group: percentile(durations, 99)
        for group, durations in groups.items()
        if len(durations) >= MIN_REQUESTS and group != UNATTRIBUTED
    }


def latency_findings(records: Iterable[Record], service: str, what: str) -> list[Finding]:
    """Return a finding of STA-12 for the Service, and for each pod, whose p99 is beyond AT_REST."""
    return [
        Finding(
            "STA-12",
            f"Pod/{pod}" if pod else service,
            f"p99 of {what}",
            f"at most {AT_REST.seconds:g} s at rest",
            f"{seconds:.2f} s",
        )
        for pod, seconds in slowest(records).items()
        if seconds > AT_REST.seconds
    ]
