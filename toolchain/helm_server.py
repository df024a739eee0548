"""The program that runs Helm's commands in a long-lived process, built with Go from `helmserver/go.mod`.

It has the version of the Helm that the toolchain builds, and replaces only that one: a Helm on PATH may have another.
"""

from __future__ import annotations

from pathlib import Path

from toolchain import binaries, cache
from toolchain.console import ToolchainError, log

NAME = "helmserver"
MODULE = binaries.HERE / NAME
"""A Go module of its own: its dependencies are a part of `go/go.mod`'s, at the same versions."""


def find(helm: Path) -> Path | None:
    """Return the program's path; None if it is not built, or if `helm` was not built by the toolchain."""
    path = binaries.folder(NAME, MODULE, ["."]) / NAME
    return path if path.is_file() and _is_built(helm) else None


def prepare(helm: Path) -> None:
    """Build the program if `helm` was built by the toolchain. If that fails, each rendering starts Helm."""
    if _is_built(helm):
        try:
            binaries.build(NAME, MODULE, ["."])
        except ToolchainError as error:
            log(NAME, f"not built: {error}")


def _is_built(helm: Path) -> bool:
    return helm.is_relative_to(cache.directory())
