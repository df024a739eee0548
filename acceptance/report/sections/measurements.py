"""Figures, and pictures of what happened: traffic and writes as a row for each kind, all other figures one by one."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from markupsafe import Markup

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

UNUSED_ID = re.compile(r'<g id="[^"]*"')
"""An identifier of matplotlib's that nothing refers to."""
IDENTIFIER = re.compile(r'(?<=\sid=")|(?<=url\(#)|(?<=href="#)')


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
    """Return the tables of rows, the remaining figures, and each picture with its drawing."""
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
        "pictures": [(picture, drawing(picture, number)) for number, picture in enumerate(pictures, 1)],
        "figure_ids": {picture.name: f"figure-{safe_file_name(picture.name)}" for picture in pictures},
    }


def _table_of(measurement: Data) -> str | None:
    """Return the table that has a measurement's figure, or None."""
    _, kind, figure = _parts(measurement)
    if not kind:
        return None
    if figure in BESIDE:
        return "Traffic"
    return next((name for name, columns in TABLES.items() if figure in columns), None)


def _parts(measurement: Data) -> tuple[str, str, str]:
    """Return the experiment, the kind of its traffic or writes, such as `backend: tasks`, and the figure."""
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


def drawing(picture: Picture, number: int) -> Markup:
    """Return a picture as part of the page, which shows its texts where the pointer is; the policy runs no script.

    Identifiers are its own. What is no XML, such as after a redaction, becomes an image, which can't break the page.
    """
    svg = picture.svg[max(picture.svg.find("<svg"), 0) :]
    try:
        ET.fromstring(svg)  # noqa: S314 - of this run or its shards; it is parsed to see that it is whole
    except ET.ParseError:
        uri = "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode()).decode()
        return Markup('<img src="{}" alt="{}">').format(uri, picture.caption)
    svg = UNUSED_ID.sub("<g", svg)
    svg = IDENTIFIER.sub(rf"\g<0>figure-{number}-", svg)
    label = Markup('<svg role="img" aria-label="{}"').format(picture.caption)
    return label + Markup(svg.removeprefix("<svg"))  # noqa: S704 - it is XML that the suite drew


MEASUREMENTS = Section("measurements", "Measurements", measurements_data, measurements_context)
