"""Diagnostics contain a namespace's unhealthy objects with their logs, and nothing of the healthy ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

from acceptance.core.fields import Object
from acceptance.kube import diagnostics
from acceptance.kube.client import Objects
from tests.unit.pods import BACK_OFF, CRASHED, STARTED, event, healthy, pod, replica_set, status, waiting

Collect = Callable[..., dict[str, str]]
TITLE = "namespace n"
CRASHING = pod("broken", status(state={"waiting": BACK_OFF}, last={"terminated": CRASHED}, restarts=1))


@pytest.fixture
def collect(monkeypatch: pytest.MonkeyPatch) -> Collect:
    """`collect(*pods, …)` returns the diagnostics of a namespace with these objects."""

    def collect(
        *pods: Object, replica_sets: tuple[Object, ...] = (), events: tuple[Object, ...] = (), log: Any = None
    ) -> dict[str, str]:
        listed: Mapping[str, tuple[Object, ...]] = {"Pod": pods, "ReplicaSet": replica_sets, "Event": events}

        def call(_: object, kind: str) -> Callable[..., Any]:
            document = {"metadata": {"resourceVersion": "1"}, "items": listed[kind]}
            return lambda *_, **__: Mock(data=json.dumps(document))

        monkeypatch.setattr(Objects, "_call", call)
        read = Mock(side_effect=log or (lambda name, *_, container, previous, **__: f"{name} {container} {previous}"))
        monkeypatch.setattr(client.CoreV1Api, "read_namespaced_pod_log", read)
        return diagnostics.collect(Mock(), "n")

    return collect


def test_healthy_namespace_is_reported_as_healthy(collect: Collect) -> None:
    normal = event("healthy", "Pulled", "…", normal=True)
    assert collect(healthy(), events=(normal,)) == {TITLE: "no problems found"}
    assert collect() == {TITLE: "no problems found"}


def test_completed_pod_is_healthy(collect: Collect) -> None:
    completed = pod("job", status(state={"terminated": {"exitCode": 0, "reason": "Completed"}}), phase="Succeeded")
    assert collect(completed) == {TITLE: "no problems found"}


def test_healthy_pods_are_not_mentioned(collect: Collect) -> None:
    found = collect(
        healthy(),
        CRASHING,
        events=(
            event("broken", "BackOff", "Back-off restarting failed container"),
            event("healthy", "Unhealthy", "Startup probe failed: it had not begun"),
        ),
    )
    assert "healthy" not in "\n".join([*found, *found.values()])
    lines = found[TITLE].splitlines()
    assert lines[0] == "Pod/broken: container c is crash-looping: Error, exit code 1"
    assert lines[1] == "Pod/broken: Pending on node"
    assert "  Ready is False: ContainersNotReady" in lines
    assert f"  container c: waiting CrashLoopBackOff: {BACK_OFF['message']}, restarts 1" in lines
    assert lines[-1] == "Pod/broken: BackOff: Back-off restarting failed container"


def test_logs_include_unhealthy_pods_previous_containers(collect: Collect) -> None:
    found = collect(healthy(), CRASHING, pod("slow", status(), phase="Running"))
    assert {title: text for title, text in found.items() if title != TITLE} == {
        "log of broken c, previous": "broken c True",
        "log of broken c": "broken c False",
        "log of slow c": "slow c False",
    }


def test_container_that_never_ran_has_no_log(collect: Collect) -> None:
    found = collect(pod("broken", status(state=waiting("ImagePullBackOff", "Back-off pulling image"))))
    assert set(found) == {TITLE}
    assert found[TITLE].startswith("Pod/broken: container c: the image a:1 can't be pulled\n")


def test_missing_or_empty_log_is_tolerated(collect: Collect) -> None:
    def read_log(*_: object, previous: bool, **__: object) -> str:
        if previous:
            raise ApiException(status=400, reason="Bad Request")
        return ""

    found = collect(CRASHING, log=read_log)
    assert found["log of broken c, previous"] == "no log: Bad Request"
    assert "log of broken c" not in found


def restarted(ago: timedelta) -> Object:
    ended = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    last = {"terminated": {**CRASHED, "finishedAt": ended}}
    return pod("back", status(state=STARTED, last=last, restarts=1, ready=True), phase="Running")


def test_recently_restarted_pod_is_shown(collect: Collect) -> None:
    found = collect(restarted(timedelta(minutes=1)))
    assert found[TITLE].splitlines()[:2] == ["no blocking cause found", "Pod/back: Running on node"]
    assert found["log of back c, previous"] == "back c True"


def test_pod_restarted_long_ago_is_healthy(collect: Collect) -> None:
    assert collect(restarted(timedelta(hours=1))) == {TITLE: "no problems found"}


def test_replica_set_failure_is_reported_without_pods(collect: Collect) -> None:
    failed_create = event("rs", "FailedCreate", "Error creating: pods forbidden", kind="ReplicaSet")
    found = collect(healthy(), replica_sets=(replica_set("x"),), events=(failed_create,))
    lines = found[TITLE].splitlines()
    assert lines[0].startswith("ReplicaSet/rs can't create its pods: violates PodSecurity")
    assert lines[1:] == ["ReplicaSet/rs: FailedCreate: Error creating: pods forbidden"]


def test_events_are_sorted_and_limited(collect: Collect) -> None:
    events = [
        {**event("broken", "BackOff", f"number {number}"), "lastTimestamp": f"2026-01-01T00:00:{number:02}Z"}
        for number in range(59, -1, -1)
    ]
    lines = collect(CRASHING, events=tuple(events))[TITLE].splitlines()
    assert lines[-diagnostics.EVENTS :] == [
        f"Pod/broken: BackOff: number {number}" for number in range(60 - diagnostics.EVENTS, 60)
    ]
    assert sum("number" in line for line in lines) == diagnostics.EVENTS


@pytest.mark.parametrize("error", [ApiException(status=403, reason="Forbidden"), MaxRetryError(Mock(), "/", None)])
def test_unreadable_namespace_is_reported(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(Objects, "list", Mock(side_effect=error))
    found = diagnostics.collect(Mock(), "n")
    assert list(found) == [TITLE]
    assert found[TITLE].startswith(f"could not be read: {type(error).__name__}: ")
