"""The last lines on the terminal: what was found and not tested, the verdict with its reasons, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acceptance.report.finding_text import finding_line, shortened
from acceptance.report.sections.not_tested import untested_lines

MAX_FINDINGS = 20
MAX_REASONS = 5
"""The reasons for which something is untested that are named."""
MAX_LINE = 300
"""The characters of a line; the page has all."""


def closing_lines(signoff: Mapping[str, Any], report: str) -> Iterator[str]:
    """Yield the lines; `report` is the path of the page."""
    blocking = [finding for finding in signoff["findings"] if finding["severity"] == "blocking"]
    yield from _first("finding", [finding_line(each) for each in blocking], MAX_FINDINGS)
    if advice := sum(finding["severity"] == "advice" for finding in signoff["findings"]):
        yield f"advice: {advice} finding{' that does' if advice == 1 else 's that do'} not reject the release"
    yield from _first("untested", untested_lines(signoff), MAX_REASONS)
    yield f"release {signoff['verdict']}"
    yield from (f"- {reason}" for reason in signoff["reasons"])
    yield f"report: {report}"
    if blocking:
        yield f"repeat the first finding: {blocking[0]['command']}"


def _first(word: str, texts: Sequence[str], most: int) -> Iterator[str]:
    yield from (f"{word}: {shortened(text, MAX_LINE)}" for text in texts[:most])
    if len(texts) > most:
        yield f"{word}: and {len(texts) - most} more, on the page"
