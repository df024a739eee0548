"""How containers of gracefully deleted pods ended: by themselves, or killed after the grace period."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.checks.finding import Finding
from acceptance.core.fields import Object, integer_at, mapping_at, name_of, text_at
from acceptance.core.target import Target
from acceptance.experiments.experiment import Experiment
from acceptance.kube.status import is_ready, is_terminating, pods_of, statuses

KILLED = 137
"""The exit code of a process that SIGKILL ended."""


@dataclass(frozen=True)
class StoppedPod:
    """A pod that was Ready when it was deleted: its grace period in seconds, and the pod as last seen."""

    grace_period: int
    pod: Object


def stopped_pods(experiment: Experiment, target: Target) -> list[StoppedPod]:
    """Return the pods of the target's components that were Ready when they were deleted with a grace period.

    An unready pod, such as a paused one, may be unable to stop by itself.
    """
    if not experiment.pods_recorded:
        return []
    ready: set[str] = set()
    grace_periods: dict[str, int] = {}
    last: dict[str, Object] = {}
    for state in experiment.history.states("Pod", experiment.start, experiment.end):
        for pod in state.objects:
            uid = text_at(pod, "metadata.uid")
            if not is_terminating(pod):
                (ready.add if is_ready(pod) else ready.discard)(uid)
            elif uid in ready:
                # As first seen: the kubelet deletes a pod that has ended with the grace period 0.
                grace_periods.setdefault(uid, integer_at(pod, "metadata.deletionGracePeriodSeconds", 0) or 0)
                last[uid] = pod
    return [
        StoppedPod(grace_periods[text_at(pod, "metadata.uid")], pod)
        for part in target.components.values()
        for pod in pods_of(last.values(), part)
        if grace_periods[text_at(pod, "metadata.uid")]
    ]


def termination_findings(experiment: Experiment, target: Target) -> list[Finding]:
    """Return a finding of POD-21 for each container of a stopped pod that was killed at the end of its grace period."""
    findings = []
    for stopped in stopped_pods(experiment, target):
        for status in statuses(stopped.pod):
            ended = mapping_at(status, "state.terminated")
            if ended.get("exitCode") == KILLED and ended.get("reason") != "OOMKilled":
                field = f"{experiment.name}: container {text_at(status, 'name')}"
                expected = f"ends by itself within the grace period of {stopped.grace_period} s"
                findings.append(Finding("POD-21", f"Pod/{name_of(stopped.pod)}", field, expected, "killed after it"))
    return findings
