"""Chromium for the journey: found, else on Debian as root installed; there is no download of a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toolchain.console import ToolchainError, log, run, timed_step

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")
"""The fonts draw the screenshots' text."""


def find() -> Path | None:
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def have(*, may_build: bool) -> Path:
    """The browser's path; `ToolchainError` with the cure where there is none."""
    if (path := find()) is not None:
        log("browser", f"found, {path}")
        return path
    if not may_build or os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolchainError(f"none of {', '.join(NAMES)} is on PATH: install Chromium")
    with timed_step("browser", f"apt-get install {' '.join(PACKAGES)}"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update"], env=environment)
        run(["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES], env=environment)
    return have(may_build=False)
