"""The documentation refers only to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from acceptance.cli.reference import reference
from acceptance.core.rules import ROOT

FOLDERS = sorted(
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "reports"
)
NEW = re.compile(r"`([\w./-]+)` \(new\)")
"""A recipe marks a file that its reader creates with `(new)`, where it first names it."""
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
FILE = re.compile(rf"(?<![\w/.<-])((?:{'|'.join(FOLDERS)})/[\w./()-]*\.\w+)(?:::(\w+))?")
FOLDER = re.compile(rf"`((?:{'|'.join(FOLDERS)})(?:/[\w-]+)*)/?`")
FORMER = ("spec/open-levels.yaml",)
"""Named by the changelog only."""
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


def test_reference_says_which_sections_are_optional() -> None:
    """Those that have required fields, but need not be written."""
    sections = reference().split("\n## ")
    optional = {each.partition("\n")[0] for each in sections if "The section as a whole is optional" in each}
    assert optional == {"`[autoscaler]`", "`[screens]`", "`[[existing_secrets]]`", "`[[images]]`", "`[[waivers]]`"}


def test_reference_of_the_target_file_is_current() -> None:
    assert (ROOT / "docs" / "target-file.md").read_text(encoding="utf-8") == reference(), (
        "run: python -m acceptance fields > docs/target-file.md"
    )


def test_every_field_of_the_target_is_described() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert not [row for row in rows if row.endswith("|  |")]


def missing_files(text: str, *folders: Path) -> list[str]:
    """Return the files, folders and tests that a text names and that do not exist in any of the folders."""
    expected = {*NEW.findall(text), *FORMER}
    named = {(path, test) for path, test in FILE.findall(text)} | {(path, "") for path in FOLDER.findall(text)}
    missing = []
    for path, test in sorted(each for each in named if each[0] not in expected):
        found = next((folder / path for folder in folders if (folder / path).exists()), None)
        if found is None:
            missing.append(path)
        elif test and f"def {test}(" not in found.read_text(encoding="utf-8"):
            missing.append(f"{path}::{test}")
    return missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_named_files_exist(document: Path) -> None:
    assert missing_files(document.read_text(encoding="utf-8"), ROOT, document.parent) == []


def test_missing_file_is_noticed() -> None:
    text = "`acceptance/core/nothing.py`, `tests/nothing`, `mutants/third.py` (new), mutants/third.py, tests/unit/"
    assert missing_files(text, ROOT) == ["acceptance/core/nothing.py", "tests/nothing"]
