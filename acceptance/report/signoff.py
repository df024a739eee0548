"""signoff.json: the run as data, assembled from the report's sections as spec/signoff.schema.json describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acceptance.core import digests
from acceptance.report import run_folder
from acceptance.report.recorded import RecordError
from acceptance.report.results import Results
from acceptance.report.sections import SECTIONS, Evaluation

FILE = run_folder.SIGNOFF
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


def results_digest(signoff: Mapping[str, Any]) -> str:
    """Return the digest of everything that signoff.json says but of the other files; the page shows it."""
    return digests.of_data({key: value for key, value in signoff.items() if key != "files"})


def write(folder: Path, signoff: Mapping[str, Any]) -> None:
    """Write signoff.json into a run's folder after all other files, with the digest of each."""
    content = {**signoff, "files": files(folder)}
    (folder / FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def files(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a run's folder but signoff.json, by its path."""
    found = digests.of_folder(folder)
    return {path: digest for path, digest in found.items() if path not in (FILE, run_folder.LOCK)}


def read(folder: Path) -> dict[str, Any]:
    """Return the data of a run's signoff.json. Raises `RecordError`."""
    try:
        data: object = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder} has no results of a run: {FILE} can't be read") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise RecordError(f"{folder / FILE} has no results of a run, or of another version of the suite")
    return data
