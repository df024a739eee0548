"""The git commit under test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """The commit of a folder's git checkout, and whether it is clean (has no uncommitted changes)."""

    commit: str | None
    clean: bool

    @property
    def obstacle(self) -> str | None:
        """Why the run can't be reproduced from a commit, or None."""
        if self.commit is None:
            return "what was tested is in no git checkout, so it is no commit"
        return None if self.clean else "the checkout has changes that are in no commit"


def checkout(folder: Path) -> Checkout:
    """Return the checkout of `folder`; no commit and not clean if it is not a checkout or git is missing."""

    def git(*argv: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return Checkout(git("rev-parse", "HEAD"), not git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None, False)
