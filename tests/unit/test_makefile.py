"""The Makefile: what its targets run, and with which exit code they end. Python, uv and the tools are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT

STAND_IN = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in *pytest*|*acceptance*) exit "${CODE:-0}";; esac
"""


class Suite:
    """A folder with the Makefile, in which each command only writes its arguments into a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "log"
        version = next(
            line.split(":= ")[1]
            for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
            if line.startswith("UV_VERSION")
        )
        for name in ("Makefile", "pyproject.toml", "uv.lock", "requirements-uv.txt"):
            shutil.copyfile(ROOT / name, folder / name)
        commands = (
            folder / "cache" / "todo-chatbot-acceptance" / f"uv-{version}" / "bin" / "uv",
            folder / "bin" / "python3",
            folder / ".venv" / "bin" / "python",
        )
        for path in commands:
            path.parent.mkdir(parents=True)
            path.write_text(STAND_IN, encoding="utf-8")
            path.chmod(0o755)
        (folder / ".venv" / "ready").touch()
        (folder / "target.toml").touch()

    def make(self, *argv: str, code: int = 0, cwd: Path | None = None) -> int:
        """Run make, in which the commands that test or merge end with `code`; return its exit code."""
        self._log.unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        environment |= {
            "PATH": f"{self.folder / 'bin'}:{environment['PATH']}",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "LOG": str(self._log),
            "CODE": str(code),
            "PWD": str(cwd or self.folder),  # as a shell sets it
        }
        where = [] if cwd is None else ["-C", str(self.folder)]
        return subprocess.run(
            ["make", *where, *argv], cwd=cwd or self.folder, env=environment, capture_output=True, check=False
        ).returncode

    @property
    def commands(self) -> list[str]:
        """The arguments of each command that the last call ran."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


@pytest.mark.parametrize("target", ["static", "e2e", "merge"])
def test_exit_code_of_a_verdict_is_that_of_make(suite: Suite, target: str) -> None:
    assert [suite.make(target, code=code) for code in (0, 1, 2)] == [0, 1, 2]


def test_several_targets_all_run(suite: Suite) -> None:
    assert suite.make("static", "merge") == 0
    assert [command.split()[1] for command in suite.commands if "helm" not in command] == ["pytest", "acceptance"]
    assert suite.make("static", "merge", code=1) == 2


@pytest.mark.parametrize("option", ["-n", "--dry-run", "-nk"])
@pytest.mark.parametrize("target", ["static", "e2e", "merge", "images", "app-tests", "test"])
def test_dry_run_runs_nothing(suite: Suite, target: str, option: str) -> None:
    assert suite.make(option, target, "IMAGES=images.tar", code=1) == 0
    assert suite.commands == []


@pytest.mark.parametrize("target", ["static", "e2e", "images", "app-tests"])
def test_target_is_that_of_the_callers_folder(suite: Suite, target: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "an other"
    elsewhere.mkdir()
    (elsewhere / "mine.toml").touch()
    assert suite.make(target, "TARGET=mine.toml", "IMAGES=images.tar", cwd=elsewhere) == 0
    assert f"--target={elsewhere}/mine.toml" in suite.commands[-1]
    assert suite.make(target, "TARGET=target.toml", "IMAGES=images.tar", cwd=elsewhere) == 0
    assert "--target=target.toml" in suite.commands[-1]
    assert suite.make(target, "IMAGES=images.tar") == 0
    assert "--target" not in suite.commands[-1]


@pytest.mark.parametrize("target", ["merge", "job-summary", "mutants", "bench"])
def test_target_that_would_be_ignored_is_refused(suite: Suite, target: str) -> None:
    assert suite.make(target, "TARGET=mine.toml") == 2
    assert suite.commands == []


@pytest.mark.parametrize("target", ["static", "e2e"])
def test_shards_run_at_once(suite: Suite, target: str) -> None:
    assert suite.make(target, "PARALLEL=2", "ARGS=-k pods") == 0
    assert suite.commands[-1].endswith(f"acceptance.cli.parallel {target} --parallel 2 -k pods")


@pytest.mark.parametrize("arguments", [("e2e", "SHARD=1/2"), ("images",)])
def test_parallel_that_would_be_ignored_is_refused(suite: Suite, arguments: tuple[str, ...]) -> None:
    assert suite.make(*arguments, "PARALLEL=2") == 2
    assert suite.commands == []


@pytest.mark.parametrize("target", ["static", "e2e"])
def test_shard_reaches_the_tests(suite: Suite, target: str) -> None:
    assert suite.make(target, "SHARD=2/3", "ARGS=-k pods") == 0
    assert suite.commands[-1].endswith("--shard 2/3 -k pods")
