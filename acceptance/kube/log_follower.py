"""Follows container logs from their start, so that the logs of removed containers stay available.

Every line is searched for the run's secrets, also those that are not kept.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import urllib3
from kubernetes.client import ApiException

from acceptance.core.fields import Object, at, name_of, text_at
from acceptance.core.redaction import Redactor, redactor
from acceptance.kube.history import Version
from acceptance.kube.status import restart_count, statuses

MAX_LOG_BYTES = 65536
"""How many of the last bytes of a container's log are kept."""
WHOLE_SECOND = 1.0
"""Seconds by which the last line of a container may be later than its end, which Kubernetes states in whole ones."""
MAX_LEAKS = 3
"""How many lines with a secret are kept for one container."""
MAX_ENDED_LOGS = 48
"""How many terminated containers' logs are kept: 3 MiB in total; no experiment replaces as many containers."""


class Source(Protocol):
    """What a follower reads logs from; implemented by `acceptance.kube.client.Objects`."""

    def log(self, pod: str, container: str, *, previous: bool = False) -> Iterator[bytes]:
        """Yield the lines of a container's log, each after its moment, until the container terminates.

        That is the instance that runs now or, with `previous`, the one before it.
        """


@dataclass
class ContainerLog:
    """The log of one container instance; a restarted container has one log per restart.

    Attributes:
        pod: The pod's name.
        container: The container's name.
        restart: The container's restart count when this instance started.
        ended: When the log ended, in seconds since the epoch; 0 while the container runs.
        until: When the instance itself ended, as far as it is known. Kubernetes is asked for a log by the container's
            name, so that lines of the next instance follow where it restarts at that moment.
        leaks: The first lines that have a secret of the run, redacted.
        has_lines: Whether the container has logged a line that was read.
    """

    pod: str
    container: str
    restart: int
    ended: float = 0.0
    until: float = math.inf
    leaks: list[str] = field(default_factory=list)
    has_lines: bool = False
    _unsearched: bytes = b""
    _lines: deque[tuple[float, bytes]] = field(default_factory=deque)
    _bytes: int = 0

    @property
    def title(self) -> str:
        """The log's name in evidence."""
        return f"log of {self.pod} {self.container}" + (f", restart {self.restart}" if self.restart else "")

    @property
    def text(self) -> str:
        """The instance's lines that are kept, decoded."""
        own = (line for moment, line in self._lines if moment <= self.until + WHOLE_SECOND)
        return b"".join(own).decode(errors="replace")

    def add(self, line: bytes) -> None:
        """Append a line and drop the oldest lines above `MAX_LOG_BYTES`."""
        moment, words = timed(line)
        kept = words[-MAX_LOG_BYTES:]
        self._lines.append((moment, kept))
        self._unsearched += kept
        self._bytes += len(kept)
        while self._bytes > MAX_LOG_BYTES:
            self._bytes -= len(self._lines.popleft()[1])

    def search(self, secrets: Redactor) -> None:
        """Search the lines since the last search for secrets."""
        lines, self._unsearched = self._unsearched, b""
        if secrets.content(lines) != lines:
            leaking = [line for line in lines.splitlines() if secrets.content(line) != line]
            self.leaks += [secrets.content(line).decode(errors="replace") for line in leaking]
            del self.leaks[MAX_LEAKS:]

    @property
    def searchable(self) -> bool:
        """Whether enough lines have arrived since the last search for another one."""
        return len(self._unsearched) > MAX_LOG_BYTES

    def clear(self) -> None:
        """Drop all lines."""
        self._lines.clear()
        self._bytes = 0


def timed(line: bytes) -> tuple[float, bytes]:
    """Return the moment that a line begins with, in seconds since the epoch, and the rest; without one the line."""
    stated, space, words = line.partition(b" ")
    moment = _seconds(stated.decode(errors="replace").strip())
    return (-math.inf, line) if moment is None else (moment, words if space else b"\n")


def _seconds(stated: str) -> float | None:
    """Return a moment as Kubernetes states it in seconds since the epoch, or None for any other text."""
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


