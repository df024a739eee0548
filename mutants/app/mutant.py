"""A generated mutant of the application: one change of one of its files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

ComponentName = Literal["backend", "frontend"]


@dataclass(frozen=True)
class Mutant:
    """One change of a file of the application."""

    component: ComponentName
    file: PurePosixPath
    """Relative to the folder of the component's sources."""
    line: int
    before: str
    after: str
    number: int
    """The place among mutants of the same file with the same texts, from 1."""
    source: str
    """The whole file: with the change, or without it where a switch makes it."""
    switch: str = ""
    """The identifier by which a build that contains all mutants switches this one on; empty without such a build."""
    lines: tuple[int, int] | None = None
    """The first and last of the lines that run where the change matters; None if they run at the start alone."""

    @property
    def name(self) -> str:
        """The file, the change, and its number if the same change is possible in several places; without the line."""
        suffix = f" ({self.number})" if self.number > 1 else ""
        return f"{self.file}: {_one_line(self.before)} -> {_one_line(self.after) or 'removed'}{suffix}"

    @property
    def places(self) -> frozenset[str]:
        """What a test must reach to judge the mutant: its switch, or one of its lines."""
        if self.switch:
            return frozenset({self.switch})
        first, last = self.lines or (1, 0)
        return frozenset(f"{self.file}:{line}" for line in range(first, last + 1))

    @property
    def key(self) -> str:
        """A digest of what the mutant is."""
        change = f"\0{self.before}\0{self.after}\0{self.number}" if self.switch else ""
        return hashlib.sha256(f"{self.file}\0{self.source}{change}".encode()).hexdigest()[:24]


def _one_line(text: str) -> str:
    return " ".join(text.split())
