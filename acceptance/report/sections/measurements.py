"""Figures, and pictures of what happened: traffic and writes as a row for each kind, all other figures one by one."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from acceptance.report.results import UNDISTURBED, Picture, Results
from acceptance.report.run_folder import safe_file_name
from acceptance.report.sections.section import Evaluation, Section

Data = Mapping[str, Any]
"""A measurement of signoff.json."""
TABLES: Mapping[str, Mapping[str, str]] = {
    "Traffic": {
        "requests": "Requests",
        UNDISTURBED: "Failed undisturbed",
        "failed": "Failed in all",
        "p50": "p50",
        "p95": "p95",
        "p99": "p99",
        "longest_outage": "Longest outage",
    },
    "Writes": {
        "acknowledged": "Acknowledged",
        "unacknowledged": "Unacknowledged",
        "stored": "Stored",
        "lost": "Lost",
        "duplicated": "Duplicated",
    },
}
"""The columns of each table: a figure, as the last part of a measurement's name, and its heading."""
BESIDE = frozenset({"new_connections", "reused_connections", "refused_as_expected"})
"""Figures of traffic that its row states beside the number of requests."""


@dataclass
class Row:
    """One kind of traffic, or of writes, in one experiment."""

    experiment: str
    kind: str
    figures: dict[str, Data] = field(default_factory=dict)
    rules: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The worst result of its figures; what is not judged does not count beside what is."""
        return _worst(map(result, self.figures.values()))


def measurements_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `measurements`."""
    return {"measurements": [asdict(measurement) for measurement in results.measurements]}


def result(measurement: Data) -> str:
    """Return `passed`, `failed`, or `not judged` for a figure without a limit."""
    if measurement["limit"] is None:
        return "not judged"
    return "passed" if measurement["value"] <= measurement["limit"] else "failed"


def _worst(results: Iterable[str]) -> str:
    found = set(results)
    return next(each for each in ("failed", "passed", "not judged") if each in found)


def measurements_context(signoff: Data, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return the tables of rows, the figures that are in none, and each picture with its SVG as a data URI."""
    rows: dict[str, dict[tuple[str, str], Row]] = {name: {} for name in TABLES}
    others = []
    rules = _rules_by_test(signoff)
    for each in signoff["measurements"]:
        name = _table_of(each)
        if name is None:
            others.append(each)
            continue
        experiment, kind, figure = _parts(each)
        row = rows[name].setdefault((experiment, kind), Row(experiment, kind))
        row.figures[figure] = each
        row.rules = tuple(dict.fromkeys((*row.rules, *rules.get(each["test"], ()))))
    return {
        "tables": [(name, TABLES[name], list(found.values())) for name, found in rows.items() if found],
        "other_measurements": others,
        "result_of": result,
        "pictures": [(picture, _data_uri(picture.svg)) for picture in pictures],
        "figure_ids": {picture.name: f"figure-{safe_file_name(picture.name)}" for picture in pictures},
    }


def _table_of(measurement: Data) -> str | None:
    """The table that has a measurement's figure, or None."""
    _, kind, figure = _parts(measurement)
    if not kind:
        return None
    if figure in BESIDE:
        return "Traffic"
    return next((name for name, columns in TABLES.items() if figure in columns), None)


def _parts(measurement: Data) -> tuple[str, str, str]:
    """The experiment, the kind of its traffic or writes, such as `backend: tasks`, and the figure."""
    experiment, _, rest = measurement["name"].partition(": ")
    kind, _, figure = rest.rpartition(": ")
    return experiment, kind, figure


def _rules_by_test(signoff: Data) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for identifier, rule in signoff["rules"].items():
        for level in rule["levels"].values():
            for test in level["tests"]:
                found.setdefault(test["test"], []).append(identifier)
    return found


def _data_uri(svg: str) -> str:
    # As an image it can neither run scripts nor share identifiers with another picture.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


MEASUREMENTS = Section("measurements", "Measurements", measurements_data, measurements_context)
