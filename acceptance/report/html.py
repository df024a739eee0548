"""What a run leaves for people: index.html, one page that needs nothing else, and signoff.json, its data."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from acceptance.core.rules import LEVELS
from acceptance.report.signoff import Picture
from acceptance.report.verdict import OUTCOMES

SLOWEST = 12
"""Tests that the page names by their time."""
SHOWN_SECONDS = 0.1
"""A fixture that took less is left out of the page."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(folder: Path, signoff: Mapping[str, Any], pictures: Sequence[Picture]) -> None:
    """Write both files into `folder`; what they hold is to be free of secrets already."""
    data = json.dumps(signoff, indent=2, ensure_ascii=False)
    (folder / "signoff.json").write_text(data + "\n", encoding="utf-8")
    (folder / "index.html").write_text(render(signoff, pictures), encoding="utf-8")


def render(signoff: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """The page of a run, from the data of its signoff.json."""
    return _TEMPLATES.get_template("index.html").render(
        signoff=signoff,
        levels=LEVELS,
        outcomes=OUTCOMES,
        marks={"passed": "✓", "failed": "✗", "error": "!", "untested": "–", "waived": "~"},
        entities=_entities(signoff["rules"]),
        counts=Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values()),
        errors=_errors(signoff["rules"]),
        pictures=[(each, _data_uri(each.svg)) for each in pictures],
        times=_times(signoff["durations"]),
        duration=_duration,
        figure=_figure,
        whys=_whys,
    )


def _entities(rules: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Entities in the rules' order: their rules, and how many levels ended how."""
    entities: dict[str, dict[str, Any]] = {}
    for identifier, rule in rules.items():
        entity = entities.setdefault(rule["entity"], {"rules": {}, "levels": {level: Counter() for level in LEVELS}})
        entity["rules"][identifier] = rule
        for level, result in rule["levels"].items():
            entity["levels"][level][result["result"]] += 1
    return entities


def _whys(rule: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str]]]:
    """Why a rule's levels did not pass, the parts named where they differ."""
    whys = []
    for level, result in rule["levels"].items():
        parts = result["parts"]
        alike = len({(said["result"], said["reason"]) for said in parts.values()}) == 1
        for part, said in parts.items() if not alike else [("", next(iter(parts.values())))]:
            if said["result"] != "passed":
                whys.append((f"{level}, {part}" if part else level, said))
    return whys


def _errors(rules: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tests that could not judge, by what kept them from it: one broken fixture fails many."""
    errors: dict[str, list[str]] = {}
    for rule in rules.values():
        for level in rule["levels"].values():
            for test in level["tests"]:
                if test["result"] == "error" and test["test"] not in errors.setdefault(test["reason"], []):
                    errors[test["reason"]].append(test["test"])
    return errors


def _data_uri(svg: str) -> str:
    # As an image it can neither run scripts nor meet the identifiers of another picture.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _times(durations: Mapping[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """Seconds by what took them: fixtures in the order of the chain, folders of tests, the slowest tests."""
    fixtures, ends = [], []
    for each in durations["fixtures"]:
        where = f" ({each['where']})" if each["where"] else ""
        fixtures.append((f"{each['name']}{where}", each["setup"]))
        ends.append((f"{each['name']}{where}", each["teardown"]))
    calls = {test: float(phases.get("call", 0.0)) for test, phases in durations["tests"].items()}
    folders: Counter[str] = Counter()
    for test, seconds in calls.items():
        folders["/".join(test.split("/")[:2])] += seconds  # type: ignore[assignment]
    slowest = sorted(calls.items(), key=lambda entry: -entry[1])[:SLOWEST]
    shown = {"Set-up": fixtures, "Tests by folder": [*folders.items()], "Slowest tests": slowest, "Tear-down": ends}
    return {
        title: [(name, seconds) for name, seconds in rows if seconds >= SHOWN_SECONDS] for title, rows in shown.items()
    }


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def _figure(value: float) -> str:
    """A figure with four digits that matter, thousands apart."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
