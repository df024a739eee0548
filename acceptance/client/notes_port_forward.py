"""The `kubectl port-forward` commands that NOTES.txt prints: finds them, runs them, and sends a request through one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import requests

from acceptance.checks.finding import Untested
from acceptance.checks.notes import KINDS
from acceptance.core.deadlines import REQUEST, TUNNEL_UP
from acceptance.core.target import Component, Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.port_forward import free_port
from toolchain.console import ToolchainError

COMMAND = re.compile(r"^\s*(?:\$ )?((?:kubectl|minikube)\b.*)$")
ASSIGNMENT = re.compile(r"^\s*(?:\$ )?((?:export\s+)?[A-Z_]+=.*)$")
CONTINUED = re.compile(r"\\[ \t]*\n\s*")
"""The end of a line that continues on the next one."""
PORTS = re.compile(r"\s(?:(?P<local>\d*):(?P<remote>\d+|[a-z][\w-]*|\$\{?\w+\}?)|(?P<both>\d+))(?=\s|$)")
"""A local port, or none for any, and a port, the name of one or a variable after it; options may follow."""
ADDRESS = re.compile(r"\bhttps?://[^\s\"'`<>]+")
LOOPBACK = re.compile(r"//(localhost|127\.|\[::1\]|0\.0\.0\.0)")
"""An address that no command but a port-forward leads to."""
SHELL_TAIL = re.compile(r"\s+(?:#|[>|;&]).*$")
"""A comment, a redirection, or a further command after the first one."""
NO_API_SERVER = ("Unable to connect to the server", "The connection to the server")
"""The start of what kubectl prints where the API server does not answer."""
END_SECONDS = 5
"""How long a command has to end after SIGTERM; kubectl needs less than 0.1 s."""


@dataclass(frozen=True)
class PortForward:
    """A shell command in the foreground, with the assignments printed before it, and its local port.

    `remote` is the port that it leads to, as printed.
    """

    command: str
    port: int
    remote: str

    def names(self, component: Component) -> bool:
        """Return whether it names the component's Service or Deployment."""
        named = {"Service": component.service, "Deployment": component.deployment}
        words = (word.partition("/") for word in self.command.splitlines()[-1].split())
        return any(named.get(KINDS.get(kind.lower(), "")) == name for kind, _, name in words)


def find_port_forwards(notes: str) -> list[PortForward]:
    """Return the port-forwards that the notes print."""
    found: list[PortForward] = []
    assignments: list[str] = []
    for line in CONTINUED.sub(" ", notes).splitlines():
        if assigned := ASSIGNMENT.match(line):
            assignments.append(assigned[1])
        elif (printed := COMMAND.match(line)) and "port-forward" in printed[1]:
            foreground = SHELL_TAIL.sub("", printed[1])
            if ports := PORTS.search(foreground):
                local = ports["local"] or ports["both"]
                if not local:  # kubectl itself takes any
                    local, colon = str(free_port()), ports.start("remote") - 1
                    foreground = f"{foreground[:colon]}{local}{foreground[colon:]}"
                command = "\n".join([*assignments, f"exec {foreground}"])
                found.append(PortForward(command, int(local), ports["remote"] or ports["both"]))
    return found


def frontend_port_forwards(notes: str, target: Target) -> list[PortForward]:
    """Return the port-forwards that lead to the frontend, or that may: several if nothing distinguishes them.

    Raises:
        Untested: The target names no frontend, or the notes lead there in another way: by a command of Minikube, or by
            an address, such as an Ingress's, a load balancer's or a node's.
    """
    frontend = target.components.get("frontend")
    if frontend is None:
        raise Untested("the target names no frontend")
    others = [part for part in target.components.values() if part is not frontend]
    found = find_port_forwards(notes)
    commands = [line[1] for line in map(COMMAND.match, notes.splitlines()) if line]
    if not found and commands and commands[0].startswith("minikube"):
        raise Untested(f"NOTES.txt prints `{commands[0]}`, which needs Minikube")
    if not found and (addresses := [url for url in ADDRESS.findall(notes) if not LOOPBACK.search(url)]):
        raise Untested(f"NOTES.txt leads to {addresses[0]}, and prints no kubectl port-forward to run")
    if named := [each for each in found if each.names(frontend)]:
        return named
    possible = [each for each in found if not any(each.names(part) for part in others)]
    ports = {str(port) for port in (frontend.service_port, frontend.port)}
    return [each for each in possible if each.remote in ports] or possible


def is_free(port: int) -> bool:
    """Return whether a local port can be bound."""
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
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End the command and what it started: by SIGTERM, and by SIGKILL if that is ignored."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def request(
    command: PortForward, process: subprocess.Popen[str], path: str, *, follow_redirects: bool = False
) -> requests.Response:
    """Return the response to a GET request to the local port.

    Raises:
        AssertionError: The command ended; the message holds its output.
        ToolchainError: It ended since the API server did not answer it, which says nothing about the notes.
        WaitError: No response in time.
    """
    session = requests.Session()
    session.trust_env = False  # no HTTP proxy of the environment

    def probe() -> requests.Response:
        if process.poll() is not None:
            output = process.stdout.read().strip() if process.stdout else ""
            ended = f"{command.command!r} ended with exit code {process.returncode}: {output}"
            if any(words in output for words in NO_API_SERVER):
                raise ToolchainError(ended)
            raise AssertionError(ended)
        try:
            return session.get(
                f"http://127.0.0.1:{command.port}{path}", timeout=REQUEST.seconds, allow_redirects=follow_redirects
            )
        except requests.RequestException as error:
            raise NotYet(str(error)) from error

    return eventually(f"an answer on port {command.port}, by {command.command!r}", probe, TUNNEL_UP)


def first_answer(
    commands: Sequence[PortForward],
    path: str,
    accepts: Callable[[requests.Response], bool],
    *,
    follow_redirects: bool = False,
) -> tuple[PortForward, requests.Response]:
    """Run the commands one after the other until one is answered as it should be; return it, or the last one.

    Args:
        commands: At least one command.
        path: The path of the GET request.
        accepts: Whether a response is as it should be.
        follow_redirects: Whether to return the response that redirects lead to.

    Raises:
        AssertionError: The last command ended, or there was no response in time.
        Untested: The local port of a command is in use.
    """
    *others, last = commands
    for command in others:
        with suppress(AssertionError), run_port_forward(command) as process:
            answer = request(command, process, path, follow_redirects=follow_redirects)
            if accepts(answer):
                return command, answer
    with run_port_forward(last) as process:
        return last, request(last, process, path, follow_redirects=follow_redirects)
