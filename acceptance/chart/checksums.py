"""CFG-10 of checksums of files: one that hashes no file stays the same when the files change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from acceptance.chart.files import templates
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding

ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
FILES = re.compile(r"\.Files\.(?:Get|GetBytes|Glob|Lines)\s+(?:\"([^\"]*)\"|`([^`]*)`)")
HASH = re.compile(r"\b(?:adler32|sha1|sha256|sha512)sum\b")


def constant_checksums(renderer: Renderer) -> list[Finding]:
    """Return a finding for each checksum of files that the chart does not have.

    A pattern that the templates use elsewhere too may be meant for files that a user adds.
    """
    uses = [(path, *use) for path, text in templates(renderer.chart) for use in _uses(text)]
    contents = {pattern for _, pattern, hashed in uses if not hashed}
    folders = [renderer.chart, *(each for each in renderer.chart.glob("charts/*") if each.is_dir())]
    present = [str(file.relative_to(folder)) for folder in folders for file in folder.rglob("*") if file.is_file()]
    expected, advice = "a checksum of files of the chart", not renderer.target.strict
    return [
        Finding("CFG-10", "chart", path, expected, f"{pattern} matches none", advice)
        for path, pattern, hashed in dict.fromkeys(uses)
        if hashed and pattern not in contents and not any(fnmatchcase(file, pattern) for file in present)
    ]


def _uses(template: str) -> Iterator[tuple[str, bool]]:
    """Yield each name or pattern of files in a template, and whether a checksum is made of them."""
    for action in ACTION.findall(template):
        for names in FILES.findall(action):
            pattern = "".join(names)
            if "{" not in pattern:  # alternatives, which fnmatch does not know
                yield pattern, HASH.search(action) is not None
