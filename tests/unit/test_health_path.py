"""The health path: the target's, else the chart's; and an image that is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance import checks
from acceptance.checks.finding import Untested
from acceptance.checks.health import health_path
from acceptance.checks.snapshot import ImageRun, ImageState, Snapshot
from acceptance.client import pods
from acceptance.core.target import Component, Probes, Target, load
from acceptance.kube.client import Listing
from acceptance.provision.release import Release

TCP = {"tcpSocket": {"port": 8000}}


def component(**paths: str) -> Component:
    return load().component("backend").model_copy(update={"probes": Probes(**paths)})


def get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": 8000}}


@pytest.mark.parametrize(
    ("stated", "container", "first", "expected"),
    [
        ({}, {"livenessProbe": get("/health")}, "liveness", "/health"),
        ({}, {"livenessProbe": TCP, "readinessProbe": get("/api/ready")}, "liveness", "/api/ready"),
        ({"readiness": "/r"}, {"livenessProbe": TCP, "readinessProbe": get("/api/ready")}, "liveness", "/r"),
        ({"liveness": "/l", "readiness": "/r"}, {"livenessProbe": get("/slip")}, "liveness", "/l"),
        ({"liveness": "/l", "readiness": "/r"}, {}, "readiness", "/r"),
    ],
    ids=["the chart's", "the chart's readiness", "the only one stated", "stated", "another first"],
)
def test_health_path_is_the_targets_or_the_charts(
    stated: dict[str, str], container: dict[str, Any], first: str, expected: str
) -> None:
    assert health_path(component(**stated), container, first) == expected


@pytest.mark.parametrize("container", [{}, {"livenessProbe": TCP}, {"livenessProbe": {"exec": {"command": ["true"]}}}])
def test_without_a_path_nothing_can_be_asked(container: dict[str, Any]) -> None:
    with pytest.raises(Untested, match="asks for a path"):
        health_path(component(), container)


class FakeObjects:
    """A release's Deployments; None for containers without a cluster."""

    def __init__(self, deployment: dict[str, Any] | None) -> None:
        self._deployment = deployment

    def list(self, kind: str) -> Listing:
        if self._deployment is None:
            raise Untested(f"there is no {kind} without a cluster")
        return Listing("1", (self._deployment,))


def test_path_of_a_release_is_its_containers() -> None:
    target = load()
    part = target.component("backend")
    containers = [
        {"name": "proxy", "livenessProbe": get("/proxy")},
        {"name": part.container, "livenessProbe": TCP, "readinessProbe": get("/ready")},
    ]
    deployment = {"metadata": {"name": part.deployment}, "spec": {"template": {"spec": {"containers": containers}}}}
    assert pods.health_path(release(target, deployment), "backend") == "/ready"
    assert pods.health_path(release(target, None), "backend") == "/health"


def release(target: Target, deployment: dict[str, Any] | None) -> Release:
    return Release(target, None, None, FakeObjects(deployment), {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "run", "reason"),
    [
        ("IMG-09-backend", ImageRun(404, health_path="", term_seconds=1.0, exit_code=0), "the target states none"),
        ("IMG-10-backend", ImageRun(None, "Traceback"), "ended by itself, before SIGTERM"),
    ],
)
def test_image_that_shows_nothing_is_untested(rule: str, run: ImageRun, reason: str) -> None:
    state = ImageState("todo-backend:1", {}, "sha256:a", "sha256:a", (), (), run=run)
    found = checks.run_checks(Snapshot("image", images={"backend": state}), load())
    assert reason in found.untested[rule]
    assert not [
        each for each in found.findings if each.rule == rule.removesuffix("-backend") and "Env" not in each.field
    ]
