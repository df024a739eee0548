"""The target's waivers, and whether they are used, unused or expired."""

from __future__ import annotations

from typing import Any

from acceptance.report.results import Results
from acceptance.report.sections.section import Evaluation, Section


def waivers_data(results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Return `waivers`."""
    today = evaluation.ended.date()
    used = {classified.waiver for test in results.tests.values() for classified in test.classified}
    return {
        "waivers": [
            {
                **waiver.model_dump(mode="json"),
                "state": "used" if waiver in used else "expired" if today > waiver.until else "unused",
            }
            for waiver in results.target.waivers
        ]
    }


WAIVERS = Section("waivers", "Waivers", waivers_data)
