"""Availability from the sampler's records: which requests failed and why, and how long outages lasted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from acceptance.checks.finding import Finding
from acceptance.core.deadlines import REQUEST
from acceptance.core.interval import Interval
from acceptance.traffic.records import Record, percentile

ERRORS = {
    "connect": "could not connect",
    "unconnected": f"no connection within {REQUEST.seconds:g} s",
    "reset": "the connection was reset",
    "closed": "the connection was closed before a response",
    "cut": "the response was cut short",
    "late": f"no whole response within {REQUEST.seconds:g} s",
    "protocol": "the response was not HTTP",
}
UNATTRIBUTED = "unattributed"
SHOWN = 5


@dataclass(frozen=True)
class Failure:
    """A request that failed, and the reason."""

    record: Record
    reason: str


@dataclass(frozen=True)
class ExpectedRefusals:
    """Refusals that an experiment causes on purpose: complete responses with one of `statuses`, from `since` on.

    They need not contain the request's token. `since` in seconds since the epoch.
    """

    statuses: frozenset[int]
    since: float

    def matches(self, record: Record) -> bool:
        """Return whether the request was refused as expected."""
        in_time = record.done - record.due <= REQUEST.seconds
        return not record.error and in_time and record.status in self.statuses and record.done >= self.since


@dataclass(frozen=True)
class Availability:
    """The outcome of a sample run's requests."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    expected_refusals: tuple[Record, ...] = ()
    """Requests that were refused as the experiment expects, which are not failures."""

    @property
    def reused(self) -> int:
        """Requests on a connection that had carried one before."""
        return sum(record.reused for record in self.records)

    @property
    def keeps_connections(self) -> bool:
        """Whether the server left a connection open after a response, so that it could be used again."""
        return any(record.status and not record.close for record in self.records)

    @property
    def new(self) -> int:
        """Requests on a new connection."""
        return len(self.records) - self.reused

    @property
    def pods(self) -> Counter[str]:
        """Answered requests by pod; `unattributed` if neither the response nor the node names the pod."""
        return Counter(record.pod or UNATTRIBUTED for record in self.records if record.status)

    @property
    def outages(self) -> tuple[Interval, ...]:
        """The outages: from sending the first of consecutive failures to the next successful response.

        The last outage ends with its last failure if no request succeeded after it.
        """
        failed = {failure.record.number for failure in self.failures}
        outages: list[Interval] = []
        start: float | None = None
        end = 0.0
        for record in sorted(self.records, key=lambda record: record.sent):
            if record.number in failed:
                start = record.sent if start is None else start
                end = max(end, record.done)
            elif start is not None:
                outages.append(Interval(start, record.done))
                start = None
        if start is not None:
            outages.append(Interval(start, end))
        return tuple(outages)

    @property
    def longest_outage(self) -> float:
        """The longest outage, in seconds; 0 if there was none."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    def sent_within(self, intervals: Iterable[Interval]) -> int:
        """Return how many requests were sent in one of the intervals."""
        times = tuple(intervals)
        return sum(any(time.contains(record.sent) for time in times) for record in self.records)

    def where(self, keep: Callable[[Record], bool]) -> Availability:
        """Return the availability computed from the requests for which `keep` is true."""
        return Availability(
            tuple(filter(keep, self.records)),
            tuple(failure for failure in self.failures if keep(failure.record)),
            tuple(filter(keep, self.expected_refusals)),
        )

    def between(self, interval: Interval) -> Availability:
        """Return the availability computed from the requests that were sent in `interval`."""
        return self.where(lambda record: interval.contains(record.sent))

    def figures(self) -> dict[str, float]:
        """Counts, and times in seconds, for the report."""
        durations = [record.duration for record in self.records if record.status and not record.error]
        figures: dict[str, float] = {
            "requests": len(self.records),
            "new_connections": self.new,
            "reused_connections": self.reused,
            "failed": len(self.failures),
            "longest_outage_seconds": round(self.longest_outage, 3),
        }
        if self.expected_refusals:
            figures["refused_as_expected"] = len(self.expected_refusals)
        if durations:
            figures |= {f"p{p}_seconds": round(percentile(durations, p), 4) for p in (50, 95, 99)}
        return figures


def failure_reason(record: Record, status: int) -> str | None:
    """Return why the request failed by STA-08's definition, or None if it did not; `status` is the expected one."""
    if record.error:
        return ERRORS[record.error]
    if record.done - record.due > REQUEST.seconds:
        return ERRORS["late"]
    if record.status != status:
        return f"status {record.status} instead of {status}"
    if not record.echo:
        return "the body lacks the request's token"
    return None


def evaluate(records: Sequence[Record], status: int, expected: ExpectedRefusals | None = None) -> Availability:
    """Classify the requests; each is expected to be answered with `status`, or refused as `expected`."""
    failures, refused = [], []
    for record in records:
        reason = failure_reason(record, status)
        if reason is None:
            continue
        if expected is not None and expected.matches(record):
            refused.append(record)
        else:
            failures.append(Failure(record, reason))
    return Availability(tuple(records), tuple(failures), tuple(refused))


def failed_request_findings(rule: str, object_: str, availability: Availability) -> list[Finding]:
    """Return a finding if any request failed: how many, for which reasons, and the first few."""
    if not availability.failures:
        return []
    reasons = Counter(failure.reason for failure in availability.failures)
    first = ", ".join(
        f"request {failure.record.number} "
        f"({'reused' if failure.record.reused else 'new'} connection, "
        f"sent at {failure.record.sent - availability.records[0].sent:.2f} s, took {failure.record.duration:.2f} s, "
        f"pod {failure.record.pod or UNATTRIBUTED})"
        for failure in availability.failures[:SHOWN]
    )
    excerpt = next((failure.record.excerpt for failure in availability.failures if failure.record.excerpt), "")
    causes = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    return [
        Finding(
            rule,
            object_,
            "requests",
            f"0 of {len(availability.records)} failed",
            f"{len(availability.failures)} failed, longest outage {availability.longest_outage:.2f} s: "
            f"{causes}; first: {first}" + (f"; answered: {excerpt!r}" if excerpt else ""),
        )
    ]
