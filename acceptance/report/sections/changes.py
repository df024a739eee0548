"""What changed since the target's earlier runs, from the history in the folder for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.report.results import Picture
from acceptance.report.sections.section import Section


def changes_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `changes`; None where there is no earlier run to compare with."""
    changes = signoff.get("changes")
    return {"changes": changes if changes and changes["runs"] else None}


CHANGES = Section("changes", "Changes", context=changes_context)
