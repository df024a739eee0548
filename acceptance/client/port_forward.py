"""The `kubectl port-forward` command that NOTES.txt prints: finds it, runs it, and sends a request through it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import REQUEST, TUNNEL_UP
from acceptance.core.wait import NotYet, eventually

COMMAND = re.compile(r"^\s*(?:\$ )?((?:kubectl|minikube)\b.*)$")
ASSIGNMENT = re.compile(r"^\s*(?:\$ )?((?:export\s+)?[A-Z_]+=.*)$")
PORTS = re.compile(r"\s(?:(\d+):(?:\d+|[a-z][\w-]*|\$\{?\w+\}?)|(\d+))(?=\s|$)")
"""A local port, and a port, the name of one or a variable after it; options may follow."""
FURTHER = re.compile(r"\s+(?:#|[>|;&]).*$")
"""A comment, or what a shell does besides."""


@dataclass(frozen=True)
class PortForward:
    """A shell command in the foreground, with the assignments printed before it, and its local port."""

    command: str
    port: int


def find_port_forward(notes: str) -> PortForward | None:
    """Return the port-forward that the notes print, or None."""
    assignments: list[str] = []
    for line in notes.splitlines():
        if found := ASSIGNMENT.match(line):
            assignments.append(found[1])
        elif (found := COMMAND.match(line)) and "port-forward" in found[1]:
            foreground = FURTHER.sub("", found[1])
            if ports := PORTS.search(foreground):
                return PortForward("\n".join([*assignments, f"exec {foreground}"]), int(ports[1] or ports[2]))
    return None


def require_port_forward(notes: str) -> PortForward | None:
    """As `find_port_forward`; raises `Untested` if the notes print a command of Minikube instead."""
    found = find_port_forward(notes)
    commands = [line[1] for line in map(COMMAND.match, notes.splitlines()) if line]
    if found is None and commands and commands[0].startswith("minikube"):
        raise Untested(f"NOTES.txt prints `{commands[0]}`, which needs Minikube")
    return found


def is_free(port: int) -> bool:
    """Tell whether a local port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def run_port_forward(command: PortForward) -> Iterator[subprocess.Popen[str]]:
    """Run the command in a shell, and end it with the context.

    Raises:
        Untested: The local port is in use.
    """
    if not is_free(command.port):
        raise Untested(f"the local port {command.port} of the command in NOTES.txt is in use")
    process = subprocess.Popen(
        ["sh", "-c", command.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def request(
    command: PortForward, process: subprocess.Popen[str], path: str, *, follow_redirects: bool = False
) -> requests.Response:
    """Return the response to a GET request to the local port.

    Raises:
        AssertionError: The command ended; the message holds its output.
        WaitError: No response in time.
    """
    session = requests.Session()
    session.trust_env = False  # no HTTP proxy of the environment

    def probe() -> requests.Response:
        if process.poll() is not None:
            output = process.stdout.read().strip() if process.stdout else ""
            raise AssertionError(f"{command.command!r} ended with exit code {process.returncode}: {output}")
        try:
            return session.get(
                f"http://127.0.0.1:{command.port}{path}", timeout=REQUEST.seconds, allow_redirects=follow_redirects
            )
        except requests.ConnectionError as error:
            raise NotYet(str(error)) from error

    return eventually(f"an answer on port {command.port}, by {command.command!r}", probe, TUNNEL_UP)
