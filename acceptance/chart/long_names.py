"""Names at the limits: of an override that makes a name one character too long, and of a release with the longest name.

A helper that cuts a name before it appends a suffix makes every name that it gives too long: that is one finding.
"""

from __future__ import annotations

import re
from dataclasses import replace

from acceptance import checks
from acceptance.chart.bounds import Case, value_path
from acceptance.chart.renderer import How, Renderer
from acceptance.checks.clauses import NAMED_BY_RULES
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.renderings import check_all
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import name_of
from acceptance.core.values import nested

LONGEST = f"acceptance-{'x' * 42}"
"""A release's name may have 53 characters."""
INVALID = re.compile(r"^Invalid value: (?:\"[^\"]*\": )?")
"""How the API server begins what it says of a name."""

MAX_LABEL = 63
"""Of a name that is an RFC 1123 label."""


def too_long_name(renderer: Renderer, base: Snapshot) -> Case:
    """Return a case whose name override makes the longest name of an object one character too long.

    Raises:
        Untested: The target has no path for the override, or no name begins with what is overridden.
    """
    trial = "acceptance"
    path = value_path(renderer.target, None, "name_override")
    snapshot = renderer.with_values(base, nested(path, trial))
    names = [name_of(item) for kind in NAMED_BY_RULES for item in snapshot.of_kind(kind)]
    lengths = [len(name) for name in names if name.startswith(trial)]
    if not lengths:
        raise Untested(f"no name of an object begins with {path}")
    value = "a" * (MAX_LABEL + 1 - max(lengths) + len(trial))
    return Case("DEP-01", f"names of {MAX_LABEL + 1} characters", "name_override", value, refused=True)


def longest_release_name(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return one finding of all objects that would be refused only in a release with the longest name."""
    variant = "the longest release name"
    snapshot = renderer.with_values(base, {}, How(release=LONGEST), variant, hpa_off=False)
    assert snapshot.chart is not None
    if snapshot.chart.rendering.error is not None:
        return []  # in words of the chart's own, or as with every other name
    (valid,) = (each for each in checks.for_level("static") if each.rule == "CHT-09")
    found = check_all(valid, [(base, renderer.target)], [(replace(snapshot, advisory=True), renderer.target)])
    messages = {each.object: INVALID.sub("", each.actual) for each in reversed(found) if each.rendering == variant}
    if not messages:
        return []
    refused = [
        f"{', '.join(shortened(ref) for ref, text in messages.items() if text == message)}: {message}"
        for message in sorted(set(messages.values()))
    ]
    expected = f"names and labels of at most {MAX_LABEL} characters, each cut with its suffix"
    advice = not renderer.target.strict
    return [Finding("CHT-09", "chart", "names", expected, "; ".join(refused), advice, rendering=variant)]


def shortened(reference: str) -> str:
    """Return an object's reference with what begins with the release's name as `Kind/…-suffix`."""
    return reference.replace(LONGEST, "…")
