"""What was not tested, by the reason: the most frequent first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.report.results import Picture
from acceptance.report.sections.section import Section


def untested_by_reason(signoff: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each reason with the rules and levels that are untested for it."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for identifier, rule in signoff["rules"].items():
        for level, result in rule["levels"].items():
            if result["result"] == "untested":
                for part in result["parts"].values():
                    if part["result"] == "untested":
                        found.setdefault(part["reason"], {})[identifier, level] = None
    return sorted(((reason, [*levels]) for reason, levels in found.items()), key=lambda each: -len(each[1]))


def untested_lines(signoff: Mapping[str, Any]) -> list[str]:
    """Return the number of levels and their reason, a line each."""
    return [
        f"{len(levels)} level{'' if len(levels) == 1 else 's'}: {reason}".replace("\n", "; ")
        for reason, levels in untested_by_reason(signoff)
    ]


def untested_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `untested`: rules and levels by reason; and `untested_lines`."""
    return {"untested": untested_by_reason(signoff), "untested_lines": untested_lines(signoff)}


def is_shown(signoff: Mapping[str, Any]) -> bool:
    """Return whether anything is untested."""
    return bool(untested_by_reason(signoff))


NOT_TESTED = Section("not-tested", "Not tested", context=untested_context, is_shown=is_shown)
