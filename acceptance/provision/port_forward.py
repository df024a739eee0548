"""A port-forward to the gateway's pod that reconnects, for a machine that reaches no node of the cluster."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

from acceptance.provision.docker import LOOPBACK

PAUSE_SECONDS = 0.2
"""Seconds between a port-forward and the next, so that one that can't start does not occupy a core."""
UNTIL_INPUT_ENDS = r"""
exec 3<&0
"$@" &
child=$!
(while read -r _; do :; done <&3; kill "$child") &
watch=$!
wait "$child"
kill "$watch"
"""
"""Runs a command until it ends or its own standard input does, which a killed run's does too."""


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def forwarded_port(kubectl: Sequence[str | Path], pod: str, port: int) -> Iterator[int]:
    """Yield a port on loopback from which connections are forwarded to a pod's port until exit.

    Args:
        kubectl: kubectl with the options that name the cluster and the namespace.
        pod: The pod's name.
        port: The pod's port.
    """
    local = free_port()
    command = [*kubectl, "port-forward", f"pod/{pod}", f"{local}:{port}", "--address", LOOPBACK]
    forward = _PortForward(command)
    thread = Thread(target=forward.run, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        forward.stop()
        thread.join()


class _PortForward:
    """Runs the command again whenever it ends, as it does when the connection to the pod is lost."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._command = command
        self._stopped = Event()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Forward until `stop` is called."""
        while True:
            with self._lock:
                if self._stopped.is_set():
                    return
                # In a session of its own, so that Ctrl-C does not reach it: it is ended here.
                self._process = subprocess.Popen(
                    ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *self._command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._process.wait()
            self._close_input()
            self._stopped.wait(PAUSE_SECONDS)

    def stop(self) -> None:
        """End the command; it is not run again."""
        with self._lock:
            self._stopped.set()
            self._close_input()

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
