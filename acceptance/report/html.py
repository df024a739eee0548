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
from acceptance.report.amounts import format_amount, format_duration, format_figure
from acceptance.report.evidence import evidence_of, excerpts
from acceptance.report.finding_text import headline
from acceptance.report.reasons import linked, rule_anchor
from acceptance.report.results import Picture
from acceptance.report.run_folder import safe_file_name
from acceptance.report.sections import SECTIONS
from acceptance.report.signoff import results_digest
from acceptance.report.trend import trend_line
from acceptance.report.verdict import OUTCOMES

FILE = "index.html"
TEMPLATES = Path(__file__).parent / "templates"
BRIEF = 4
"""The findings, and the reasons for which something is untested, that the first screen names."""
SHOWN_FINDINGS = 3
"""The findings of one rule that are not folded."""
SHOWN_FIELDS = 5
"""The fields of one finding that are not folded."""


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
    "amount": format_amount,
    "trend_line": trend_line,
    "anchor": anchor,
    "evidence_of": evidence_of,
    "headline": headline,
    "linked": linked,
    "rule_anchor": rule_anchor,
    "brief": BRIEF,
    "shown_findings": SHOWN_FINDINGS,
    "shown_fields": SHOWN_FIELDS,
    "source": source,
    "digest": digest,
}


def write(folder: Path, signoff: Mapping[str, Any], pictures: Sequence[Picture]) -> None:
    """Write index.html into `folder`, after its evidence; secrets must be redacted already."""
    (folder / FILE).write_text(render(signoff, pictures, excerpts(folder, signoff)), encoding="utf-8")


def template(name: str) -> jinja2.Template:
    """Return a page's template, with the report's filters and functions."""
    return _TEMPLATES.get_template(name)


def render(
    signoff: Mapping[str, Any], pictures: Sequence[Picture] = (), evidence: Mapping[str, str] | None = None
) -> str:
    """Render the page of a run from the data of its signoff.json, its pictures, and what is shown of its evidence."""
    context: dict[str, Any] = {}
    for section in SECTIONS:
        context |= section.context(signoff, pictures)
    sections = [section for section in SECTIONS if section.is_shown(signoff)]
    return template("index.html").render(
        signoff=signoff,
        sections=sections,
        anchors={section.anchor for section in sections},
        sizes=Counter(
            findings=len(signoff["findings"]),
            errors=sum(map(len, context["errors"].values())) + len(signoff["unit_tests"]["failed"]),
            waivers=len(signoff["waivers"]),
        ),
        excerpts=evidence or {},
        results_digest=results_digest(signoff),
        counts=Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values()),
        **context,
    )
