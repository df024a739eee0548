"""A run for CI: a summary in Markdown, and annotations of GitHub Actions at the findings' places in the chart."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from acceptance.checks.grouping import SEVERITIES
from acceptance.report.amounts import format_amount
from acceptance.report.finding_text import finding_line, shortened
from acceptance.report.sections.not_tested import untested_lines
from acceptance.report.verdict import OUTCOMES

MAX_FINDINGS = 50
"""The findings that a summary lists; the page has all."""
MAX_LINES = 15
"""The lines of its other lists."""
MAX_LINE = 500
"""The characters of a line: GitHub refuses a summary of more than 1 MiB."""
MARKUP = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown does not take literally; underscores within a word it does."""


def markdown(signoff: Mapping[str, Any]) -> str:
    """Return the verdict, its reasons, the blocking findings and the changes as Markdown."""
    chart = signoff["subject"]["chart"]
    counts = Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values())
    results = ", ".join(f"{counts[result]} {result}" for result in reversed(OUTCOMES) if counts[result])
    lines = [f"## {_escaped(chart['name'])} {_escaped(chart['version'] or '')}: {signoff['verdict']}", ""]
    lines += [f"- {_escaped(reason)}" for reason in signoff["reasons"]]
    if signoff["verdict"] == "accepted":
        lines.append("Every rule is tested at every level and passed or is waived.")
    lines += ["", f"Levels: {results}."]
    by_severity = Counter(finding["severity"] for finding in signoff["findings"])
    blocking = [finding for finding in signoff["findings"] if finding["severity"] == "blocking"]
    if signoff["findings"]:
        numbers = ", ".join(f"{by_severity[each]} {each}" for each in SEVERITIES if by_severity[each])
        lines += ["", "### Findings", "", f"{numbers}.", ""]
        lines += _list([finding_line(each) for each in blocking], MAX_FINDINGS)
    if untested := untested_lines(signoff):
        lines += ["", "### Not tested", "", *_list(untested, MAX_LINES)]
    return "\n".join([*lines, *_changes(signoff)]) + "\n"


def _changes(signoff: Mapping[str, Any]) -> Iterator[str]:
    changes = signoff.get("changes")
    if not changes or not changes["runs"]:
        return
    since = changes["since"]
    last = f"the last run of the same levels, which was {since['verdict']}" if since else "earlier runs"
    yield from ("", f"### Since {last}", "")
    for word, found in (("new", changes["findings"]["new"]), ("gone", changes["findings"]["fixed"])):
        yield from _list([f"{word}: {each['rule']} {each['object']}" for each in found], MAX_LINES)
    figures = [
        f"{each['name']}: {format_amount(each['value'], each['unit'])}, "
        f"above its limit of history {format_amount(each['limit'], each['unit'])}"
        for each in changes["figures"]
    ]
    yield from _list(figures, MAX_LINES)
    yield from _list([f"image of the {each['name']}: {each['now'][:19]}" for each in changes["images"]], MAX_LINES)
    changed, flaky = len(changes["levels"]), len(changes["flaky"])
    levels = "level is" if flaky == 1 else "levels are"
    yield f"- {changed} {'result' if changed == 1 else 'results'} changed, {flaky} {levels} flaky"


def _list(texts: Sequence[str], most: int) -> Iterator[str]:
    yield from (f"- {_escaped(shortened(text, MAX_LINE))}" for text in texts[:most])
    if len(texts) > most:
        yield f"- and {len(texts) - most} more, on the page"


def github_annotations(signoff: Mapping[str, Any], folder: str) -> Iterator[str]:
    """Yield a workflow command of GitHub Actions for each field of a finding whose place is known.

    Args:
        signoff: The data of signoff.json.
        folder: The folder of the target file in the repository, which the places are relative to; empty for its root.
    """
    for finding in signoff["findings"]:
        kind = {"blocking": "error", "advice": "notice", "waived": "notice"}[finding["severity"]]
        for field in finding["fields"]:
            file, _, line = field["place"].partition(":")
            if not file or field["see"]:
                continue
            path = posixpath.normpath(PurePosixPath(folder, file))  # a chart may be `../chart`
            where = f"file={_property(path)}" + (f",line={line}" if line else "")
            text = f"{finding['object']}: {field['field']}: expected {field['expected']}, actual {field['actual']}"
            yield f"::{kind} {where},title={_property(finding['rule'])}::{_data(text)}"


def _escaped(text: str) -> str:
    """Return a text in one line of Markdown, in which nothing is a tag, a link, a picture or emphasis."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return MARKUP.sub(r"\\\g<0>", line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
