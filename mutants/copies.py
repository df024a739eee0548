"""Copies of the tree with a mutant's edits, and what the edits change."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from acceptance.core.rules import ROOT
from mutants.mutant import Mutant

COPIED = ("chart", "app", "dockerfiles", "target.toml")
IGNORED = ("node_modules", ".next", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache")


@dataclass(frozen=True)
class Change:
    """A file with a mutant's edits, and the lines of the original that they concern."""

    text: str
    lines: tuple[range, ...]

    def touches(self, other: Change) -> bool:
        """Whether lines of both are the same ones, or next to each other."""
        return any(
            mine.start <= theirs.stop and theirs.start <= mine.stop for mine in self.lines for theirs in other.lines
        )


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what the target names; yields the folder, which contains the target file."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(*IGNORED))
            else:
                shutil.copy2(ROOT / name, root / name)
        yield root


@contextmanager
def mutated(*mutants: Mutant) -> Iterator[Path]:
    """A copy of what the target names, with the edits of the mutants. Raises `ValueError` as `edited` does."""
    with copied() as root, edited(root, *mutants):
        yield root


@contextmanager
def edited(root: Path, *mutants: Mutant) -> Iterator[list[Path]]:
    """Make the edits of the mutants in a copy until the exit, those of one fault once; yields the changed files.

    Raises:
        ValueError: The text that an edit replaces does not occur exactly once.
    """
    try:
        for mutant in faults(mutants):
            for edit in mutant.edits:
                edit(root)
        yield _changed_files(root)
    finally:
        for path in _changed_files(root):
            shutil.copy2(ROOT / path.relative_to(root), path)


def faults(mutants: tuple[Mutant, ...]) -> list[Mutant]:
    """One mutant of each fault: several tests may judge the same edits."""
    if len(mutants) == 1:
        return list(mutants)
    by_fault: list[Mutant] = []
    for mutant in mutants:
        if all(changes_of(mutant) != changes_of(known) for known in by_fault):
            by_fault.append(mutant)
    return by_fault


def find_changes(mutants: Iterable[Mutant]) -> None:
    """Find out what the mutants change, with one copy for all that are not known."""
    unknown = [mutant for mutant in mutants if mutant not in _changes]
    if unknown:
        with copied() as root:
            for mutant in unknown:
                with edited(root, mutant) as changed:
                    _changes[mutant] = {str(path.relative_to(root)): _change(path, root) for path in changed}


def changes_of(mutant: Mutant) -> Mapping[str, Change]:
    """What a mutant changes, by the file's path."""
    find_changes([mutant])
    return _changes[mutant]


_changes: dict[Mutant, Mapping[str, Change]] = {}


def _changed_files(root: Path) -> list[Path]:
    """The files of a copy that differ from the tree; a copied file has the time of its original until it is written."""
    written = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.stat().st_mtime_ns != (ROOT / path.relative_to(root)).stat().st_mtime_ns
    ]
    return [path for path in written if path.read_bytes() != (ROOT / path.relative_to(root)).read_bytes()]


def _change(path: Path, root: Path) -> Change:
    before = (ROOT / path.relative_to(root)).read_text(encoding="utf-8").splitlines()
    text = path.read_text(encoding="utf-8")
    matcher = SequenceMatcher(None, before, text.splitlines(), autojunk=False)
    return Change(text, tuple(range(start, stop) for tag, start, stop, *_ in matcher.get_opcodes() if tag != "equal"))
