"""The command that a chart's NOTES.txt prints, run as printed: a tunnel to the frontend."""

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

from acceptance.core.deadlines import REQUEST, TUNNEL_UP
from acceptance.core.wait import NotYet, eventually

COMMAND = re.compile(r"^\s*(?:\$ )?((?:kubectl|minikube)\b.*)$")
ASSIGNMENT = re.compile(r"^\s*(?:\$ )?((?:export\s+)?[A-Z_]+=.*)$")
PORTS = re.compile(r"\s(?:(\d+):\d+|(\d+))\s*$")


@dataclass(frozen=True)
class Tunnel:
    """What one types: a command, with the assignments before it that it may use, and the local port it opens."""

    command: str
    port: int


def tunnel(notes: str) -> Tunnel | None:
    """The port-forward of the notes, or None where they print none."""
    before: list[str] = []
    for line in notes.splitlines():
        if found := ASSIGNMENT.match(line):
            before.append(found[1])
        elif (found := COMMAND.match(line)) and "port-forward" in found[1]:
            ports = PORTS.search(found[1].rstrip("& "))
            if ports:
                return Tunnel("\n".join([*before, f"exec {found[1]}"]), int(ports[1] or ports[2]))
    return None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def open_tunnel(wanted: Tunnel) -> Iterator[None]:
    """Run the command in a shell, as a user would, and end it."""
    process = subprocess.Popen(
        ["sh", "-c", wanted.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answer(wanted: Tunnel, path: str) -> int:
    """The status with which the tunnel's end answers; raises `WaitError` where nothing does."""
    session = requests.Session()
    session.trust_env = False

    def probe() -> int:
        try:
            return session.get(
                f"http://127.0.0.1:{wanted.port}{path}", timeout=REQUEST.seconds, allow_redirects=False
            ).status_code
        except requests.ConnectionError as error:
            raise NotYet(str(error)) from error

    return eventually(f"an answer on port {wanted.port}, by {wanted.command!r}", probe, TUNNEL_UP)
