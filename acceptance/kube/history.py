"""Every version of every object that was seen, with the moment it arrived; and the times that were not seen."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acceptance.core.fields import Object, text_at


@dataclass(frozen=True)
class Version:
    """One version of an object; `deleted` marks its last. `arrived` in seconds since the epoch."""

    kind: str
    arrived: float
    object: Object
    deleted: bool = False

    @property
    def uid(self) -> str:
        return text_at(self.object, "metadata.uid")


@dataclass(frozen=True)
class Gap:
    """A time in which a kind was not watched, or nothing was heard of it.

    `lost` tells whether versions are missing; otherwise they arrived, but only after `end`.
    """

    kind: str
    start: float
    end: float
    reason: str
    lost: bool


@dataclass(frozen=True)
class State:
    """All objects of one kind that existed from `moment` until the next change."""

    moment: float
    objects: tuple[Object, ...]


class GapError(Exception):
    """A time that a judgement needs was not seen whole. Never a finding against the release."""


class History:
    """Versions and gaps, written by a recorder's threads and read by anybody; `heard` is told of each version."""

    def __init__(self, heard: Callable[[Version], None] = lambda _: None) -> None:
        self._heard = heard
        self._lock = threading.Lock()
        self._versions: list[Version] = []
        self._gaps: list[Gap] = []
        self._begun: dict[str, float] = {}
        self._settled: dict[str, float] = {}

    def add(self, version: Version) -> None:
        with self._lock:
            self._versions.append(version)
        self._heard(version)

    def add_gap(self, gap: Gap) -> None:
        with self._lock:
            self._gaps.append(gap)

    def watched_since(self, kind: str, moment: float) -> None:
        """Note that a kind is followed from `moment` on."""
        with self._lock:
            self._begun[kind] = moment

    def complete_until(self, kind: str, moment: float) -> None:
        """Note that all that happened to a kind up to `moment` is here, or is a gap."""
        with self._lock:
            self._settled[kind] = moment

    def versions(self, kind: str) -> list[Version]:
        """All versions of a kind in the order in which they arrived."""
        with self._lock:
            return [version for version in self._versions if version.kind == kind]

    def gaps(self, kind: str) -> list[Gap]:
        with self._lock:
            return [gap for gap in self._gaps if gap.kind == kind]

    def current(self, kind: str) -> list[Object]:
        """The objects of a kind as last seen, without those that are gone."""
        latest: dict[str, Version] = {}
        for version in self.versions(kind):
            latest[version.uid] = version
        return [version.object for version in latest.values() if not version.deleted]

    def states(self, kind: str, start: float, end: float) -> Iterator[State]:
        """What existed at `start`, and after each change up to `end`.

        Raises `GapError` where versions in that time were lost, it began before the history, or the history
        has not settled since.
        """
        if start < self._begun.get(kind, math.inf):
            raise GapError(f"that time began before {kind} objects were recorded")
        if end > self._settled.get(kind, 0.0):
            raise GapError(f"the recorder has not settled since: more may have happened to {kind} objects")
        for gap in self.gaps(kind):
            if gap.lost and gap.start <= end and gap.end >= start:
                raise GapError(f"{kind} was not seen for {gap.end - gap.start:.1f} s: {gap.reason}")
        latest: dict[str, Object] = {}
        begun = False
        for version in self.versions(kind):
            if version.arrived > end:
                break
            if version.arrived > start and not begun:
                begun = True
                yield State(start, tuple(latest.values()))
            if version.deleted:
                latest.pop(version.uid, None)
            else:
                latest[version.uid] = version.object
            if begun:
                yield State(version.arrived, tuple(latest.values()))
        if not begun:
            yield State(start, tuple(latest.values()))
