"""What the report shows of an experiment: its traffic as figures, and as a timeline."""

from __future__ import annotations

from collections.abc import Iterable

from acceptance.core.target import Component
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.undisturbed import undisturbed
from acceptance.report import timeline
from acceptance.report.results import UNDISTURBED, Attempt, Limit, NotJudged, Picture, RecordMeasurement

FAILED = "STA-08: failed = not connected, reset, cut short, late, wrong status or without its token"
AT_REST_FAILED = Limit(0, f"{FAILED}; while nothing was disturbed")
DISTURBED = NotJudged("includes the disturbances, whose bounds the experiment's own tests judge")
COUNT = NotJudged("a count; too few make the experiment inconclusive")
EXPECTED = NotJudged("expected in this experiment: not a failure")
LEDGER = Limit(0, "PER-05: each acknowledged write is in PostgreSQL once, each other one at most once")
LIMITS: dict[str, Limit | NotJudged] = {
    "requests": COUNT,
    "new_connections": COUNT,
    "reused_connections": COUNT,
    "refused_as_expected": EXPECTED,
    "lost": LEDGER,
    "duplicated": LEDGER,
    "acknowledged": COUNT,
    "unacknowledged": COUNT,
    "stored": COUNT,
}
"""Of the figures of traffic and ledgers; all others include the disturbances."""


def record_ledgers(experiment: Experiment, record: RecordMeasurement) -> None:
    """Record the figures of each ledger."""
    for label, ledger in experiment.ledgers.items():
        for figure, value in ledger.reconciliation.figures().items():
            record(f"{experiment.name}: {label}: {figure}", value, "writes", LIMITS[figure])


def record_availability(experiment: Experiment, record: RecordMeasurement) -> None:
    """Record the figures of each kind of traffic, unless it says nothing about the Services' availability."""
    if not experiment.availability:
        return
    for label, sampled in experiment.traffic.items():
        for name, value in sampled.availability.figures().items():
            figure, _, unit = name.rpartition("_")
            if unit != "seconds":
                figure, unit = name, "requests"
            record(f"{experiment.name}: {label}: {figure}", value, unit, LIMITS.get(name, DISTURBED))
        failed = len(undisturbed(experiment, sampled.availability).failures)
        record(f"{experiment.name}: {label}: {UNDISTURBED}", failed, "requests", AT_REST_FAILED)


def attempt_at(experiment: Experiment, earlier: Iterable[Attempt]) -> Attempt:
    """Return what the report shows of an attempt that ended; `earlier` are the attempts before it."""
    number = 1 + sum(attempt.experiment == experiment.name for attempt in earlier)
    seconds = round(experiment.interval.seconds, 1)
    return Attempt(experiment.name, number, seconds, str(experiment.inconclusive or ""), **experiment.load.figures())


def availability_picture(experiment: Experiment, components: Iterable[Component]) -> Picture:
    """Return the experiment's timeline, with the counts of requests as its caption."""
    counts = []
    for label, sampled in experiment.traffic.items():
        availability = sampled.availability
        count = f"{label}: {len(availability.records)} requests, {len(availability.failures)} failed"
        if availability.expected_refusals:
            count += f", {len(availability.expected_refusals)} refused as expected"
        counts.append(count)
    return Picture(experiment.name, timeline.availability(experiment, components), "; ".join(counts))
