"""Pods that are killed at the end of their grace period are found, those that stop by themselves are not."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.core.target import DEFAULT_TARGET, load
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.termination import stopped_pods, termination_findings
from acceptance.kube.history import History, Version

TARGET = load(DEFAULT_TARGET)


def backend(*, ready: bool = True, grace: int | None = None, ended: dict[str, Any] | None = None) -> dict[str, Any]:
    part = TARGET.component("backend")
    metadata: dict[str, Any] = {"name": "api-1", "uid": "1", "labels": dict(part.labels)}
    if grace is not None:
        metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
    status = {"name": part.container, "state": {"terminated": ended} if ended else {"running": {}}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"containerStatuses": [status], "conditions": conditions}}


def observed(*pods: dict[str, Any]) -> Experiment:
    history = History()
    history.watched_since("Pod", -1.0)
    for moment, pod in enumerate(pods):
        history.add(Version("Pod", moment - 0.5, pod))
    history.add(Version("Pod", float(len(pods)), pods[-1], deleted=True))
    history.complete_until("Pod", 50.0)
    return Experiment("rollout", history, 0.0, 40.0)


def test_pod_that_is_killed_after_its_grace_period_is_found() -> None:
    killed = {"exitCode": 137}
    run = observed(
        backend(), backend(grace=30), backend(grace=30, ready=False, ended=killed), backend(grace=0, ended=killed)
    )
    (finding,) = termination_findings(run, TARGET)
    assert (finding.rule, finding.object) == ("POD-21", "Pod/api-1")
    assert finding.expected == "ends by itself within the grace period of 30 s"


@pytest.mark.parametrize("ended", [{"exitCode": 0}, {"exitCode": 143}, {"exitCode": 137, "reason": "OOMKilled"}])
def test_pod_that_ends_in_another_way_is_not_found(ended: dict[str, Any]) -> None:
    run = observed(backend(), backend(grace=30), backend(grace=30, ready=False, ended=ended))
    assert stopped_pods(run, TARGET)
    assert termination_findings(run, TARGET) == []


@pytest.mark.parametrize(
    "pods",
    [
        (backend(), backend(grace=0, ended={"exitCode": 137})),
        (backend(), backend(ready=False), backend(ready=False, grace=30, ended={"exitCode": 137})),
        (backend(), backend()),
    ],
    ids=["without grace period", "unready before", "not deleted"],
)
def test_pod_that_is_not_stopped_gracefully_is_not_judged(pods: tuple[dict[str, Any], ...]) -> None:
    assert stopped_pods(observed(*pods), TARGET) == []
