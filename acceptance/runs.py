"""The run's identity, and the sweep of what dead runs left.

Everything a run makes bears its id: containers, networks, image tags, objects, files. A run holds a lock for as long
as it lives, so whoever can take the lock of a recorded run knows that its owner is dead.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from acceptance.rules import ROOT
from toolchain import Toolchain, cache
from toolchain.console import CommandError, run, say

LABEL = "todo-chatbot-acceptance.run"
"""Label of every container, network and object that a run makes; its value is the run's id."""


@dataclass(frozen=True)
class Run:
    """One run: `id` of 8 hexadecimal digits; `folder` holds its files; `kept` is true for one that outlives pytest."""

    id: str
    folder: Path
    kept: bool
    reused: bool = False
    """Whether a kept run goes on: its cluster and database may be there already."""

    @property
    def cluster_name(self) -> str:
        return f"pytest-todo-{self.id}"

    @property
    def network(self) -> str:
        return f"todo-{self.id}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def namespace(self) -> str:
        """The suite's own namespace in the cluster."""
        return f"acceptance-{self.id}"


def folder() -> Path:
    path = cache.directory() / "runs"
    path.mkdir(exist_ok=True)
    return path


def take(path: Path) -> TextIO | None:
    """The lock of the run at `path`, or None while its owner lives, or where it has just been removed."""
    try:
        handle = (path / "lock").open("a", encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def record(path: Path) -> dict[str, object]:
    """What the run at `path` says of itself; nothing where it was killed before it could."""
    try:
        loaded: dict[str, object] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded


@contextmanager
def current(toolchain: Toolchain, *, keep: bool) -> Iterator[Run]:
    """This process's run: a kept one of this checkout that nobody uses, if `keep`, else a new one.

    At the end all of it is removed, unless it is kept.
    """
    sweep(toolchain)
    with cache.lock("runs"):
        run_, lock = (kept_run() if keep else None) or new_run(keep=keep)
    with lock:
        try:
            yield run_
        finally:
            if not keep:
                with uninterrupted():
                    remove(toolchain, run_)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C is not heard: neither here nor by the commands that are run, which inherit it."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def new_run(*, keep: bool) -> tuple[Run, TextIO]:
    identifier = secrets.token_hex(4)
    path = folder() / identifier
    path.mkdir(mode=0o700)
    lock = take(path)
    if lock is None:
        raise RuntimeError(f"the lock of the new run {identifier} is taken")
    (path / "run.json").write_text(json.dumps({"kept": keep, "checkout": str(ROOT)}), encoding="utf-8")
    return Run(identifier, path, keep), lock


def kept_run() -> tuple[Run, TextIO] | None:
    for path in sorted(folder().iterdir()):
        content = record(path)
        if content.get("kept") and content.get("checkout") == str(ROOT) and (lock := take(path)) is not None:
            return Run(path.name, path, kept=True, reused=True), lock
    return None


@contextmanager
def shared(toolchain: Toolchain) -> Iterator[None]:
    """One kept run for several pytest processes, one after the other: removed at the end if it was made meanwhile."""
    before = {path.name for path in folder().iterdir()}
    try:
        yield
    finally:
        if (found := kept_run()) is not None:
            run_, lock = found
            with lock, uninterrupted():
                if run_.id not in before:
                    remove(toolchain, run_)


def sweep(toolchain: Toolchain, *, kept: bool = False) -> None:
    """Remove what runs have left whose owners are dead; with `kept` also what was kept, in any checkout."""
    with cache.lock("runs"):  # a run that is being made has no lock yet
        paths = [path for path in sorted(folder().iterdir()) if kept or not record(path).get("kept")]
        dead = [(path, lock) for path in paths if (lock := take(path)) is not None]
    for path, lock in dead:
        with lock:
            say("sweep", f"what run {path.name} left is removed")
            remove(toolchain, Run(path.name, path, kept=False))


def remove(toolchain: Toolchain, run_: Run) -> None:
    """Remove every container, network, image tag and file of one run, by its id; each step even if another fails."""
    engine = toolchain.engine
    failures = []

    def step(*argv: str) -> list[str]:
        try:
            return engine.docker(*argv).split()
        except CommandError as error:
            failures.append(str(error))
            return []

    try:
        run(
            [toolchain.kind, "delete", "cluster", "--name", run_.cluster_name, "--kubeconfig", run_.kubeconfig],
            env=engine.environment,
        )
    except CommandError as error:
        failures.append(str(error))
    for container in step("ps", "--all", "--quiet", "--filter", f"label={LABEL}={run_.id}"):
        step("rm", "--force", "--volumes", container)
    for network in step("network", "ls", "--quiet", "--filter", f"label={LABEL}={run_.id}"):
        step("network", "rm", network)
    for image in step("images", "--format", "{{.Repository}}:{{.Tag}}"):
        if image.endswith(f"-{run_.id}"):  # docker's own filter has no pattern for a repository with slashes
            step("image", "rm", image)
    if failures:
        say("sweep", f"run {run_.id}: {failures[0]}; the next run tries again")
        return
    shutil.rmtree(run_.folder, ignore_errors=True)
