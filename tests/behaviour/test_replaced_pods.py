"""Pods are deleted: what they wrote to their volumes is gone, and their replacements' init containers are observed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Untested, report_findings
from acceptance.checks.isolation import RunningContainer, user_findings
from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.core.target import COMPONENTS
from acceptance.experiments import faults
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.volumes import (
    Marker,
    find_markers,
    observed_processes,
    remaining,
    remove_markers,
    require_found,
    volume_findings,
    wait_gone,
    write_markers,
)
from acceptance.kube.status import container_id


@dataclass(frozen=True)
class ReplacedPods:
    """One pod of each component that was deleted, and its replacement's init containers while they ran.

    Attributes:
        left: The files that were on the node when the wait for their end was over, with their paths.
        init_containers: Those of the replacements; one whose processes ended too soon to be seen has none.
    """

    replaced: WaitResult[None]
    markers: list[Marker]
    left: dict[Marker, str]
    init_containers: list[RunningContainer]


def init_containers(pod: Object) -> dict[str, str]:
    """Return the pod's init containers by name, with their identifiers in the runtime."""
    return {
        text_at(status, "name"): container_id(status) for status in mappings_at(pod, "status.initContainerStatuses")
    }


@pytest.fixture(scope="module")
def replaced_pods(experiments: ExperimentRunner) -> ReplacedPods:
    """A pod of each component with marked volumes is deleted and replaced."""
    cluster = experiments.release.cluster
    cluster.require_capability("node")
    parts = [experiments.target.component(name) for name in COMPONENTS]
    with experiments.experiment("replaced pods") as experiment:
        deleted = [experiments.pods(part)[0] for part in parts]
        try:
            markers = [marker for pod in deleted for marker in write_markers(cluster, pod)]
            require_found(cluster, markers)
            with observed_processes(cluster) as observed, experiment.disturbance(restarts=False):
                for pod in deleted:
                    faults.delete(cluster, pod)
                    experiment.annotate(f"{name_of(pod)} deleted")
                replaced = experiment.wait_for("pods replaced", experiments.wait_rolled_out)
            gone = experiment.wait_for("files gone", lambda: wait_gone(cluster, markers))
            left = {} if gone.ok else remaining(markers, find_markers(cluster))
        finally:
            remove_markers(cluster)
        names = {name_of(pod) for pod in deleted}
        new = [pod for part in parts for pod in experiments.pods(part) if name_of(pod) not in names]
        seen = [
            RunningContainer(pod, name, observed.processes(identifier), (), (), frozenset())
            for pod in new
            for name, identifier in init_containers(pod).items()
        ]
    return ReplacedPods(replaced, markers, left, seen)


@pytest.mark.rule("PER-07")
def test_files_of_a_pod_are_gone_with_it(replaced_pods: ReplacedPods, experiments: ExperimentRunner) -> None:
    replaced_pods.replaced.raise_if_failed()
    if not replaced_pods.markers:
        raise Untested("no pod has a volume that it can write to, so there is nothing that could outlive it")
    report_findings(volume_findings(replaced_pods.left), experiments.target)


@pytest.mark.rule("SCY-01")
def test_init_containers_run_as_the_user(replaced_pods: ReplacedPods, experiments: ExperimentRunner) -> None:
    """Of a release without init containers `test_isolation.py` judges every container."""
    replaced_pods.replaced.raise_if_failed()
    observed = [each for each in replaced_pods.init_containers if each.processes]
    report_findings(user_findings(observed), experiments.target)
    containers = {each.name for each in replaced_pods.init_containers}
    if unseen := sorted(containers - {each.name for each in observed}):
        raise Untested(f"the processes of {', '.join(unseen)} ended before they could be seen on the node")
