"""The pytest process: an error before the first test is one sentence with a fix, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT

LIVE_TEST = "tests/behaviour/test_release.py"
STATIC_TEST = "tests/unit/test_values.py"
DEAD = "unix:///nonexistent/docker.sock"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """`start(argument, …)` runs pytest in its own process group, with an empty cache and no engine."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "DOCKER_HOST": DEAD, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--reports", str(tmp_path / "reports")]
        return subprocess.Popen(
            [*argv, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([LIVE_TEST], f"no Docker engine answers at {DEAD} (DOCKER_HOST): start it", id="dead engine"),
        pytest.param(["--target", "pytest.ini", STATIC_TEST], "pytest.ini", id="wrong target file"),
        pytest.param(["--tarket", "x"], "unrecognized arguments: --tarket", id="unknown option"),
    ],
)
def test_usage_error_is_one_sentence_and_creates_no_file(
    start: Start, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    process = start(*arguments)
    _, err = process.communicate()
    errors = [line for line in err.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1, err
    assert sentence in errors[0]
    assert "Traceback" not in err
    assert process.returncode == 2
    assert not list((tmp_path / "reports").glob("*"))
    assert not list((tmp_path / "cache").rglob("runs/*"))


def test_collect_only_needs_no_engine(start: Start) -> None:
    process = start("--collect-only", "-q", LIVE_TEST)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert LIVE_TEST in out
