"""The report folder of each run, and `latest`, which points to the newest; concurrent runs do not interfere."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

LATEST = "latest"
IGNORED = ".gitignore"
LOCK = ".lock"
SIGNOFF = "signoff.json"
_MAX_NAME_LENGTH = 120


def new_id() -> str:
    """Return a run's identifier: its start, and a random suffix for runs that start in the same second."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def open_folder(folder: Path) -> TextIO:
    """Create and lock a run's folder, and remove the folders of killed runs.

    A folder for reports that is created with it is ignored by git: a run must not change the checkout that it tests.

    Returns:
        The lock file; the folder is locked while it is open.
    """
    is_first = not folder.parent.exists()
    folder.mkdir(parents=True)
    if is_first:
        (folder.parent / IGNORED).write_text("*\n", encoding="utf-8")
    lock = (folder / LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    for other in folder.parent.glob(f"*/{LOCK}"):
        if other.parent not in (folder, folder.parent / LATEST) and _is_unlocked(other):
            shutil.rmtree(other.parent)
    return lock


def discard(folder: Path) -> None:
    """Remove the folder of a run that did not start, and the folder for reports if there is nothing else in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if [path.name for path in folder.parent.glob("*")] == [IGNORED]:
        shutil.rmtree(folder.parent, ignore_errors=True)


def _is_unlocked(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def publish(folder: Path, keep: Container[Path] = ()) -> None:
    """Point `latest` to a finished run's folder, and remove the folder it pointed to before.

    That of an accepted run stays, since its report may be signed, and so do the folders in `keep`.
    """
    latest = folder.parent / LATEST
    previous = latest.resolve() if latest.is_symlink() else None
    fresh = folder.parent / f".{LATEST}-{folder.name}"
    fresh.symlink_to(folder.name)
    fresh.replace(latest)
    (folder / LOCK).unlink()
    if (
        previous
        and previous not in keep
        and previous != folder.resolve()
        and previous.parent == folder.parent.resolve()
        and not _is_accepted(previous)
    ):
        shutil.rmtree(previous, ignore_errors=True)


def _is_accepted(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / SIGNOFF).read_text(encoding="utf-8"))["verdict"] == "accepted")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def safe_file_name(text: str) -> str:
    """Return `text` as one file name, in which a test's identifier stays readable."""
    name = re.sub(r"[^\w.=-]+", "_", text).strip("_.") or "_"
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    return f"{name[:_MAX_NAME_LENGTH]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def relative(path: Path, folder: Path) -> str:
    """Return `path` relative to `folder`, or its name alone if it is outside: reports contain no absolute paths."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - `latest` must not be resolved
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
