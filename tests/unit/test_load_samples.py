"""Load samples: parsed from Locust's log, and turned into curves."""

from __future__ import annotations

import pytest

from acceptance.traffic.load_test import Load, RequestCounts, parse_samples

LOG = """\
[2026-11-25 08:31:10,000] load/INFO/locust.main: Starting Locust
{"moment": 100.0, "requests": 0, "failures": 0, "p95": 0.0}
{"moment": 101.0, "requests": 40, "failures": 0, "p95": 0.021}
[2026-11-25 08:31:11,000] load/INFO/locust.runners: All users spawned: {"Writer": 12} (12 total users)
{"moment": 103.0, "requests": 140, "failures": 20, "p95": 0.45}
"""


def test_samples_are_parsed_from_the_log() -> None:
    samples = parse_samples(LOG)
    assert samples[-1] == RequestCounts(103.0, 140, 20, 0.45)
    assert len(samples) == 3


def test_rates_are_between_two_samples() -> None:
    load = Load(parse_samples(LOG))
    assert (load.requests, load.failures) == (140, 20)
    assert load.rates() == (
        [(100.0, 40.0), (101.0, 40.0), (103.0, 0.0)],
        [(100.0, 0.0), (101.0, 10.0), (103.0, 0.0)],
    )
    assert str(load.slowest()) == "[(100.0, 0.0), (101.0, 0.021), (103.0, nan)]"


@pytest.mark.parametrize("log", ["", "no such pod"])
def test_load_without_samples_has_no_curves(log: str) -> None:
    load = Load(parse_samples(log))
    assert (load.requests, load.failures, load.rates(), load.slowest()) == (0, 0, ([], []), [])
