"""The documentation refers only to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT

FOLDERS = sorted(
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "reports"
)
NOT_NEW = r"(?!`? \(new\))"
"""A recipe marks a file that its reader creates with `(new)`."""
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
FILE = re.compile(rf"(?<![\w/.<-])((?:{'|'.join(FOLDERS)})/[\w./()-]*\.\w+)(?:::(\w+))?{NOT_NEW}")
FOLDER = re.compile(rf"`((?:{'|'.join(FOLDERS)})(?:/[\w-]+)*)/?`{NOT_NEW}")
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "chart/*.md", "app/frontend/*.md") for path in ROOT.glob(pattern)
)


def identify(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_links_resolve(document: Path) -> None:
    broken = [
        link for link in LINK.findall(document.read_text(encoding="utf-8")) if not (document.parent / link).exists()
    ]
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {*((path, test) for path, test in FILE.findall(text)), *((path, "") for path in FOLDER.findall(text))}
    missing = [path for path, _ in named if not any((base / path).exists() for base in (ROOT, document.parent))]
    assert not missing
    assert not [
        f"{path}::{test}" for path, test in named if test and f"def {test}(" not in (ROOT / path).read_text("utf-8")
    ]


def test_a_missing_file_is_noticed() -> None:
    text = "`acceptance/core/nothing.py`, `tests/nothing`, mutants/other.py (new), `mutants/third.py` (new)"
    assert FILE.findall(text) == [("acceptance/core/nothing.py", "")]
    assert FOLDER.findall(text) == ["tests/nothing"]
