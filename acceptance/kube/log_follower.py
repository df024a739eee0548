"""Logs followed from each container's start, so that what a container that is gone has said is still there."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import urllib3
from kubernetes.client import ApiException

from acceptance.core.fields import at, name_of, text_at
from acceptance.kube.history import Version
from acceptance.kube.status import statuses

MAX_LOG_BYTES = 65536
"""Of one container's log, its last."""
MAX_ENDED_LOGS = 48
"""Containers that have ended and whose logs are kept: 3 MiB, and more than any experiment replaces."""


class Source(Protocol):
    """Where logs are followed; see `acceptance.objects.Objects`."""

    def log(self, pod: str, container: str) -> Iterator[bytes]: ...


@dataclass
class ContainerLog:
    """One life of one container: `number` counts its restarts; `ended` in seconds since the epoch, 0 before."""

    pod: str
    container: str
    number: int
    ended: float = 0.0
    _lines: deque[bytes] = field(default_factory=deque)
    _bytes: int = 0

    @property
    def title(self) -> str:
        return f"log of {self.pod} {self.container}" + (f", restart {self.number}" if self.number else "")

    @property
    def text(self) -> str:
        return b"".join(self._lines).decode(errors="replace")

    def add(self, line: bytes) -> None:
        """Keep a line, and as many of those before it as there is room for."""
        kept = line[-MAX_LOG_BYTES:]
        self._lines.append(kept)
        self._bytes += len(kept)
        while self._bytes > MAX_LOG_BYTES:
            self._bytes -= len(self._lines.popleft())

    def forget(self) -> None:
        self._lines.clear()
        self._bytes = 0


class LogFollower:
    """Follows the log of every container that a recorder hears of."""

    def __init__(self, source: Source, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now
        self._lock = threading.Lock()
        self._lives: dict[tuple[str, str], ContainerLog] = {}

    def on_version(self, version: Version) -> None:
        """Follow the containers of a pod's version that run and are not followed yet."""
        if version.kind != "Pod":
            return
        for status in statuses(version.object):
            key = text_at(version.object, "metadata.uid"), text_at(status, "containerID")
            if at(status, "state.running") is None:
                continue
            with self._lock:
                if key in self._lives:
                    continue
                number = status.get("restartCount", 0)
                life = self._lives[key] = ContainerLog(name_of(version.object), text_at(status, "name"), number)
            threading.Thread(target=self._follow, args=[life], daemon=True).start()

    def ended(self, since: float) -> list[ContainerLog]:
        """The lives that have ended since a moment, in the order of their ends."""
        with self._lock:
            found = [life for life in self._lives.values() if life.ended and life.ended >= since]
        return sorted(found, key=lambda life: life.ended)

    def _follow(self, life: ContainerLog) -> None:
        try:
            for line in self._source.log(life.pod, life.container):
                with self._lock:
                    life.add(line)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            with self._lock:
                life.add(f"(not followed to its end: {type(error).__name__})\n".encode())
        with self._lock:
            life.ended = self._now()
            over = sorted((each.ended, key) for key, each in self._lives.items() if each.ended)
            for _, key in over[:-MAX_ENDED_LOGS]:
                self._lives[key].forget()


def summarize_ended(lives: Iterable[ContainerLog], keep: Callable[[str, str], object], now: float) -> dict[str, str]:
    """Evidence of containers that are gone: each one's last line; `keep(name, text)` is given the logs whole."""
    lines = []
    for life in lives:
        text = life.text
        if text.strip():
            keep(f"{life.title}.txt", text)
            lines.append(f"{life.title}, ended {now - life.ended:.0f} s ago: {text.strip().splitlines()[-1]}")
    return {"containers that ended": "\n".join(lines)} if lines else {}
