"""Judges whether what a container holds grows with the requests that its pod serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from acceptance.checks.finding import Finding

OPEN_FILES, THREADS, VOLUME_BYTES = "open files", "threads", "bytes in emptyDirs"
PER_REQUEST = {OPEN_FILES: 0.5, THREADS: 0.5, VOLUME_BYTES: 20.0}
"""A pool or a cache that fills does not grow this much in two periods in a row; one file that stays open for each
request, or one line of log that is written to a volume, is more."""
MIN_REQUESTS = 20
"""Of each period: fewer could be as many as a pool has connections."""


@dataclass(frozen=True)
class Held:
    """What the processes of a pod's container hold at one moment: `amounts` by `PER_REQUEST`'s names."""

    pod: str
    container: str
    amounts: Mapping[str, int]


def growth_findings(
    readings: Iterable[Mapping[str, Held]], requests: Mapping[str, tuple[int, ...]]
) -> Iterator[Finding]:
    """Yield a finding of STA-14 for each amount that grew with the requests of every period between two readings.

    Args:
        readings: What each container held, by its identifier. Containers that are not in all of them are not judged.
        requests: By the pod's name how many requests were sent in each period, at least `MIN_REQUESTS`.
    """
    all_readings = list(readings)
    for identifier, held in all_readings[0].items():
        series = [reading[identifier] for reading in all_readings if identifier in reading]
        served = requests.get(held.pod, ())
        if len(series) < len(all_readings) or min(served, default=0) < MIN_REQUESTS:
            continue
        for name, limit in PER_REQUEST.items():
            amounts = [each.amounts.get(name, 0) for each in series]
            grown = [after - before for before, after in pairwise(amounts)]
            if all(more >= limit * count for more, count in zip(grown, served, strict=True)):
                actual = f"{' to '.join(map(str, amounts))} with {' and '.join(map(str, served))} requests"
                expected = "no growth with the requests"
                yield Finding("STA-14", f"Pod/{held.pod}", f"{held.container}: {name}", expected, actual)
