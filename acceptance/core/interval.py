"""An interval of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval, in seconds since the epoch."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def contains(self, moment: float) -> bool:
        """Return whether a moment lies in the interval, its ends included."""
        return self.start <= moment <= self.end

    def overlaps(self, other: Interval) -> bool:
        """Return whether both have a moment in common, their ends included."""
        return self.start <= other.end and other.start <= self.end
