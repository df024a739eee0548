"""Helm's own commands in processes that stay, which takes a quarter of the time of starting Helm for each."""

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
"""What it is asked for: the commands that render. Others load charts or repositories, and are seldom run."""
REQUESTS = 100
"""How many one process answers: Helm's library keeps something of each command, so later ones would take longer."""
PROCESSES = max(2, os.cpu_count() or 2)
# Garbage is collected at a limit alone, which takes least time: a rendering makes about 8 MB of it.
SETTINGS = {"KUBECONFIG": os.devnull, "GOGC": "off", "GOMEMLIMIT": "128MiB", "GOMAXPROCS": "1"}


class EndedError(Exception):
    """A process ended without an answer, such as by a panic of Helm."""


class _Process:
    """One process of the program."""

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
        """Return exit code, standard output and error of a request, or None after so many seconds."""
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
    """Some processes of the program, which threads share. A process that was forked starts programs of its own."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._idle: list[_Process] = []
        self._owner = os.getpid()
        self._lock = Lock()
        self._places = Semaphore(PROCESSES)

    def run(self, helm: Path, arguments: tuple[str, ...], stdin: str, seconds: float) -> str:
        """Return what Helm printed.

        Args:
            helm: The binary that an error names.
            arguments: Its arguments.
            stdin: Text for its standard input.
            seconds: The time after which it is killed.

        Raises:
            CommandError: As of `toolchain.console.run`.
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
    """Return this process's server for a Helm, or None where each command starts that Helm."""
    program = helm_server.find(helm)
    if program is None:
        return None
    server = HelmServer(program)
    atexit.register(server.close)
    return server
