"""The report's page for the release approver: one file that needs nothing else, made from signoff.json's data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from acceptance.core.rules import LEVELS
from acceptance.report.results import Picture
from acceptance.report.sections import SECTIONS
from acceptance.report.trend import trend_line
from acceptance.report.verdict import OUTCOMES


def format_duration(seconds: float) -> str:
    """Format seconds as `12.3 s`, or as `4 min 05 s` from a minute on."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def format_figure(value: float) -> str:
    """Format a figure with four significant digits, thousands separated."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals |= {
    "levels": LEVELS,
    "outcomes": OUTCOMES,
    "marks": {"passed": "✓", "failed": "✗", "error": "!", "untested": "–", "waived": "~"},
    "duration": format_duration,
    "figure": format_figure,
    "trend_line": trend_line,
}


def write(folder: Path, signoff: Mapping[str, Any], pictures: Sequence[Picture]) -> None:
    """Write signoff.json and index.html into `folder`; secrets must be redacted already."""
    data = json.dumps(signoff, indent=2, ensure_ascii=False)
    (folder / "signoff.json").write_text(data + "\n", encoding="utf-8")
    (folder / "index.html").write_text(render(signoff, pictures), encoding="utf-8")


def template(name: str) -> jinja2.Template:
    """Return a page's template, with the report's filters and functions."""
    return _TEMPLATES.get_template(name)


def render(signoff: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """Render the page of a run from the data of its signoff.json."""
    context: dict[str, Any] = {}
    for section in SECTIONS:
        context |= section.context(signoff, pictures)
    return template("index.html").render(
        signoff=signoff,
        sections=SECTIONS,
        counts=Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values()),
        **context,
    )
