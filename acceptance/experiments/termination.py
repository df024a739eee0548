"""How the containers of pods that were deleted gracefully ended: by themselves, or killed after the grace period."""

from __future__ import annotations

from acceptance.checks.finding import Finding
from acceptance.core.fields import Object, at, integer_at, mapping_at, name_of, text_at
from acceptance.core.target import Target
from acceptance.experiments.experiment import Experiment
from acceptance.kube.status import is_ready, is_terminating, pods_of, statuses

KILLED = 137
"""The exit code of a process that SIGKILL ended."""


def stopped_pods(experiment: Experiment, target: Target) -> list[Object]:
    """The pods of the target's components that were Ready when they were deleted with a grace period, as last seen.

    One that was not, such as a paused one, is in no state to stop by itself.
    """
    ready: set[str] = set()
    last: dict[str, Object] = {}
    for state in experiment.history.states("Pod", experiment.start, experiment.end):
        for pod in state.objects:
            uid = text_at(pod, "metadata.uid")
            if not is_terminating(pod):
                (ready.add if is_ready(pod) else ready.discard)(uid)
            elif uid in ready and integer_at(pod, "metadata.deletionGracePeriodSeconds", 0):
                last[uid] = pod
            else:
                last.pop(uid, None)
    return [pod for part in target.components.values() for pod in pods_of(last.values(), part)]


def termination_findings(experiment: Experiment, target: Target) -> list[Finding]:
    """POD-21 for each container of a stopped pod that was killed when its grace period was over."""
    findings = []
    for pod in stopped_pods(experiment, target):
        for status in statuses(pod):
            ended = mapping_at(status, "state.terminated")
            if ended.get("exitCode") == KILLED and ended.get("reason") != "OOMKilled":
                seconds = at(pod, "metadata.deletionGracePeriodSeconds")
                field = f"{experiment.name}: container {text_at(status, 'name')}"
                expected = f"ends by itself within the grace period of {seconds} s"
                findings.append(Finding("POD-21", f"Pod/{name_of(pod)}", field, expected, "killed after it"))
    return findings
