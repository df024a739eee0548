"""Figures on the page: a row for each kind of traffic and of writes, and every other figure."""

from __future__ import annotations

import re
from typing import Any

import pytest

from acceptance.experiments.experiment import Annotation
from acceptance.report import html, timeline
from acceptance.report.amounts import format_amount, format_duration, format_time
from acceptance.report.results import Picture
from acceptance.report.sections.measurements import drawing, measurements_context
from tests.unit.test_experiment import COMPONENT, recorded_experiment
from tests.unit.test_html import finished

TRAFFIC = {"requests": 1833.0, "new_connections": 920.0, "reused_connections": 913.0, "failed": 3.0}
TIMES = {"longest_outage": 0.25, "p50": 0.0123, "p95": 0.123, "p99": 1.234}
WRITES = {"acknowledged": 412.0, "unacknowledged": 3.0, "stored": 413.0, "lost": 0.0, "duplicated": 0.0}
UNDISTURBED = "failed while nothing was disturbed"
TEST = "tests/behaviour/test_STA-08.py::test_it"


def measured(name: str, value: float, unit: str, limit: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "source": "STA-08", "test": TEST}


def of_experiment(
    name: str, kinds: tuple[str, ...] = ("backend", "frontend"), failed: float = 0
) -> list[dict[str, Any]]:
    """The measurements of an experiment with traffic and one ledger."""
    found = []
    for kind in kinds:
        found += [measured(f"{name}: {kind}: {figure}", value, "requests") for figure, value in TRAFFIC.items()]
        found += [measured(f"{name}: {kind}: {figure}", value, "seconds") for figure, value in TIMES.items()]
        found.append(measured(f"{name}: {kind}: {UNDISTURBED}", failed, "requests", 0))
    for figure, value in WRITES.items():
        limit = 0 if figure in ("lost", "duplicated") else None
        found.append(measured(f"{name}: tasks: {figure}", value, "writes", limit))
    return found


@pytest.fixture
def signoff() -> dict[str, Any]:
    data = finished(broken=False)
    data["measurements"] = [
        *of_experiment("rollout"),
        *of_experiment("kills", ("backend",), failed=2),
        measured("node restart: backend Ready again", 41.0, "s", 120),
        measured("time to diagnosis: image", 21.0, "s", 20),
        measured("slow start", 3.0, "s"),
    ]
    return data


def test_kinds_of_traffic_and_writes_are_rows(signoff: dict[str, Any]) -> None:
    (_, _, traffic), (_, _, writes) = measurements_context(signoff, ())["tables"]
    assert [(row.experiment, row.kind, row.result, row.rules) for row in traffic] == [
        ("rollout", "backend", "passed", ("STA-08",)),
        ("rollout", "frontend", "passed", ("STA-08",)),
        ("kills", "backend", "failed", ("STA-08",)),
    ]
    assert {*traffic[0].figures} == {*TRAFFIC, *TIMES, UNDISTURBED}
    assert [(row.experiment, row.kind, {*row.figures}) for row in writes] == [
        ("rollout", "tasks", {*WRITES}),
        ("kills", "tasks", {*WRITES}),
    ]


def test_other_figures_are_judged_one_by_one(signoff: dict[str, Any]) -> None:
    context = measurements_context(signoff, ())
    assert [(each["name"], context["result_of"](each)) for each in context["other_measurements"]] == [
        ("node restart: backend Ready again", "passed"),
        ("time to diagnosis: image", "failed"),
        ("slow start", "not judged"),
    ]


def test_every_measurement_is_on_the_page_once(signoff: dict[str, Any]) -> None:
    context = measurements_context(signoff, ())
    in_rows = [each for _, _, rows in context["tables"] for row in rows for each in row.figures.values()]
    assert sorted(each["name"] for each in (*in_rows, *context["other_measurements"])) == sorted(
        each["name"] for each in signoff["measurements"]
    )


def test_row_links_to_its_figure(signoff: dict[str, Any]) -> None:
    signoff["measurements"].append(measured("rollout: backend: tasks: lost", 0, "writes", 0))
    page = html.render(signoff, [Picture("rollout", "<svg/>", "No request failed.")])
    assert page.count('href="#figure-rollout"') == 4
    assert "rollout</a>: backend: tasks" in page
    assert 'id="figure-rollout"' in page


def test_run_without_measurements_says_so() -> None:
    assert "Nothing was measured in this run." in html.render(finished(broken=False))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0123, "12.3 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (1234.5, "1,234 s"),
        (0, "0 s"),
    ],
)
def test_times_have_readable_units(seconds: float, expected: str) -> None:
    assert format_time(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245.2, "4 min 05 s"),
        (3599.6, "1 h 00 min 00 s"),
        (7322, "2 h 02 min 02 s"),
    ],
)
def test_durations_have_readable_units(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_figures_are_readable_without_colour_and_named_where_pointed_at() -> None:
    run = recorded_experiment()
    run.annotations += [Annotation(3.0, "upgrade <one>"), Annotation(3.05, "upgrade two")]
    drawn = timeline.availability(run, [COMPONENT])
    drawn += timeline.curves(run.annotations, 1.0, 10.0, {"replicas": {"desired": [(1.0, 2.0)], "Ready": [(2.0, 2.0)]}})
    sizes = {float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn)}
    assert min(sizes) >= 9
    assert set(re.findall(r"fill: (#[0-9a-f]{6})[^>]*>[^<]+</text>", drawn)) <= {"#4a5568"}  # else it is black
    for words in (
        "pod starting",
        "pod Ready",
        "pod terminating",
        "v1 1",
        "1: 2 s, upgrade &lt;one&gt;",
        "2: 2 s, upgrade",
    ):
        assert words in drawn, words
    for title in ("backend, 4 s: 1 failed", "shop-api-1, version 1: terminating 7.0–8.0 s"):
        assert f'<g class="tip"><title>{title}</title>' in drawn
    assert drawn.count("<pattern") >= 3  # failed, terminating, and their legend
    assert "stroke-dasharray: 5.55,2.4" in drawn


def test_drawings_on_one_page_have_identifiers_of_their_own() -> None:
    svg = timeline.availability(recorded_experiment(), [COMPONENT])
    page = "".join(drawing(Picture("one", svg, 'a "caption"'), number) for number in (1, 2))
    identifiers = re.findall(r'\sid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers)) > 0
    assert set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page)) <= set(identifiers)
    assert 'role="img" aria-label="a &#34;caption&#34;"' in page
    assert drawing(Picture("one", "<svg><text>[redacted</svg>", "a"), 1).startswith(
        '<img src="data:image/svg+xml;base64,'
    )


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (9.4646, "s", "9.46 s"),
        (64.48, "s", "1 min 04 s"),
        (0.0123, "seconds", "12.3 ms"),
        (3, "requests", "3 requests"),
    ],
)
def test_amounts_have_the_unit_of_a_reader(value: float, unit: str, expected: str) -> None:
    assert format_amount(value, unit) == expected
