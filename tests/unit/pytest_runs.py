"""Runs pytest as a process of its own, without the time that each new process takes to import the suite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.core.rules import ROOT

SERVER = """
import json, os, runpy, sys
import pytest, acceptance.checks, acceptance.report.html  # not the plugin: pytest rewrites its assertions
for line in sys.stdin:
    folder, argv, variables, printed = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, path in enumerate((os.devnull, *printed)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        os.chdir(folder)
        os.environ.update(variables)
        sys.argv = ["pytest", "-p", "no:acceptance-invocation", *argv]  # which would start the suite's own tests
        runpy.run_module("pytest", run_name="__main__")
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class PytestRuns:
    """A process that has imported the suite and is forked for each run of pytest."""

    process: subprocess.Popen[str]
    printed: tuple[Path, Path]

    def run(self, folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run pytest in a folder, with variables added to the environment."""
        for path in self.printed:
            path.unlink(missing_ok=True)
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None
        assert answers is not None
        print(
            json.dumps([str(folder), argv, variables, [str(path) for path in self.printed]]), file=requests, flush=True
        )
        code = int(answers.readline())
        stdout, stderr = (path.read_text(encoding="utf-8") for path in self.printed)
        return subprocess.CompletedProcess(argv, code, stdout, stderr)


@contextmanager
def pytest_runs(folder: Path) -> Iterator[PytestRuns]:
    """Start the process; `folder` is for what the runs print."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield PytestRuns(process, (folder / "stdout", folder / "stderr"))
