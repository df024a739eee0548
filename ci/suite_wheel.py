"""The build backend: uv_build, whose wheel also contains what pytest runs: the tests of releases, and their data.

A wheel has only modules, so these files are copied into `acceptance/_suite` while it is built.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import uv_build
from uv_build import *  # noqa: F403 - the other hooks of PEP 517 and PEP 660

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "acceptance" / "_suite"
FILES = ("pytest.ini", "conftest.py", "spec", "support")
LEVELS = ("static", "image", "contract", "behaviour", "journey")


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel with the suite in it."""
    try:
        for name in (*FILES, *(f"tests/{level}" for level in LEVELS)):
            _copy(ROOT / name, SUITE / name)
        return str(uv_build.build_wheel(wheel_directory, config_settings, metadata_directory))
    finally:
        shutil.rmtree(SUITE, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)
