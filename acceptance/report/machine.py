"""The machine of a run, as the report describes it."""

from __future__ import annotations

import os
import platform


def machine() -> str:
    """Return the operating system, the architecture and the number of CPUs."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
