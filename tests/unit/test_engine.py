"""The Docker engine: without one, the error is one sentence with a fix, and nothing is installed or started."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from acceptance.core.rules import ROOT
from toolchain import __main__ as program
from toolchain import console, engine
from toolchain.console import CommandError, ToolchainError

DEAD = "unix:///nonexistent/docker.sock"
FAKE_DOCKER = """#!/bin/sh
case "$1 $2" in
  "version --format") {answer} ;;
  "buildx version") exit {no_buildx} ;;
  "--version "*) echo "Docker version {version}, build x" ;;
  "context inspect") echo '[{{"Endpoints": {{"docker": {{"Host": "{host}"}}}}}}]' ;;
esac
"""


class Machine:
    """A machine with a fake docker client; whether an engine answers is up to the client's `answer`."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = home / "bin"
        self.bin.mkdir()
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setattr(engine, "DEBIAN_FOLDER", "/nonexistent")
        monkeypatch.setattr(engine, "install", lambda: pytest.fail("the engine was installed"))
        monkeypatch.setattr(engine, "start", lambda: pytest.fail("the engine was started"))

    def write_client(
        self,
        *,
        answer: str = "exit 1",
        no_buildx: int = 0,
        version: str = "28.0.0",
        host: str = "unix:///var/run/docker.sock",
    ) -> None:
        script = self.bin / "docker"
        script.write_text(FAKE_DOCKER.format(answer=answer, no_buildx=no_buildx, version=version, host=host))
        script.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_running_engine_is_used_unchanged(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_client(answer="echo 28.0.0", host="unix:///of/the/context.sock")
    assert engine.ensure() == engine.Engine("unix:///of/the/context.sock", machine.bin / "docker", buildx=True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert engine.require().host == "tcp://127.0.0.1:1"


@pytest.mark.usefixtures("machine")
def test_missing_engine_is_reported_with_a_fix() -> None:
    with pytest.raises(ToolchainError) as raised:
        engine.require()
    assert str(raised.value) == f"no Docker engine answers at unix:///var/run/docker.sock: {engine.HINT}"


def test_dead_engine_of_docker_host_is_not_replaced(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_client()
    monkeypatch.setenv("DOCKER_HOST", DEAD)
    with pytest.raises(ToolchainError) as raised:
        engine.ensure()
    assert str(raised.value) == f"no Docker engine answers at {DEAD} (DOCKER_HOST): start it, or unset DOCKER_HOST"


def test_empty_docker_host_is_ignored(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_client()
    monkeypatch.setenv("DOCKER_HOST", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolchainError, match=r"unix:///var/run/docker\.sock: start Docker, or as root"):
        engine.ensure()


def test_dead_engine_of_a_docker_context_is_not_replaced(machine: Machine) -> None:
    machine.write_client(answer=f'[ "$DOCKER_HOST" = {engine.private_host()} ] && echo 28.0.0', host=DEAD)
    for obtain in (engine.require, engine.ensure):
        with pytest.raises(ToolchainError) as raised:
            obtain()
        assert str(raised.value) == (
            f"no Docker engine answers at {DEAD} (the Docker context in use): start it, or choose another context"
        )


def test_dead_docker_host_is_refused_beside_the_private_engine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write_client(answer=f'[ "$DOCKER_HOST" = {engine.private_host()} ] && echo 28.0.0')
    monkeypatch.setenv("DOCKER_HOST", "nonsense")
    with pytest.raises(ToolchainError, match=r"no Docker engine answers at nonsense \(DOCKER_HOST\)"):
        engine.require()


def test_unresponsive_engine_counts_as_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_client(answer="exec /bin/sleep 60")
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 0.2)
    with pytest.raises(ToolchainError, match="no Docker engine answers"):
        engine.require()


def test_private_engine_needs_root_on_debian(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_client()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolchainError, match="as root on Debian run `make e2e`"):
        engine.ensure()
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # and no apt-get is on PATH
    with pytest.raises(ToolchainError, match="as root on Debian run `make e2e`"):
        engine.ensure()


@pytest.mark.parametrize(
    ("version", "fits"), [("18.9.1", False), ("20.10.24", True), ("22.6.0", True), ("23.0.0", False)]
)
def test_client_must_support_buildkit(machine: Machine, version: str, fits: bool) -> None:
    machine.write_client(answer="echo 28.0.0", no_buildx=1, version=version)
    if fits:
        assert engine.require().buildx is False
        return
    with pytest.raises(ToolchainError, match="no docker client can build with BuildKit: install the buildx plugin"):
        engine.require()


def test_too_long_socket_path_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(ToolchainError, match=r"socket in .* is too long: set XDG_CACHE_HOME to a shorter one"):
        engine.start()


def disk_usage(gigabytes: float) -> SimpleNamespace:
    return SimpleNamespace(free=gigabytes * 1e9)


def test_full_disk_is_reported_before_the_engine_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp" if len(str(tmp_path)) > 60 else str(tmp_path))  # noqa: S108
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk_usage(7.5))
    with pytest.raises(ToolchainError) as raised:
        engine.start()
    assert str(raised.value).startswith("only 7.5 GB are free at ")
    assert str(raised.value).endswith("/engine, and 8 are needed: free some, or set XDG_CACHE_HOME to a larger disk")


def test_full_disk_of_private_engine_is_reported_before_a_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.folder().mkdir()
    machine.write_client(answer=f'[ "$DOCKER_HOST" = {engine.private_host()} ] && echo 28.0.0')
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk_usage(3.1))
    assert engine.require().host == engine.private_host()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk_usage(2.9))
    with pytest.raises(ToolchainError, match=r"only 2\.9 GB are free at .*, and 3 are needed: free some"):
        engine.require()


def test_disk_filled_by_a_command_is_reported() -> None:
    message = f"write /x: {os.strerror(errno.ENOSPC).lower()}"
    with pytest.raises(CommandError, match=r"^free some disk space: `sh -c .* exited with 1: write /x"):
        console.run(["sh", "-c", f"echo '{message}' >&2; exit 1"])


def test_unexpected_error_is_not_taken_for_a_rejected_release(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise KeyError("unexpected")

    monkeypatch.setattr(program, "main", fail)
    assert program.exit_code([]) == program.FAILED
    assert "KeyError: 'unexpected'" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-m", "toolchain"], ["-m", "toolchain", "run", "touch", "{0}/ran"]])
def test_toolchain_without_engine_exits_with_2(tmp_path: Path, argv: list[str]) -> None:
    environment = {**os.environ, "DOCKER_HOST": DEAD, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *(word.format(tmp_path) for word in argv)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"toolchain: error: no Docker engine answers at {DEAD} (DOCKER_HOST): start it, or unset DOCKER_HOST\n"
    )
    assert not (tmp_path / "ran").exists()


def test_ended_child_process_is_not_alive() -> None:
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended, but is not reaped
    assert Path(f"/proc/{ended.pid}").exists()
    assert not engine.alive(ended.pid)
    assert engine.alive(os.getpid())
