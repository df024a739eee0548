"""The toolchain's log lines, and running commands: always an argv list, never a shell."""

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
"""How often a long step logs that it is still running."""
TAIL_LINES = 15
DISK_FULL = os.strerror(errno.ENOSPC).lower()


class ToolchainError(Exception):
    """A part of the toolchain is unavailable; the message is one sentence that says how to fix it."""


class CommandError(ToolchainError):
    """A command could not be run or exited with another code than 0; the message has its last lines of output."""

    def __init__(self, command: Sequence[str], code: int, stdout: str, stderr: str) -> None:
        self.command, self.code, self.stdout, self.stderr = command, code, stdout, stderr
        tail = "\n".join((stdout + stderr).strip().splitlines()[-TAIL_LINES:])
        hint = "free some disk space: " if DISK_FULL in (stdout + stderr).lower() else ""
        super().__init__(f"{hint}`{' '.join(command[:4])} …` exited with {code}: {tail}")

    @classmethod
    def of_killed(cls, command: Sequence[str], seconds: float) -> CommandError:
        """Return the error of a command that was killed after some seconds."""
        return cls(command, -signal.SIGKILL, "", f"killed after {seconds:g} s")

    @property
    def summary(self) -> str:
        """The last line of the command's output, without the prefix `error:`."""
        lines = (self.stderr or self.stdout).strip().splitlines() or [f"exit code {self.code}"]
        return lines[-1].removeprefix("error: ").removeprefix("Error: ")


_lock = Lock()


def log(part: str, text: str) -> None:
    """Print one line to stderr: which part, what was decided and why."""
    with _lock:
        print(f"toolchain: {part}: {text}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def timed_step(part: str, text: str) -> Iterator[None]:
    """Log that a step starts, every 30 s that it is still running, and how many seconds it took."""
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
    """Run a command and return its standard output.

    Secrets go to `stdin` or a file, never into `argv`, which the error message quotes.

    Args:
        argv: The command and its arguments.
        env: Its environment; this process's by default.
        cwd: Its working directory.
        stdin: Text for its standard input.
        seconds: The time after which it is killed.

    Raises:
        CommandError: It could not be run, exited with another code than 0, or was killed after `seconds`.
    """
    command = [str(word) for word in argv]
    try:
        completed = subprocess.run(
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
        raise CommandError.of_killed(command, seconds or 0) from error
    if completed.returncode:
        raise CommandError(command, completed.returncode, completed.stdout, completed.stderr)
    return completed.stdout


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, seconds: float | None = None) -> bool:
    """Whether a command can be run and exits with 0 within `seconds`."""
    try:
        run(argv, env=env, seconds=seconds)
    except ToolchainError:
        return False
    return True
