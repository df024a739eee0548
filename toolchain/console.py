"""What the toolchain says, and how it runs commands: an argv list, never a shell."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

PROGRESS_SECONDS = 30
"""How often something that takes long says that it still runs."""
TAIL_LINES = 15
DISK_FULL = os.strerror(errno.ENOSPC).lower()


class ToolchainError(Exception):
    """A part of the toolchain can't be had; the message is one sentence with the cure."""


class CommandError(ToolchainError):
    """A command that could not be run or did not end with 0. The message holds the last lines of what it printed."""

    def __init__(self, command: Sequence[str], code: int, stdout: str, stderr: str) -> None:
        self.command, self.code, self.stdout, self.stderr = command, code, stdout, stderr
        tail = "\n".join((stdout + stderr).strip().splitlines()[-TAIL_LINES:])
        cure = "free some disk space: " if DISK_FULL in (stdout + stderr).lower() else ""
        super().__init__(f"{cure}`{' '.join(command[:4])} …` ended with {code}: {tail}")

    @property
    def summary(self) -> str:
        """The last line that the command printed, without the tool's own `error:`."""
        lines = (self.stderr or self.stdout).strip().splitlines() or [f"exit code {self.code}"]
        return lines[-1].removeprefix("error: ").removeprefix("Error: ")


_lock = Lock()


def log(part: str, text: str) -> None:
    """One line: which part, what was decided and why."""
    with _lock:
        print(f"toolchain: {part}: {text}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def timed_step(part: str, text: str) -> Iterator[None]:
    """Say what starts, that it still runs, and how many seconds it took."""
    start = time.monotonic()
    done = Event()

    def remind() -> None:
        while not done.wait(PROGRESS_SECONDS):
            log(part, f"{text}: still running after {time.monotonic() - start:.0f} s")

    log(part, text)
    reminder = Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()
    log(part, f"{text}: done in {time.monotonic() - start:.0f} s")


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    seconds: float | None = None,
) -> str:
    """Run a command, for `seconds` at most, and return its standard output.

    Raises `CommandError`. Secrets go to `stdin` or a file, never into `argv`, which is told when it fails.
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except OSError as error:
        raise CommandError(command, 127, "", f"{error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(command, -signal.SIGKILL, "", f"no end within {seconds:g} s") from error
    if done.returncode:
        raise CommandError(command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, seconds: float | None = None) -> bool:
    """Whether a command can be run and ends with 0, within `seconds`."""
    try:
        run(argv, env=env, seconds=seconds)
    except ToolchainError:
        return False
    return True
