"""The browser of the journey tests: any of the known names on PATH will do."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain import browser
from toolchain.console import ToolchainError


@pytest.mark.parametrize("name", browser.NAMES)
def test_any_known_browser_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.ensure(may_build=False) == path


def test_missing_browser_is_reported_with_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"google-chrome-stable is on PATH: install Chromium"):
        browser.ensure(may_build=False)
