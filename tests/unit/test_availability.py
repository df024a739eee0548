"""Availability: unreliable records are inconclusive, and every failed request is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from acceptance.core.interval import Interval
from acceptance.traffic.availability import Availability, ExpectedRefusals, evaluate, failed_request_findings
from acceptance.traffic.records import (
    InconclusiveSampleError,
    Record,
    SampleTotals,
    decode,
    percentile,
    require_steady_rate,
)

RATE = 50.0
START = 1_000.0


def record(number: int, **changes: object) -> Record:
    due = START + number / RATE
    good = Record(
        number,
        due,
        due + 0.002,
        due + 0.012,
        connection=number % 8,
        use=number // 8,
        port=40000 + number % 8,
        status=200,
        error="",
        echo=True,
        close=False,
        pod=f"pod-{number % 2}",
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def stream(count: int = 500) -> list[Record]:
    return [record(number) for number in range(count)]


def blocks(records: list[Record], size: int = 200) -> list[dict[str, Any]]:
    made = []
    for number, start in enumerate(range(0, len(records), size)):
        rows = [list(vars(each).values()) for each in records[start : start + size]]
        text = json.dumps(rows)
        digest = hashlib.sha256(text.encode()).hexdigest()
        made.append({"number": number, "count": len(rows), "sha256": digest, "records": text})
    return made


def test_blocks_are_decoded() -> None:
    assert list(decode(blocks(stream()), SampleTotals(3, 500))) == stream()


def test_times_are_converted_to_the_suites_clock() -> None:
    shifted = decode(blocks(stream(1)), SampleTotals(1, 1), clock_offset=2.0)
    assert shifted[0].due == START + 2
    assert shifted[0].duration == pytest.approx(0.010)


def swap(made: list[dict[str, Any]]) -> None:
    made[0], made[1] = made[1], made[0]


def forge(made: list[dict[str, Any]]) -> None:
    made[1]["records"] = made[1]["records"].replace("200", "201", 1)


def miscount(made: list[dict[str, Any]]) -> None:
    made[1]["count"] += 1


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda made: made.pop(1), "block 1 is missing"),
        (lambda made: made.pop(), "the sampler counted 3"),
        (swap, "block 0 is missing"),
        (forge, "checksum"),
        (miscount, "instead of 201"),
    ],
)
def test_lost_or_altered_blocks_are_inconclusive(harm: Callable[[list[dict[str, Any]]], None], message: str) -> None:
    made = blocks(stream())
    harm(made)
    with pytest.raises(InconclusiveSampleError, match=message):
        decode(made, SampleTotals(3, 500))


@pytest.mark.parametrize(
    "records",
    [
        [each for each in stream() if each.number != 77],
        [*stream()[:499], record(77)],
    ],
    ids=["missing", "duplicated"],
)
def test_missing_or_duplicated_records_are_inconclusive(records: list[Record]) -> None:
    with pytest.raises(InconclusiveSampleError, match="exactly one record"):
        decode(blocks(records), SampleTotals(3, len(records)))


def test_steady_run_is_accepted() -> None:
    require_steady_rate(stream(), RATE, 10)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no request"),
        (stream(300), "300 requests were sent in 10.0 s instead of 500"),
        (
            [replace(each, sent=each.sent + 0.6, done=each.done + 0.6) for each in stream()],
            "late: p99 602 ms",
        ),
        (
            [
                replace(each, sent=max(each.sent, START + 6), done=max(each.done, START + 6)) if i >= 200 else each
                for i, each in enumerate(stream(10_000))
            ],
            "no request was sent for 2",
        ),
        ([each for each in stream(10_000) if each.number < 9_800], "no request was sent for 4"),
        ([replace(each, due=each.due + 0.1 * (each.number > 9)) for each in stream()], "not due when"),
        ([replace(each, sent=each.due - 0.1) for each in stream()], "before it was due"),
        ([replace(each, done=each.sent - 0.1) for each in stream()], "before it was sent"),
    ],
    ids=["no records", "too few", "late", "gap", "none at the end", "wrong due time", "sent early", "done before sent"],
)
def test_late_or_interrupted_run_is_inconclusive(records: list[Record], message: str) -> None:
    with pytest.raises(InconclusiveSampleError, match=message):
        require_steady_rate(records, RATE, 200.0 if len(records) > 500 else 10.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error": "connect", "status": 0}, "could not connect"),
        ({"error": "reset", "status": 0}, "reset"),
        ({"error": "closed", "status": 0}, "closed before a response"),
        ({"error": "cut"}, "cut short"),
        ({"error": "late", "status": 0}, "within 10 s"),
        ({"done": START + 100.0}, "within 10 s"),
        ({"error": "protocol"}, "not HTTP"),
        ({"status": 503}, "status 503 instead of 200"),
        ({"status": 201}, "status 201 instead of 200"),
        ({"echo": False}, "lacks the request's token"),
    ],
)
def test_one_failed_request_is_a_finding(changes: dict[str, Any], reason: str) -> None:
    records = stream()
    records[250] = record(250, **changes)
    (finding,) = failed_request_findings("STA-08", "Service/todo", evaluate(records, 200))
    assert finding.rule == "STA-08"
    assert finding.actual.startswith("1 failed")
    assert reason in finding.actual


def test_expected_refusal_is_no_failure() -> None:
    records = stream()
    records[250] = record(250, status=401, echo=False)
    availability = evaluate(records, 200, ExpectedRefusals(frozenset({401}), START + 1))
    assert failed_request_findings("STA-08", "Service/todo", availability) == []
    assert [each.number for each in availability.expected_refusals] == [250]
    assert (availability.figures()["failed"], availability.figures()["refused_as_expected"]) == (0, 1)
    assert availability.outages == ()
    assert availability.between(Interval(START, START + 1)).expected_refusals == ()
    assert "refused_as_expected" not in evaluate(stream(), 200).figures()


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (25, {"status": 401, "echo": False}),
        (250, {"status": 403, "echo": False}),
        (250, {"status": 200, "echo": False}),
        (250, {"status": 401, "error": "cut"}),
        (250, {"status": 401, "done": START + 100.0}),
        (250, {"status": 0, "error": "reset"}),
    ],
    ids=["too early", "another status", "expected status", "truncated", "late", "no response"],
)
def test_other_failures_are_no_expected_refusals(number: int, changes: dict[str, Any]) -> None:
    records = stream()
    records[number] = record(number, **changes)
    availability = evaluate(records, 200, ExpectedRefusals(frozenset({401}), START + 1))
    assert [failure.record.number for failure in availability.failures] == [number]
    assert availability.expected_refusals == ()


def test_no_failed_request_is_no_finding() -> None:
    availability = evaluate(stream(), 200)
    assert failed_request_findings("STA-08", "Service/todo", availability) == []
    assert (availability.new, availability.reused) == (8, 492)
    assert availability.pods == {"pod-0": 250, "pod-1": 250}


def failing(*numbers: int) -> Availability:
    return evaluate([record(n, status=503 if n in numbers else 200) for n in range(500)], 200)


def test_outage_is_from_first_failure_to_next_success() -> None:
    availability = failing(100, 101, 102, 300)
    assert [round(outage.seconds, 3) for outage in availability.outages] == [0.07, 0.03]
    assert availability.longest_outage == pytest.approx(0.07)


def test_outage_without_end_is_counted() -> None:
    assert failing(*range(400, 500)).longest_outage == pytest.approx(99 / RATE + 0.01)


def test_requests_within_intervals_are_counted() -> None:
    windows = [Interval(START, START + 1), Interval(START + 4, START + 5)]
    assert failing().sent_within(windows) == 100


def test_part_of_a_run_has_its_failures_only() -> None:
    part = failing(100, 300).between(Interval(START + 5, START + 7))
    assert len(part.failures) == 1
    assert len(part.records) == 100


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([0.5], 99) == 0.5
    assert percentile([float(n) for n in range(1, 101)], 50) == pytest.approx(50.5)
