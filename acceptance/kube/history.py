"""The recorded versions of objects with their arrival times, and the gaps in the recording."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acceptance.core.fields import Object, text_at
from acceptance.core.inconclusive import InconclusiveError


@dataclass(frozen=True)
class Version:
    """One version of an object; `deleted` marks the last one. `arrived` is in seconds since the epoch."""

    kind: str
    arrived: float
    object: Object
    deleted: bool = False

    @property
    def uid(self) -> str:
        """The object's UID."""
        return text_at(self.object, "metadata.uid")


@dataclass(frozen=True)
class Gap:
    """An interval in which a kind was not watched or its watch delivered nothing.

    If `lost`, versions are missing; otherwise they arrived, but only after `end`.
    """

    kind: str
    start: float
    end: float
    reason: str
    lost: bool


@dataclass(frozen=True)
class State:
    """All objects of a kind that existed from `moment` until the next change."""

    moment: float
    objects: tuple[Object, ...]


class GapError(InconclusiveError):
    """The recording of an interval that a check needs is incomplete."""


class History:
    """Recorded versions and gaps; thread-safe. Each added version is passed to `on_version`."""

    def __init__(self, on_version: Callable[[Version], None] = lambda _: None) -> None:
        self._on_version = on_version
        self._lock = threading.Lock()
        self._versions: list[Version] = []
        self._gaps: list[Gap] = []
        self._recorded_since: dict[str, float] = {}
        self._complete_until: dict[str, float] = {}

    def add(self, version: Version) -> None:
        """Add a version and pass it to `on_version`."""
        with self._lock:
            self._versions.append(version)
        self._on_version(version)

    def add_gap(self, gap: Gap) -> None:
        """Add a gap."""
        with self._lock:
            self._gaps.append(gap)

    def watched_since(self, kind: str, moment: float) -> None:
        """Mark a kind as watched from `moment` on."""
        with self._lock:
            self._recorded_since[kind] = moment

    def complete_until(self, kind: str, moment: float) -> None:
        """Mark a kind as complete up to `moment`: every version until then is recorded or covered by a gap."""
        with self._lock:
            self._complete_until[kind] = moment

    def versions(self, kind: str) -> list[Version]:
        """Return all versions of a kind in order of arrival."""
        with self._lock:
            return [version for version in self._versions if version.kind == kind]

    def gaps(self, kind: str) -> list[Gap]:
        """Return all gaps of a kind."""
        with self._lock:
            return [gap for gap in self._gaps if gap.kind == kind]

    def current(self, kind: str) -> list[Object]:
        """Return the latest version of each object of a kind that is not deleted."""
        latest: dict[str, Version] = {}
        for version in self.versions(kind):
            latest[version.uid] = version
        return [version.object for version in latest.values() if not version.deleted]

    def raise_if_lost(self, kind: str, start: float, end: float) -> None:
        """Raise `GapError` if versions in the interval were lost."""
        if gap := self.first_lost(kind, start, end):
            raise GapError(f"{kind} objects were not recorded for {gap.end - gap.start:.1f} s: {gap.reason}")

    def first_lost(self, kind: str, start: float, end: float) -> Gap | None:
        """Return the first gap in the interval in which versions were lost, or None."""
        found = (gap for gap in self.gaps(kind) if gap.lost and gap.start <= end and gap.end >= start)
        return next(found, None)

    def states(self, kind: str, start: float, end: float) -> Iterator[State]:
        """Yield the objects that existed at `start` and after each change up to `end`.

        Raises:
            GapError: Versions in the interval were lost, it starts before the recording, or the recording is not
                marked complete up to its end.
        """
        if start < self._recorded_since.get(kind, math.inf):
            raise GapError(f"the interval starts before the recording of {kind} objects")
        if end > self._complete_until.get(kind, 0.0):
            raise GapError(f"the recording of {kind} objects is not complete up to the end of the interval")
        self.raise_if_lost(kind, start, end)
        latest: dict[str, Object] = {}
        started = False
        for version in self.versions(kind):
            if version.arrived > end:
                break
            if version.arrived > start and not started:
                started = True
                yield State(start, tuple(latest.values()))
            if version.deleted:
                latest.pop(version.uid, None)
            else:
                latest[version.uid] = version.object
            if started:
                yield State(version.arrived, tuple(latest.values()))
        if not started:
            yield State(start, tuple(latest.values()))
