"""The report's page for the release approver: one file that needs nothing else, made from signoff.json's data."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from acceptance.core import digests
from acceptance.core.rules import LEVELS
from acceptance.report.results import Picture
from acceptance.report.run_folder import safe_file_name
from acceptance.report.sections import SECTIONS
from acceptance.report.signoff import results_digest
from acceptance.report.trend import trend_line
from acceptance.report.verdict import OUTCOMES


def format_duration(seconds: float) -> str:
    """Format seconds as `12.3 s`, as `4 min 05 s` from a minute on, or as `2 h 04 min 05 s` from an hour on."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def format_figure(value: float) -> str:
    """Format a figure with four significant digits, thousands separated."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_time(seconds: float) -> str:
    """Format a short time with three significant digits at most: `12.3 ms`, or `1.23 s` from a second on."""
    value, unit = (seconds, "s") if seconds >= 0.9995 else (1000 * seconds, "ms")
    return f"{value:,.0f} {unit}" if value >= 999.5 else f"{value:.3g} {unit}"


FILE = "index.html"
TEMPLATES = Path(__file__).parent / "templates"


def anchor(finding: Mapping[str, Any]) -> str:
    """Return the identifier of a finding on the page, the same in every run that has it."""
    key = [finding["rule"], finding["object"], finding["severity"]]
    return f"{safe_file_name('-'.join(['finding', *key]))}-{digests.of_data(key).removeprefix(digests.PREFIX)[:8]}"


def source(name: str) -> Markup:
    """Return a script as it stands on the page; it contains nothing of a run."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of the report


def digest(name: str) -> str:
    """Return the digest by which the page's policy permits a script, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source(name).encode()).digest()).decode()


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
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
    "time": format_time,
    "trend_line": trend_line,
    "anchor": anchor,
    "source": source,
    "digest": digest,
}


def write(folder: Path, signoff: Mapping[str, Any], pictures: Sequence[Picture]) -> None:
    """Write index.html into `folder`; secrets must be redacted already."""
    (folder / FILE).write_text(render(signoff, pictures), encoding="utf-8")


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
        sections=[section for section in SECTIONS if section.is_shown(signoff)],
        results_digest=results_digest(signoff),
        counts=Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values()),
        **context,
    )
