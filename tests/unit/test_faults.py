"""Faults: each is undone at exit, even if the body fails, and what can't be injected is no finding."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from acceptance.core.deadlines import NODE_DRAINED
from acceptance.core.wait import WaitError
from acceptance.experiments import faults
from acceptance.experiments.faults import FaultError, main_process, paused_container, process_environment
from acceptance.provision.run import Run
from toolchain.console import CommandError

POD = {
    "metadata": {"name": "shop-api-1"},
    "status": {"containerStatuses": [{"name": "api", "containerID": "containerd://abc"}]},
}


class FakeNode:
    """A cluster and its one node, with a container that can be paused."""

    name = "node-1"

    def __init__(self, folder: Path) -> None:
        self.run = Run("0badc0de", folder, kept=False)
        self.state = "RUNNING"

    def node_of(self, _: object) -> FakeNode:
        return self

    def main_processes(self) -> dict[str, int]:
        return {"abc": 4711}

    def exec(self, *argv: str) -> str:
        match argv:
            case ("cat", "/proc/4711/environ"):
                return "A=1\0B=x=y\0"
            case ("cat", "/proc/4711/cgroup"):
                return "0::/kubepods/abc\n"
        assert argv[-1] == "/sys/fs/cgroup/kubepods/abc/cgroup.freeze"
        self.state = "PAUSED" if argv[0] == "timeout" else "RUNNING"
        return ""


class FakeService:
    """A database or a model that notes what is done to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def behave(self, **behaviour: object) -> None:
        self.calls.append(f"behave {behaviour}" if behaviour else "behave")

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


def test_paused_container_is_resumed_even_if_the_body_fails(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)

    def pause() -> None:
        with paused_container(node, POD, "api"):  # type: ignore[arg-type]
            assert node.state == "PAUSED"
            raise RuntimeError("while paused")

    with pytest.raises(RuntimeError, match="while paused"):
        pause()
    assert node.state == "RUNNING"


def test_container_that_does_not_run_is_a_fault_error(tmp_path: Path) -> None:
    assert main_process(FakeNode(tmp_path), POD, "api") == 4711  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="container other of pod shop-api-1 does not run"):
        main_process(FakeNode(tmp_path), POD, "other")  # type: ignore[arg-type]
    assert not issubclass(FaultError, AssertionError)


def test_environment_is_that_of_the_main_process(tmp_path: Path) -> None:
    environment = process_environment(FakeNode(tmp_path), POD, "api")  # type: ignore[arg-type]
    assert environment == {"A": "1", "B": "x=y"}


@pytest.mark.parametrize(
    ("fault", "applied", "undone"),
    [
        (faults.database_stopped, "stop", ["start"]),
        (faults.database_paused, "pause", ["unpause"]),
        (faults.model_stopped, "stop", ["start", "behave"]),
        (
            lambda it: faults.model_failing(it, status=500),
            "behave {'status': 500, 'malformed': False, 'delay_seconds': 0}",
            ["behave"],
        ),
        (lambda it: faults.model_slow(it, 2), "behave {'delay_seconds': 2}", ["behave"]),
    ],
    ids=["database stopped", "database paused", "model stopped", "model failing", "model slow"],
)
def test_fault_is_undone_even_if_the_body_fails(
    fault: Callable[[Any], AbstractContextManager[float]], applied: str, undone: list[str]
) -> None:
    service = FakeService()

    def inject() -> None:
        with fault(service):
            assert service.calls == [applied]
            raise RuntimeError("during the fault")

    with pytest.raises(RuntimeError, match="during the fault"):
        inject()
    assert service.calls == [applied, *undone]


class FakeKubectl:
    """A cluster of the run's own on which a node can't be drained."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.calls: list[str] = []

    def require_capability(self, _: str) -> None:
        pass

    def kubectl(self, *argv: str) -> str:
        self.calls.append(argv[0])
        if argv[0] == "drain":
            raise CommandError(["kubectl", *argv], 1, "", self.words)
        return ""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ('error: unable to drain node "n" due to error: global timeout reached: 2m0s', WaitError),
        ("The connection to the server 127.0.0.1:1 was refused", CommandError),
    ],
    ids=["a pod stays", "no API server"],
)
def test_only_a_pod_that_stays_keeps_a_node_from_draining(words: str, error: type[Exception]) -> None:
    cluster = FakeKubectl(words)
    drained = faults.drained_node(cluster, "n", NODE_DRAINED)  # type: ignore[arg-type]
    with drained as wait_evicted, pytest.raises(error):
        wait_evicted()
    assert cluster.calls == ["drain", "uncordon"]
