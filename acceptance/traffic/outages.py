"""Bounds of the outage that a disturbance may cause: until when requests may fail, and which ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acceptance.checks.finding import Finding
from acceptance.core.deadlines import REQUEST
from acceptance.core.interval import Interval
from acceptance.traffic.availability import UNATTRIBUTED, Availability, Failure


@dataclass(frozen=True)
class OutageBound:
    """How long after a disturbance requests may fail, and which; `seconds` counts to their sending.

    Attributes:
        seconds: 0 if none may fail.
        source: Where the figure is from.
        pods: The pods whose requests may fail, beside requests without a known pod; None for any pod.
    """

    seconds: float
    source: str
    pods: frozenset[str] | None = None

    @property
    def longest(self) -> float:
        """The longest outage that it allows: a request that is sent just before its end may take REQUEST to fail."""
        return self.seconds and self.seconds + REQUEST.seconds

    def findings(self, what: str, interval: Interval, availability: Availability, object_: str) -> list[Finding]:
        """Return findings of STA-09 for failures beyond the bound.

        Args:
            what: What disturbed the release, for the findings.
            interval: From the disturbance on, the time in which the requests were sent.
            availability: The outcome of the requests.
            object_: What the findings are about, as `Kind/name`.
        """
        failures = availability.between(interval).failures
        late = [each for each in failures if each.record.sent - interval.start > self.seconds]
        others = [each for each in failures if self.pods is not None and each.record.pod not in {"", *self.pods}]
        problems = (
            (f"none fails later than {self.seconds:g} s ({self.source})", late),
            (f"none fails that another pod than {', '.join(sorted(self.pods or ()))} received", others),
        )
        return [
            Finding("STA-09", object_, f"{what}: requests", expected, _described(beyond, interval.start))
            for expected, beyond in problems
            if beyond
        ]


def _described(failures: Sequence[Failure], start: float) -> str:
    """Return how many requests failed, and the last of them."""
    last = failures[-1]
    seconds, pod = last.record.sent - start, last.record.pod or UNATTRIBUTED
    connection = "a reused" if last.record.reused else "a new"
    how = f"to pod {pod} on {connection} connection"
    return f"{len(failures)} failed, the last sent after {seconds:.1f} s {how}: {last.reason}"
