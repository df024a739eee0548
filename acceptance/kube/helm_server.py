"""Runs Helm's own commands in long-lived processes, in a quarter of the time that starting Helm for each would take."""

from __future__ import annotations

import atexit
import base64
import json
import os
import select
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock, Semaphore

from toolchain import helm_server
from toolchain.console import CommandError

COMMANDS = ("template", "lint", "install")
"""The commands that it runs: those that render a chart. The others are seldom needed."""
REQUESTS = 100
"""How many commands one process runs: Helm's library keeps data of each, so later ones take longer."""
PROCESSES = max(2, os.cpu_count() or 2)
"""The most processes at once: rendering is bound by the CPU. With two, one slow command does not hold up all others."""
# The garbage collector runs only at the memory limit, which takes least time: a rendering leaves about 8 MB of garbage.
SETTINGS = {"KUBECONFIG": os.devnull, "GOGC": "off", "GOMEMLIMIT": "128MiB", "GOMAXPROCS": "1"}


class EndedError(Exception):
    """A process ended without an answer, such as by a panic of Helm."""


class _Process:
    """One process of the program, which answers one request at a time."""

    def __init__(self, program: Path) -> None:
        self.answered = 0
        self._process = subprocess.Popen(
            [program],
            env={**os.environ, **SETTINGS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def answer(self, request: bytes, seconds: float) -> tuple[int, str, str] | None:
        """Return exit code, standard output and standard error of a request; None if there is no answer in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except OSError as error:
            raise EndedError from error
        waiting = select.poll()
        waiting.register(self._process.stdout, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            return None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EndedError
        self.answered += 1
        answer = json.loads(line)
        return answer["code"], _text(answer["stdout"]), _text(answer["stderr"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was not written
                stream.close()


def _text(encoded: str | None) -> str:
    """Return a text as `subprocess` reads it."""
    text = base64.b64decode(encoded or "").decode(errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


class HelmServer:
    """A pool of processes that threads share; a fork of this process starts a pool of its own."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._idle: list[_Process] = []
        self._owner = os.getpid()
        self._lock = Lock()
        self._places = Semaphore(PROCESSES)

    def run(self, helm: Path, arguments: tuple[str, ...], stdin: str, seconds: float) -> str:
        """Run a command of Helm and return what it printed.

        Args:
            helm: The binary that a message of an error names.
            arguments: The command's arguments.
            stdin: Text for its standard input.
            seconds: The time after which the process is killed.

        Raises:
            CommandError: The command failed or was killed, as for `toolchain.console.run`.
            EndedError: The process ended without an answer.
        """
        command = [str(helm), *arguments]
        request = json.dumps({"arguments": arguments, "stdin": stdin, "folder": str(Path.cwd())}).encode() + b"\n"
        with self._places:
            process = self._take()
            try:
                answer = process.answer(request, seconds)
            except BaseException:
                process.close()
                raise
            if answer is None or process.answered >= REQUESTS:
                process.close()
            else:
                with self._lock:
                    self._idle.append(process)
        if answer is None:
            raise CommandError.of_killed(command, seconds)
        code, stdout, stderr = answer
        if code:
            raise CommandError(command, code, stdout, stderr)
        return stdout

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        if self._owner == os.getpid():
            for process in idle:
                process.close()

    def _take(self) -> _Process:
        with self._lock:
            if self._owner != os.getpid():
                self._owner, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
        return _Process(self._program)


@cache
def shared(helm: Path) -> HelmServer | None:
    """Return the pool that replaces a Helm in this process; None where each command has to start that Helm."""
    program = helm_server.find(helm)
    if program is None:
        return None
    server = HelmServer(program)
    atexit.register(server.close)
    return server
