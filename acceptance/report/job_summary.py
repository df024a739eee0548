"""A run for CI: a summary in Markdown, and annotations of GitHub Actions at the findings' places in the chart."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from acceptance.report.finding_text import finding_line

MAX_FINDINGS = 50
"""The findings that a summary lists; the page has all."""
MARKUP = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown does not take literally; underscores within a word it does."""


def markdown(signoff: Mapping[str, Any]) -> str:
    """Return the verdict, its reasons, the blocking findings and the changes as Markdown."""
    chart = signoff["subject"]["chart"]
    counts = Counter(level["result"] for rule in signoff["rules"].values() for level in rule["levels"].values())
    lines = [
        f"## {_escaped(chart['name'])} {_escaped(chart['version'] or '')}: {signoff['verdict']}",
        "",
        *(f"- {_escaped(reason)}" for reason in signoff["reasons"]),
        "",
        f"Levels: {', '.join(f'{count} {result}' for result, count in counts.items())}.",
    ]
    blocking = [finding for finding in signoff["findings"] if finding["severity"] == "blocking"]
    if blocking:
        lines += ["", "### Findings", "", *(f"- {_escaped(finding_line(each))}" for each in blocking[:MAX_FINDINGS])]
        if len(blocking) > MAX_FINDINGS:
            lines.append(f"- and {len(blocking) - MAX_FINDINGS} more, on the page")
    changes = signoff.get("changes")
    if changes and changes["runs"]:
        new, fixed = changes["findings"]["new"], changes["findings"]["fixed"]
        since = changes["since"]
        last = f"the last run of the same levels, which was {since['verdict']}" if since else "earlier runs"
        lines += ["", f"### Since {last}", ""]
        lines += [f"- new: {each['rule']} {_escaped(each['object'])}" for each in new]
        lines += [f"- gone: {each['rule']} {_escaped(each['object'])}" for each in fixed]
        lines += [
            f"- {_escaped(each['name'])}: {each['value']:g} {each['unit']}, usually {each['low']:g} to {each['high']:g}"
            for each in changes["figures"]
        ]
        lines.append(f"- {len(changes['levels'])} results changed, {len(changes['flaky'])} levels are flaky")
    return "\n".join(lines) + "\n"


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
    """A text in one line of Markdown, in which nothing is a tag, a link, a picture or emphasis."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return MARKUP.sub(r"\\\g<0>", line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
