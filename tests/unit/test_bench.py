"""The benchmark of the setup: its limit, and the test that it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acceptance.cli import bench
from acceptance.cli.bench import FACTOR, TRIVIAL_TEST, CommandTimes
from acceptance.core.rules import ROOT
from acceptance.provision import lifecycle
from acceptance.provision.run import Run
from tests.unit.user_cluster import Machine


def test_limit_is_the_longer_of_cluster_and_builds_with_overhead() -> None:
    assert CommandTimes(cluster=20, builds={"backend": 4, "frontend": 8}, load=3, install=10).bound == FACTOR * 20 + 13
    assert CommandTimes(cluster=10, builds={"backend": 4, "frontend": 8}, load=3, install=10).bound == FACTOR * 12 + 13


def test_the_trivial_test_exists() -> None:
    path, _, name = TRIVIAL_TEST.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_run_is_removed_after_sigterm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    removed: list[str] = []

    @contextmanager
    def acquire(*_: object, **__: object) -> Iterator[Run]:
        run = Run("0badc0de", tmp_path, kept=False)
        try:
            yield run
        finally:
            removed.append(run.id)

    monkeypatch.setattr(lifecycle, "acquire_run", acquire)
    with pytest.raises(KeyboardInterrupt), bench.open_provisioner(Machine(tmp_path).toolchain):
        os.kill(os.getpid(), signal.SIGTERM)
    assert removed == ["0badc0de"]
