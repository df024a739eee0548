"""Runs: leftovers of dead ones are removed by their id; running and kept ones are not touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT
from acceptance.provision import lifecycle
from acceptance.provision import run as runs
from acceptance.provision.run import Context, Run
from toolchain import Toolchain
from toolchain.engine import Engine

FAKE = """#!/bin/sh
echo "$(basename $0) $*" >> {log}
case "$(basename $0) $1 $2" in
  "docker ps --all") echo c1; echo c2 ;;
  "docker network ls") echo n1 ;;
  "docker images --format") echo mine:abc-{id}; echo ghcr.io/a/mine:abc-{id}; echo theirs:{id}; echo mine:abc-{id}0 ;;
esac
{more}
"""
LIVE_OWNER = """
import sys
from acceptance.provision import lifecycle
run, lock = lifecycle.new_run(keep=sys.argv[1] == "kept")
print(run.id, flush=True)
sys.stdin.read()
"""


class Machine:
    """Fake docker and kind that write down their argv."""

    def __init__(self, home: Path) -> None:
        self.bin = home / "bin"
        self.bin.mkdir()
        self.log = home / "log"
        self.replace("none")
        path = Path("/nonexistent")
        engine = Engine("unix:///nonexistent", self.bin / "docker", buildx=True)
        names = (path, path, "", "", "", "", "", path)
        self.toolchain = Toolchain(engine, self.bin / "kind", *names)

    def replace(self, identifier: str, *, more: str = "") -> None:
        """What the engine says is there: containers, a network, and images of this run and of others."""
        for name in ("docker", "kind"):
            script = self.bin / name
            script.write_text(FAKE.format(log=self.log, id=identifier, more=more))
            script.chmod(0o755)

    def changes(self) -> list[str]:
        """The commands that change something, in their order, kind's first: its cluster is deleted beside the rest."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        changing = [line for line in lines if line.split()[1] in ("rm", "delete") or line.split()[2] == "rm"]
        return sorted(changing, key=lambda line: not line.startswith("kind"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Machine(tmp_path)


@contextmanager
def owner(kind: str = "new") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Another process with a run of its own; killed at the end."""
    argv = [sys.executable, "-c", LIVE_OWNER, kind]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def removal(identifier: str) -> list[str]:
    kubeconfig = runs.runs_folder() / identifier / "kubeconfig"
    return [
        f"kind delete cluster --name pytest-todo-{identifier} --kubeconfig {kubeconfig}",
        "docker rm --force --volumes c1 c2",
        f"docker image rm mine:abc-{identifier} ghcr.io/a/mine:abc-{identifier}",
        "docker network rm n1",
    ]


def test_run_removes_only_what_it_made(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
        assert machine.changes() == []
        own_cluster = {"provider": "kind", "nodes": 1, "node_image": ""}
        recorded = {"kept": False, "checkout": str(ROOT), "own_cluster": own_cluster}
        assert json.loads((run.folder / "run.json").read_text()) == recorded
        machine.replace(run.id)
    assert machine.changes() == removal(run.id)
    assert f"docker ps --all --quiet --filter label={runs.LABEL}={run.id}" in machine.log.read_text()
    assert not run.folder.exists()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_run_removes_what_it_made(machine: Machine, interruption: type[BaseException]) -> None:
    def fail() -> None:
        with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
            machine.replace(run.id)
            made.append(run)
            raise interruption

    made: list[Run] = []
    with pytest.raises(interruption):
        fail()
    assert machine.changes() == removal(made[0].id)
    assert not made[0].folder.exists()


def test_second_interrupt_does_not_stop_removal(machine: Machine) -> None:
    before = signal.getsignal(signal.SIGINT)
    with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
        machine.replace(run.id, more="kill -INT $PPID; kill -INT $$; kill -TERM $PPID")
    assert machine.changes() == removal(run.id)
    assert not run.folder.exists()
    assert signal.getsignal(signal.SIGINT) == before


def test_sweep_removes_only_runs_of_dead_processes(machine: Machine) -> None:
    with owner() as (identifier, process):
        machine.replace(identifier)
        lifecycle.sweep(machine.toolchain)
        lifecycle.sweep(machine.toolchain, kept=True)
        assert machine.changes() == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        lifecycle.sweep(machine.toolchain)
        assert machine.changes() == removal(identifier)
        assert not (runs.runs_folder() / identifier).exists()


def test_kept_run_is_removed_only_on_request(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=True) as run:
        machine.replace(run.id)
    lifecycle.sweep(machine.toolchain)
    assert machine.changes() == []
    assert run.folder.exists()
    lifecycle.sweep(machine.toolchain, kept=True)
    assert machine.changes() == removal(run.id)
    assert not run.folder.exists()


def test_kept_run_is_reused_by_its_checkout_only(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=True) as first:
        assert not first.reused
        with lifecycle.acquire_run(machine.toolchain, keep=True) as beside:
            assert beside.id != first.id
            assert not beside.reused
    with lifecycle.acquire_run(machine.toolchain, keep=True) as again:
        assert again.reused
        assert again.id in (first.id, beside.id)
        with lifecycle.acquire_run(machine.toolchain, keep=False) as own:
            assert own.id not in (first.id, beside.id)
    monkeypatch.setattr(lifecycle, "ROOT", Path("/another/checkout"))
    with lifecycle.acquire_run(machine.toolchain, keep=True) as other:
        assert other.id not in (first.id, beside.id)


@pytest.mark.parametrize(
    ("kept", "context", "outlived"),
    [(False, None, False), (True, None, True), (False, Context("mine", ""), True)],
    ids=["removed", "kept", "existing"],
)
def test_cluster_outlives_a_run_that_keeps_or_was_given_it(
    tmp_path: Path, *, kept: bool, context: Context | None, outlived: bool
) -> None:
    assert Run("0badc0de", tmp_path, kept, context=context).outlived == outlived


def test_run_without_a_record_is_removed(machine: Machine) -> None:
    path = runs.runs_folder() / "0badc0de"
    path.mkdir()
    lifecycle.sweep(machine.toolchain)
    assert not path.exists()


def test_network_is_removed_after_the_cluster_on_it(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
        slow = 'case "$(basename $0) $1" in "kind delete") sleep 1; echo "kind deleted" >> {log} ;; esac'
        machine.replace(run.id, more=slow.format(log=machine.log))
    lines = machine.log.read_text().splitlines()
    assert lines.index("docker rm --force --volumes c1 c2") < lines.index("kind deleted")
    assert lines.index("kind deleted") < lines.index("docker network rm n1")


def test_failed_removal_is_reported_and_retried(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
        machine.replace(run.id, more='[ "$1" != rm ] || { echo it is busy >&2; exit 1; }')
    assert machine.changes() == removal(run.id)
    assert run.folder.exists()
    assert "it is busy; the next run tries again" in capsys.readouterr().err
    machine.log.unlink()
    machine.replace(run.id)
    lifecycle.sweep(machine.toolchain)
    assert machine.changes() == removal(run.id)
    assert not run.folder.exists()


def test_concurrent_runs_share_no_name(machine: Machine) -> None:
    with (
        lifecycle.acquire_run(machine.toolchain, keep=False) as one,
        lifecycle.acquire_run(machine.toolchain, keep=False) as other,
    ):
        for name in ("id", "folder", "cluster_name", "network", "kubeconfig", "namespace"):
            assert getattr(one, name) != getattr(other, name)
        assert one.folder.exists()


def test_run_being_created_is_not_swept(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its folder and its lock."""
    take = runs.try_lock
    swept = []

    def sweep_first(path: Path) -> object:
        monkeypatch.setattr(lifecycle, "try_lock", take)
        script = "from acceptance.provision import lifecycle; print('ready', flush=True); lifecycle.sweep(None)"
        sweeper = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert sweeper.stdout is not None
        assert sweeper.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            sweeper.wait(1.5)
        swept.append(sweeper)
        return take(path)

    monkeypatch.setattr(lifecycle, "try_lock", sweep_first)
    with lifecycle.acquire_run(machine.toolchain, keep=False) as run:
        assert swept[0].wait(60) == 0
        assert run.folder.exists()


@pytest.mark.parametrize("there", [False, True])
def test_reused_run_is_removed_unless_kept_before(machine: Machine, *, there: bool) -> None:
    if there:
        lifecycle.new_run(keep=True)[1].close()
    with lifecycle.reuse_run(machine.toolchain):
        taken = lifecycle.kept_run() or lifecycle.new_run(keep=True)
        taken[1].close()
    assert taken[0].folder.exists() is there
