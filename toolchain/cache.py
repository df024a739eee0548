"""The cache outside the checkout: one process builds an entry in a staging folder, then renames it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolchain.console import ToolchainError

NAME = "todo-chatbot-acceptance"
CURE = "set XDG_CACHE_HOME to a directory that you can write to"


def directory() -> Path:
    """Return `todo-chatbot-acceptance` in the XDG cache directory; create it if missing.

    A relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification demands.

    Raises:
        ToolchainError: It can't be created, or the user has no home directory.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        path = (base if base.is_absolute() else Path.home() / ".cache") / NAME
        path.mkdir(parents=True, exist_ok=True)
    except RuntimeError as error:
        raise ToolchainError(f"the user has no home directory for a cache: set HOME, or {CURE}") from error
    except OSError as error:
        raise ToolchainError(f"the cache {path} can't be created: {error.strerror}; {CURE}") from error
    return path


def digest(*parts: str | bytes | Path) -> str:
    """Return a key of 12 hexadecimal digits; it depends on the strings, and on names and content of the files."""
    total = hashlib.sha256()

    def add(content: bytes) -> None:
        total.update(len(content).to_bytes(8, "big") + content)

    for part in parts:
        if not isinstance(part, Path):
            add(part.encode() if isinstance(part, str) else part)
        elif part.is_dir():
            for path in sorted(part.rglob("*")):
                if path.is_file():
                    add(path.relative_to(part).as_posix().encode())
                    add(path.read_bytes())
        else:
            add(part.read_bytes())
    return total.hexdigest()[:12]


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold an exclusive lock between processes; it is released if the process dies.

    Raises:
        ToolchainError: The cache can't be written to.
    """
    path = directory() / f"{name}.lock"
    try:
        handle = path.open("a")
    except OSError as error:
        raise ToolchainError(f"the cache {path.parent} can't be written to: {error.strerror}; {CURE}") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def place(name: str, key: str) -> Path:
    """Return the folder of a complete entry, `name-key`, whether it exists or not."""
    return directory() / f"{name}-{key}"


def build_once(path: Path, build: Callable[[Path], None]) -> Path:
    """Return the folder `path`; if missing, `build` fills a staging folder, which is renamed once complete."""
    with lock(path.name):
        if not path.is_dir():
            for other in directory().glob(f"{path.name}.*.unfinished"):
                shutil.rmtree(other, ignore_errors=True)
            try:
                staging = Path(tempfile.mkdtemp(prefix=f"{path.name}.", suffix=".unfinished", dir=directory()))
            except OSError as error:
                message = f"the cache {path.parent} can't be written to: {error.strerror}; {CURE}"
                raise ToolchainError(message) from error
            try:
                build(staging)
                staging.rename(path)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
    return path
