"""A pod's next container is paused by its node as soon as it runs the application, and resumed at the end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from acceptance.core.deadlines import Deadline
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.cgroups import pause_next_command

SOON = Deadline("the command acts", 10, "milliseconds here")


@contextmanager
def running(*argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A process of this command, which is killed at the end."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def start_container(folder: Path, name: str, file: str, pid: int) -> Path:
    """Make the control group of a container with one process, at once; its file that pauses it."""
    made_elsewhere = folder.with_name(f"{folder.name}-{name}")
    made_elsewhere.mkdir()
    (made_elsewhere / file).write_text("as made\n", "utf-8")
    (made_elsewhere / "cgroup.procs").write_text(f"{pid}\n", "utf-8")
    made_elsewhere.rename(folder / name)
    return folder / name / file


def require_text(path: Path, expected: str) -> None:
    if (found := path.read_text("utf-8").strip()) != expected:
        raise NotYet(f"{path.name} has {found!r}")


@pytest.mark.parametrize(
    ("file", "paused", "resumed"), [("freezer.state", "FROZEN", "THAWED"), ("cgroup.freeze", "1", "0")]
)
def test_next_container_is_paused_and_resumed(tmp_path: Path, file: str, paused: str, resumed: str) -> None:
    with running("sleep", "60") as application:
        earlier = start_container(tmp_path, "earlier", file, application.pid)
        with running(*pause_next_command(str(earlier), 30)) as command:
            assert command.stdout is not None
            assert command.stdout.readline() == "watching\n"
            freezer = start_container(tmp_path, "later", file, application.pid)
            assert command.stdout.readline() == "paused\n"
            require_text(freezer, paused)
            command.terminate()
            eventually("the container to be resumed", partial(require_text, freezer, resumed), SOON)
        require_text(earlier, "as made")


def test_container_is_not_paused_while_the_runtime_makes_it(tmp_path: Path) -> None:
    runtime = tmp_path / "runc"
    shutil.copy(shutil.which("sleep") or "", runtime)
    pods = tmp_path / "pod"
    pods.mkdir()
    with running("sleep", "60") as application, running(runtime, "60") as init:
        with running(*pause_next_command(str(pods / "earlier" / "cgroup.freeze"), 0.5)) as command:
            freezer = start_container(pods, "later", "cgroup.freeze", init.pid)
            assert command.stdout is not None
            assert command.stdout.read() == "watching\n"
            require_text(freezer, "as made")
        with running(*pause_next_command(str(pods / "earlier" / "cgroup.freeze"), 30)) as command:
            assert command.stdout is not None
            command.stdout.readline()
            (pods / "later").rename(tmp_path / "hidden")
            (tmp_path / "hidden" / "cgroup.procs").write_text(f"{application.pid}\n", "utf-8")
            (tmp_path / "hidden").rename(pods / "made")
            assert command.stdout.readline() == "paused\n"
