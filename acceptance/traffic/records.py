"""The sampler's records, decoded from numbered blocks; unreliable records raise an error."""

from __future__ import annotations

import hashlib
import itertools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acceptance.core.inconclusive import InconclusiveError

LATENESS_P99 = 0.5
"""The largest 99th percentile of lateness, in seconds. On an idle machine it is 20 ms; above this an outage of a
second could fall between two requests."""
MAX_SAMPLE_GAP_SECONDS = 1.5
"""Longest time without a request. Endpoint changes take about a second to reach a node: a longer gap could
hide a whole outage."""


class InconclusiveSampleError(InconclusiveError):
    """The records are inconclusive: incomplete, late or too few."""


@dataclass(frozen=True)
class Record:
    """One request. Times in seconds since the epoch, by the suite's clock; fields as in the sampler."""

    number: int
    due: float
    sent: float
    done: float
    connection: int
    use: int
    port: int
    status: int
    error: str
    echo: bool
    close: bool
    pod: str
    excerpt: str = ""

    @property
    def reused(self) -> bool:
        """Whether the connection had already carried a request."""
        return self.use > 0

    @property
    def lateness(self) -> float:
        """Seconds from when the request was due to when it was sent."""
        return self.sent - self.due

    @property
    def duration(self) -> float:
        """Seconds from when the request was sent to its end."""
        return self.done - self.sent


@dataclass(frozen=True)
class SampleTotals:
    """The sampler's counts at the end of a run."""

    blocks: int
    records: int


def decode(blocks: Iterable[Mapping[str, Any]], totals: SampleTotals, clock_offset: float = 0.0) -> tuple[Record, ...]:
    """Return the records of a finished run, in the order in which requests were due.

    Args:
        blocks: The blocks as the sampler serves them.
        totals: How many blocks and records there must be.
        clock_offset: Seconds that are added to every time.

    Raises:
        InconclusiveSampleError: A block is missing or incomplete, or a request has no record or more than one.
    """
    records: list[Record] = []
    count = 0
    for count, block in enumerate(blocks, start=1):
        if block["number"] != count - 1:
            raise InconclusiveSampleError(f"block {count - 1} is missing: got block {block['number']} instead")
        text = str(block["records"])
        if hashlib.sha256(text.encode()).hexdigest() != block["sha256"]:
            raise InconclusiveSampleError(f"block {block['number']} does not match its checksum")
        rows = json.loads(text)
        if len(rows) != block["count"]:
            raise InconclusiveSampleError(
                f"block {block['number']} contains {len(rows)} records instead of {block['count']}"
            )
        for number, due, sent, done, *rest in rows:
            records.append(Record(number, due + clock_offset, sent + clock_offset, done + clock_offset, *rest))
    if (count, len(records)) != (totals.blocks, totals.records):
        raise InconclusiveSampleError(
            f"got {count} blocks with {len(records)} records; the sampler counted {totals.blocks} with {totals.records}"
        )
    records.sort(key=lambda record: record.number)
    if [record.number for record in records] != list(range(len(records))):
        raise InconclusiveSampleError("not every request from the first to the last has exactly one record")
    return tuple(records)


def require_steady_rate(records: Sequence[Record], rate: float, seconds: float) -> None:
    """Check that requests were sent at a rate, without gaps, from the first one's due time on.

    Args:
        records: The records in the order in which requests were due.
        rate: Requests per second.
        seconds: How long requests were to be sent.

    Raises:
        InconclusiveSampleError: They were not.
    """
    if not records:
        raise InconclusiveSampleError("no request was sent")
    planned = int(rate * seconds)
    if len(records) < 0.95 * planned:
        raise InconclusiveSampleError(f"{len(records)} requests were sent in {seconds:.1f} s instead of {planned}")
    for record in records:
        if abs(record.due - records[0].due - record.number / rate) > 0.001:
            raise InconclusiveSampleError(f"request {record.number} was not due when the rate says")
        if record.sent < record.due - 0.001 or record.done < record.sent:
            raise InconclusiveSampleError(
                f"request {record.number} was sent before it was due or done before it was sent"
            )
    late = percentile([record.lateness for record in records], 99)
    if late > LATENESS_P99:
        raise InconclusiveSampleError(
            f"the sampler was late: p99 {late * 1000:.0f} ms, at most {LATENESS_P99 * 1000:.0f}"
        )
    start = records[0].due
    moments = [start, *sorted(record.sent for record in records), start + seconds]
    gap = max(after - before for before, after in itertools.pairwise(moments))
    if gap > max(MAX_SAMPLE_GAP_SECONDS, 2 / rate):
        raise InconclusiveSampleError(f"no request was sent for {gap:.1f} s")


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the `percent`th percentile, 1 to 99; raises `ValueError` for no values."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