class LogFollower:
    """Follows the log of every container in the pod versions it receives."""

    def __init__(self, source: Source, now: Callable[[], float] = time.time, secrets: Redactor = redactor) -> None:
        self._source = source
        self._secrets = secrets
        self._now = now
        self._lock = threading.Lock()
        self._logs: dict[tuple[str, str], ContainerLog] = {}

    def on_version(self, version: Version) -> None:
        """Start following the containers of a pod version that are not followed yet.

        An init container that ends within a second is often never seen running.
        """
        if version.kind != "Pod":
            return
        for status in statuses(version.object):
            self._follow_earlier(version.object, status)
            key = text_at(version.object, "metadata.uid"), text_at(status, "containerID")
            if at(status, "state.running") is None and at(status, "state.terminated") is None:
                continue
            with self._lock:
                if key in self._logs:
                    continue
                restart = status.get("restartCount", 0)
                log = self._logs[key] = ContainerLog(name_of(version.object), text_at(status, "name"), restart)
            threading.Thread(target=self._follow, args=[log], daemon=True).start()

    def _follow_earlier(self, pod: Object, status: Object) -> None:
        """Note when the instance before this one ended, and read its log if it was never seen."""
        identifier = text_at(status, "lastState.terminated.containerID")
        finished = _seconds(text_at(status, "lastState.terminated.finishedAt"))
        if not identifier or finished is None:
            return
        with self._lock:
            key = text_at(pod, "metadata.uid"), identifier
            if (known := self._logs.get(key)) is not None:
                known.until = finished
                return
            restart = max(0, restart_count(status) - 1)
            log = self._logs[key] = ContainerLog(name_of(pod), text_at(status, "name"), restart)
            log.until = finished
        threading.Thread(target=self._follow, args=[log], kwargs={"previous": True}, daemon=True).start()

    def ended(self, since: float) -> list[ContainerLog]:
        """Return the logs that ended at or after `since` (seconds since the epoch), in order of their end."""
        with self._lock:
            found = [log for log in self._logs.values() if log.ended and log.ended >= since]
        return sorted(found, key=lambda log: log.ended)

    def running(self) -> dict[str, str]:
        """Return the texts of the logs that have not ended, by title; without those that are empty."""
        with self._lock:
            return {log.title: log.text for log in self._logs.values() if not log.ended and log.has_lines}

    def leaking(self) -> list[ContainerLog]:
        """Return the logs that have a secret of the run; the line may be one that is no longer kept."""
        with self._lock:
            for log in self._logs.values():
                log.search(self._secrets)
            return [log for log in self._logs.values() if log.leaks]

    def has_lines(self) -> bool:
        """Return whether a line of any log was read: without one, no log has been searched for secrets."""
        with self._lock:
            return any(log.has_lines for log in self._logs.values())

    def _follow(self, log: ContainerLog, *, previous: bool = False) -> None:
        try:
            for line in self._source.log(log.pod, log.container, previous=previous):
                with self._lock:
                    log.has_lines = True
                    log.add(line)
                    if log.searchable:
                        log.search(self._secrets)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            with self._lock:
                log.add(f"(not followed to its end: {type(error).__name__})\n".encode())
        with self._lock:
            log.ended = log.until if previous else self._now()
            ended = sorted((each.ended, key) for key, each in self._logs.items() if each.ended)
            for _, key in ended[:-MAX_ENDED_LOGS]:
                self._logs[key].clear()


def summarize_ended(logs: Iterable[ContainerLog], keep: Callable[[str, str], object], now: float) -> dict[str, str]:
    """Return the last line of each log that ended, under one title.

    Args:
        logs: The logs; empty ones are left out.
        keep: Called with a file name and the whole text of each log.
        now: The current time in seconds since the epoch.
    """
    lines = []
    for log in logs:
        text = log.text
        if text.strip():
            keep(f"{log.title}.txt", text)
            lines.append(f"{log.title}, ended {now - log.ended:.0f} s ago: {text.strip().splitlines()[-1]}")
    return {"containers that ended": "\n".join(lines)} if lines else {}
