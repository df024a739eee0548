"""Durations of fixtures, folders of tests, and the slowest tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from acceptance.report.results import Picture, Results
from acceptance.report.sections.section import Evaluation, Section

SLOWEST_TESTS = 12
"""How many tests the page names by their time."""
MIN_SECONDS = 0.1
"""Shorter durations are left out of the page."""


def durations_data(results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Return `durations`, in seconds."""
    return {
        "durations": {
            "total": round((evaluation.ended - results.started) / timedelta(seconds=1), 2),
            "fixtures": [_rounded(asdict(fixture)) for fixture in results.fixtures.values()],
            "tests": {name: _rounded(test.seconds) for name, test in results.tests.items()},
        }
    }


def _rounded(seconds: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in seconds.items()}


def durations_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `times`: seconds by heading and name, fixtures in the order of the chain."""
    durations = signoff["durations"]
    setups, teardowns = [], []
    for each in durations["fixtures"]:
        step = each["name"].replace("_", " ")
        name = f"{step} ({each['where']})" if each["where"] else step
        setups.append((name, each["setup"]))
        teardowns.append((name, each["teardown"]))
    calls = {test: float(phases.get("call", 0.0)) for test, phases in durations["tests"].items()}
    folders: Counter[str] = Counter()
    for test, seconds in calls.items():
        folders["/".join(test.split("/")[:2])] += seconds  # type: ignore[assignment]
    slowest = sorted(calls.items(), key=lambda entry: -entry[1])[:SLOWEST_TESTS]
    times = {"Setup": setups, "Tests by folder": [*folders.items()], "Slowest tests": slowest, "Teardown": teardowns}
    return {
        "times": {
            heading: [(name, seconds) for name, seconds in rows if seconds >= MIN_SECONDS]
            for heading, rows in times.items()
        }
    }


DURATIONS = Section("time", "Time", durations_data, durations_context)
