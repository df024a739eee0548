"""The load of the machine while an experiment ran, and which failed requests it explains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.interval import Interval
from acceptance.traffic.availability import Availability

MAX_STEAL = 0.25
"""Share of the CPU time that a hypervisor may withhold: beyond it, a release that requests most of two CPUs gets its
share late. On a quiet machine it is below 0.03."""
MAX_LATENESS = 0.25
"""Seconds that the sampler may be woken late. Its pod requests CPU that it does not use up, so that it waits this long
only if the machine stood still; with both CPUs busy it is below 0.1."""
STARVED_SECONDS = 0.5
"""Two samples: shorter starvation delays a request by less than its time limit."""
RECOVERY_SECONDS = 5.0
"""How long after a starvation requests may still wait in a queue: the experiments' rates are half of what the release
can serve, so a queue is served in about the time in which it grew."""


class StarvedMachineError(InconclusiveError):
    """The release failed while the machine was starved of CPU time."""


@dataclass(frozen=True)
class LoadSample:
    """The machine's load at one moment.

    Attributes:
        moment: In seconds since the epoch, by the suite's clock.
        steal: Share of the CPU time since the sample before that the hypervisor withheld, 0 to 1.
        lateness: Seconds that the sampler was woken late.
    """

    moment: float
    steal: float
    lateness: float

    @property
    def starved(self) -> bool:
        """Whether the hypervisor withheld more CPU time than experiments allow, or the sampler was woken too late."""
        return self.steal > MAX_STEAL or self.lateness > MAX_LATENESS


@dataclass(frozen=True)
class MachineLoad:
    """The load samples of an experiment, in order of time."""

    samples: tuple[LoadSample, ...] = ()

    @property
    def starved(self) -> tuple[Interval, ...]:
        """The times of at least `STARVED_SECONDS` in which every sample shows a starved machine."""
        found: list[Interval] = []
        start: float | None = None
        previous = None
        for sample in self.samples:
            if sample.starved:
                # A sample is about the time since the one before it.
                start = start if start is not None else (previous or sample.moment - sample.lateness)
                end = sample.moment
            elif start is not None:
                found.append(Interval(start, end))
                start = None
            previous = sample.moment
        if start is not None:
            found.append(Interval(start, end))
        return tuple(each for each in found if each.seconds >= STARVED_SECONDS)

    @property
    def starved_seconds(self) -> float:
        """How long the machine was starved."""
        return sum(each.seconds for each in self.starved)

    def explains(self, availability: Availability) -> bool:
        """Return whether there are failures, and each request was under way during a starvation or soon after it."""
        starved = [Interval(each.start, each.end + RECOVERY_SECONDS) for each in self.starved]
        failed = [Interval(failure.record.due, failure.record.done) for failure in availability.failures]
        return bool(failed) and all(any(each.overlaps(time) for time in starved) for each in failed)

    def figures(self) -> dict[str, float]:
        """Return the seconds of starvation, and the largest share withheld and lateness in seconds."""
        return {
            "starved_seconds": round(self.starved_seconds, 2),
            "max_steal": max((each.steal for each in self.samples), default=0.0),
            "max_lateness": max((each.lateness for each in self.samples), default=0.0),
        }


def raise_if_starved(load: MachineLoad, traffic: Iterable[Availability]) -> None:
    """Raise `StarvedMachineError` if requests failed, and the starved machine explains every failure."""
    failed = [availability for availability in traffic if availability.failures]
    if not failed or not all(map(load.explains, failed)):
        return
    count = sum(len(availability.failures) for availability in failed)
    raise StarvedMachineError(
        f"{count} requests failed, all of them while the machine was starved of CPU time, {describe(load.starved)}: "
        f"up to {load.figures()['max_steal']:.0%} was withheld (at most {MAX_STEAL:.0%}), and the sampler was woken up "
        f"to {load.figures()['max_lateness']:.2f} s late (at most {MAX_LATENESS:g} s)"
    )


def describe(intervals: Sequence[Interval]) -> str:
    """Return how often and how long, such as `2 times, 3.5 s in all`."""
    return f"{len(intervals)} times, {sum(each.seconds for each in intervals):.1f} s in all"
