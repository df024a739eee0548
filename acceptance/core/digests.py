"""SHA-256 digests, as `sha256:` and 64 hexadecimal digits, by which files and data are recognised later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

PREFIX = "sha256:"


def of_bytes(content: bytes) -> str:
    """Return the digest of some bytes."""
    return PREFIX + hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """Return the digest of a file. Raises `OSError`."""
    with path.open("rb") as file:
        return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def of_data(data: object) -> str:
    """Return the digest of JSON data; the order of keys does not matter."""
    return of_bytes(json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())


def of_named(contents: Iterable[tuple[str, bytes]]) -> str:
    """Return one digest of several files, each with its name; their order does not matter."""
    return of_data({name: of_bytes(content) for name, content in contents})


def of_folder(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a folder, by its path relative to it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in paths}
