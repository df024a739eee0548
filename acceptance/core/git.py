"""The git commit under test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """The commit of the target's folder, or of the suite's, and whether its checkout has no other changes."""

    commit: str | None
    clean: bool

    @property
    def obstacle(self) -> str | None:
        """Why the run can't be repeated from a commit, as a reason of the verdict; None if it can."""
        if self.commit is None:
            return "the target is not in a git checkout"
        return None if self.clean else "the target's repository has uncommitted changes"


def checkout(folder: Path) -> Checkout:
    """Return the checkout of `folder`; without a commit and not clean if it is not a checkout or git is missing."""

    def git(*argv: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *argv], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return Checkout(git("rev-parse", "HEAD"), not git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None, False)
