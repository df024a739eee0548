"""The API server's own rules as a program: built with Go from `apivalidator/go.mod`, used without a cluster."""

from __future__ import annotations

from pathlib import Path

from toolchain import binaries

NAME = "apivalidator"
MODULE = binaries.HERE / NAME
"""A Go module of its own: its dependencies are a part of `go/go.mod`'s, at the same versions."""


def find() -> Path | None:
    """Return the program's path, or None if it is not built."""
    path = binaries.folder(NAME, MODULE, ["."]) / NAME
    return path if path.is_file() else None


def ensure() -> Path:
    """Return the program's path; build it if missing.

    Raises:
        ToolchainError: It can't be built, such as without Go or a network.
    """
    return binaries.build(NAME, MODULE, ["."]) / NAME
