"""The project that a chart belongs to, and its files: bounded, without links, hidden folders and those of tools."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

REPOSITORY_LEVELS = 8
"""Levels above the chart at which a repository's root is looked for."""
LEVELS = 4
"""Levels above the chart that are taken for its project, where there is no repository."""
DEPTH = 8
ENTRIES = 20_000
"""How many files and folders are looked at."""
SKIPPED = frozenset({"node_modules", "venv", "site-packages", "vendor", "__pycache__", "dist"})


def project_of(chart: Path, target: Path) -> Path:
    """Return the folder in which a chart's application is looked for.

    It is the root of the repository. Without one it is the target file's folder or, where that is elsewhere, the
    highest near folder above the chart that the two do not share; never a home folder, one for temporary files, or
    one at the top.

    Args:
        chart: The chart's folder or archive.
        target: The target file's folder.
    """
    start, target = chart.resolve(), target.resolve()
    above = [start, *start.parents]
    shared = {Path(os.path.expanduser("~")), Path(tempfile.gettempdir()).resolve(), Path(start.anchor)}  # noqa: PTH111
    for folder in above[: REPOSITORY_LEVELS + 1]:
        if folder in shared:
            break
        if os.path.lexists(folder / ".git"):
            return folder
    found = start
    beside = not target.is_relative_to(start) and not start.is_relative_to(target)
    for folder in above[1 : LEVELS + 1]:
        if folder in shared or len(folder.parts) <= 2 or (beside and target.is_relative_to(folder)):
            break
        found = folder
        if folder == target:
            break
    return found


def files_of(folder: Path, entries: int = ENTRIES) -> Iterator[Path]:
    """Yield the files of a folder and of those below it, the nearest first, as far as they can be read."""
    waiting = deque([(folder, 0)])
    while waiting and entries > 0:
        current, level = waiting.popleft()
        for entry in _entries(current):
            entries -= 1
            if entry.name.startswith(".") or not entry.name.isprintable():
                continue
            if entry.is_dir(follow_symlinks=False):
                if level < DEPTH and entry.name not in SKIPPED:
                    waiting.append((Path(entry.path), level + 1))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError:
        return []


def text_of(path: Path, limit: int = 200_000) -> str:
    """Return a file's text up to a number of bytes; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
