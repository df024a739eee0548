"""Where the command says where the server listens, probes are judged by that, and POD-16 alone says what differs."""

from __future__ import annotations

from typing import Any

from acceptance import checks
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target


def findings(target: Target, declared: int, probed: int | str) -> list[tuple[str, str, str]]:
    """The findings on a backend whose command listens on 8000, of a target proposed from the port that it declares."""
    probe = {"httpGet": {"path": "/health", "port": probed}}
    container: dict[str, Any] = {
        "name": "backend",
        "image": "todo-backend:1",
        "command": ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"],  # noqa: S104
        "ports": [{"name": "http", "containerPort": declared}],
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
    backend = target.component("backend").model_copy(update={"port": declared, "container": "backend"})
    stated = target.model_copy(update={"components": {"backend": backend}})
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": backend.deployment},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    chosen = [each for each in checks.for_level("static") if each.id in ("POD-08-backend", "POD-16-backend")]
    found = checks.run_checks(Snapshot("static", (deployment,)), stated, chosen).findings
    return [(each.rule, each.field.rpartition(".")[2], each.expected) for each in found]


def test_port_declared_otherwise_is_told_once(target: Target) -> None:
    told = [("POD-16", "command", "a server that listens on 8001")]
    assert findings(target, 8001, 8000) == told
    assert findings(target, 8001, "http") == told


def test_probe_of_a_port_that_nothing_has(target: Target) -> None:
    for_reader = ("POD-08", "port", "a port that the container listens on (8000)")
    assert findings(target, 8000, 9000) == [for_reader, for_reader]
    assert findings(target, 8001, 9000) == [
        for_reader,
        for_reader,
        ("POD-16", "command", "a server that listens on 8001"),
    ]
