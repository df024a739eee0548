"""signoff.json: the run as data, assembled from the report's sections as spec/signoff.schema.json describes it."""

from __future__ import annotations

from typing import Any

from acceptance.report.results import Results
from acceptance.report.sections import SECTIONS, Evaluation

SCHEMA = "todo-chatbot-acceptance/signoff/3"


def assemble(results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Return the data of signoff.json; secrets are not redacted yet."""
    signoff: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": evaluation.verdict,
        "reasons": list(evaluation.reasons),
    }
    for section in SECTIONS:
        signoff |= section.data(results, evaluation)
    return signoff
