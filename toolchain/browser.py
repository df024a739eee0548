"""Chromium for the journey tests: found on PATH, or installed from Debian's packages when running as root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toolchain.console import ToolchainError, log, run, timed_step

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")
"""Chromium, and the fonts that the screenshots' text needs."""


def find() -> Path | None:
    """Return the first of the known browsers on PATH, or None."""
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def ensure(*, may_build: bool) -> Path:
    """Return the browser's path; install Chromium if it is missing and `may_build` allows it.

    Raises:
        ToolchainError: No browser is on PATH and none can be installed.
    """
    if (path := find()) is not None:
        log("browser", f"found, {path}")
        return path
    if not may_build or os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolchainError(f"none of {', '.join(NAMES)} is on PATH: install Chromium")
    with timed_step("browser", f"apt-get install {' '.join(PACKAGES)}"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update"], env=environment)
        run(["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES], env=environment)
    return ensure(may_build=False)
