"""The evidence that the page shows itself: the end of each file, as much as fits a page of a moderate size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MAX_FILE = 4_000
"""The characters that the page shows of a file: its end, where a log says why."""
MAX_TOTAL = 400_000
"""The characters that it shows of all files; of further ones it has links alone."""


def excerpts(folder: Path, signoff: Mapping[str, Any]) -> dict[str, str]:
    """Return what the page shows of the evidence in a run's folder, by the files' paths; of equal texts the first."""
    shown: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    left = MAX_TOTAL
    for path in dict.fromkeys(path for files in signoff["evidence"].values() for path in files):
        text = _end_of(folder / path)
        if text and len(text) <= left and (Path(path).name, text) not in seen:
            seen.add((Path(path).name, text))
            shown[path] = text
            left -= len(text)
    return shown


def evidence_of(tests: Iterable[str], signoff: Mapping[str, Any]) -> list[str]:
    """Return the paths of the evidence of some tests, each once."""
    return list(dict.fromkeys(path for test in tests for path in signoff["evidence"].get(test, ())))


def _end_of(file: Path) -> str:
    if file.suffix != ".txt":
        return ""
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return text if len(text) <= MAX_FILE else f"… (the end of {len(text):,} characters)\n{text[-MAX_FILE:]}"
