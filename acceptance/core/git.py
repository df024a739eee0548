"""Whether what is tested is a commit."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """The commit that a folder's git checkout is at, and whether that is all there is in it."""

    commit: str | None
    clean: bool

    @property
    def obstacle(self) -> str | None:
        """Why nobody could test the same again, as part of a verdict."""
        if self.commit is None:
            return "what was tested is in no git checkout, so it is no commit"
        return None if self.clean else "the checkout has changes that are in no commit"


def checkout(folder: Path) -> Checkout:
    """What git says of `folder`; no commit, and not clean, where it is no checkout or git is missing."""

    def git(*argv: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return Checkout(git("rev-parse", "HEAD"), not git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None, False)
