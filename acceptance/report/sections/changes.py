"""What changed since the target's earlier runs, from the history in the folder for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.report.results import Picture
from acceptance.report.sections.section import Section


def changed(changes: Mapping[str, Any]) -> str:
    """Return how much of each kind changed, in words."""
    counts = {
        "new finding": changes["findings"]["new"],
        "finding gone": changes["findings"]["fixed"],
        "changed result": changes["levels"],
        "figure above its limit of history": changes["figures"],
        "other image": changes["images"],
        "flaky level": changes["flaky"],
    }
    plural = {
        "finding gone": "findings gone",
        "figure above its limit of history": "figures above their limits of history",
    }
    texts = [
        f"{len(found)} {word if len(found) == 1 else plural.get(word, f'{word}s')}"
        for word, found in counts.items()
        if found
    ]
    return ", ".join(texts) or "nothing changed"


def changes_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `changes`; None where there is no earlier run to compare with."""
    changes = signoff.get("changes")
    return {"changes": changes if changes and changes["runs"] else None, "changed": changed}


CHANGES = Section("changes", "Changes", context=changes_context)
