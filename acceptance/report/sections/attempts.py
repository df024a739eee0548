"""Attempts at experiments: which were inconclusive and repeated, and the load of the machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from acceptance.report.results import Results
from acceptance.report.sections.section import Evaluation, Section


def attempts_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `attempts`."""
    return {"attempts": [asdict(attempt) for attempt in results.attempts]}


ATTEMPTS = Section("attempts", "Experiments", attempts_data)
