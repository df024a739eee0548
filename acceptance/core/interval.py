"""A span of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval; `start` and `end` are in seconds since the epoch."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.end - self.start

    def contains(self, moment: float) -> bool:
        """Return whether `moment` is in the interval, both ends included."""
        return self.start <= moment <= self.end
