"""Helm's commands in a process that stays: built with Go from `helmserver/go.mod`, used where charts are only rendered.

It is of the same version as the Helm that the toolchain builds, and stands in for that one alone: a Helm on PATH may be
another one.
"""

from __future__ import annotations

from pathlib import Path

from toolchain import binaries, cache
from toolchain.console import ToolchainError, log

NAME = "helmserver"
MODULE = binaries.HERE / NAME
"""A Go module of its own: its dependencies are a part of `go/go.mod`'s, at the same versions."""


def find(helm: Path) -> Path | None:
    """Return the program's path, or None if it is not built, or if `helm` is not the toolchain's."""
    path = binaries.folder(NAME, MODULE, ["."]) / NAME
    return path if path.is_file() and _is_built(helm) else None


def prepare(helm: Path) -> None:
    """Build the program if it is missing and could be used; without it each rendering starts Helm."""
    if _is_built(helm):
        try:
            binaries.build(NAME, MODULE, ["."])
        except ToolchainError as error:
            log(NAME, f"not built: {error}")


def _is_built(helm: Path) -> bool:
    return helm.is_relative_to(cache.directory())
