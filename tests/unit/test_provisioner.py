"""What a run makes in the background: made once, timed by itself, and not waited for when the run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from acceptance.core.target import load
from acceptance.kube.client import Listing
from acceptance.provision import run as runs
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from tests.unit.user_cluster import Machine


class NoObjects:
    """A cluster in which a release's objects never appear."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def list(self, _: str) -> Listing:
        self.asked.set()
        return Listing("1", ())


@pytest.fixture
def objects() -> NoObjects:
    return NoObjects()


@pytest.fixture
def made(tmp_path: Path, objects: NoObjects, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provisioner]:
    release = Release(load(), None, None, objects, {})  # type: ignore[arg-type]
    monkeypatch.setattr(Provisioner, "_install_release", lambda _: release)
    run = runs.Run("0badc0de", tmp_path, kept=False)
    made = Provisioner(Machine(tmp_path).toolchain, run, release.target, lambda _: None)
    yield made
    made.close()


def test_closing_run_waits_for_no_pod(made: Provisioner, objects: NoObjects) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(made.ready)
        assert objects.asked.wait(10)
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 10
        with pytest.raises(CancelledError, match="the run ends"):
            waiting.result()


def test_the_moment_of_readiness_is_kept(made: Provisioner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Release, "wait_ready", lambda *_: None)
    before = time.monotonic()
    since = made.ready()
    assert before <= since <= time.monotonic()
    assert made.ready() == since
