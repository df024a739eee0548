"""What a run makes in the background: made once, timed by itself, and not waited for when the run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from acceptance.core.target import load
from acceptance.kube.client import Listing
from acceptance.kube.helm import RefusedReleaseError
from acceptance.provision import run as runs
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release, upgrade_or_replace
from tests.unit.user_cluster import Machine
from toolchain.console import ToolchainError


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


class FakeHelm:
    """Helm that refuses the first upgrades."""

    def __init__(self, refusals: int, *, stays: bool = False) -> None:
        self.calls: list[str] = []
        self._refusals = refusals
        self._stays = stays

    def upgrade(self, *_: object) -> None:
        self.calls.append("upgrade")
        if self._refusals >= self.calls.count("upgrade"):
            raise RefusedReleaseError(["helm", "upgrade"], 1, "", "spec.selector: field is immutable")

    def uninstall(self) -> None:
        self.calls.append("uninstall")
        if self._stays:
            raise RefusedReleaseError(["helm", "uninstall"], 1, "", "context deadline exceeded")


@pytest.mark.parametrize(
    ("kept", "refusals", "calls"),
    [
        (True, 0, ["upgrade"]),
        (True, 1, ["upgrade", "uninstall", "upgrade"]),
        (True, 2, ["upgrade", "uninstall", "upgrade"]),
        (False, 1, ["upgrade"]),
    ],
)
def test_kept_release_of_another_chart_is_replaced(kept: bool, refusals: int, calls: list[str]) -> None:
    helm = FakeHelm(refusals)
    release = Release(load(), None, helm, None, {})  # type: ignore[arg-type]
    refused = refusals > (1 if kept else 0)
    with pytest.raises(RefusedReleaseError) if refused else nullcontext():
        upgrade_or_replace(release, kept=kept)
    assert helm.calls == calls


def test_kept_release_that_stays_is_no_refused_installation() -> None:
    release = Release(load(), None, FakeHelm(1, stays=True), None, {})  # type: ignore[arg-type]
    with pytest.raises(ToolchainError, match="a kept run has left can't be removed") as raised:
        upgrade_or_replace(release, kept=True)
    assert not isinstance(raised.value, RefusedReleaseError)
