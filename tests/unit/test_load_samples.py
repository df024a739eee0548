"""Load: what Locust counted is read from its log, and a curve is made of it."""

from __future__ import annotations

import pytest

from acceptance.traffic.load_test import Load, LoadSample, counts

LOG = """\
[2026-11-25 08:31:10,000] load/INFO/locust.main: Starting Locust
{"moment": 100.0, "requests": 0, "failures": 0, "p95": 0.0}
{"moment": 101.0, "requests": 40, "failures": 0, "p95": 0.021}
[2026-11-25 08:31:11,000] load/INFO/locust.runners: All users spawned: {"Writer": 12} (12 total users)
{"moment": 103.0, "requests": 140, "failures": 20, "p95": 0.45}
"""


def test_locusts_counts_are_read_from_among_its_other_words() -> None:
    found = counts(LOG)
    assert found[-1] == LoadSample(103.0, 140, 20, 0.45)
    assert len(found) == 3


def test_rates_are_of_the_time_between_two_counts() -> None:
    load = Load(counts(LOG))
    assert (load.requests, load.failures) == (140, 20)
    assert load.rates() == (
        [(100.0, 40.0), (101.0, 40.0), (103.0, 0.0)],
        [(100.0, 0.0), (101.0, 10.0), (103.0, 0.0)],
    )
    assert str(load.slowest()) == "[(100.0, 0.0), (101.0, 0.021), (103.0, nan)]"


@pytest.mark.parametrize("log", ["", "no such pod"])
def test_a_load_that_counted_nothing_has_no_curve(log: str) -> None:
    load = Load(counts(log))
    assert (load.requests, load.failures, load.rates(), load.slowest()) == (0, 0, ([], []), [])
