"""`static` and `e2e`: pytest with the suite's configuration and tests, from any folder, also from a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from acceptance.cli import parallel
from acceptance.core.rules import INSTALLED
from acceptance.core.target import TargetError
from acceptance.plugin.invocation import OPTION, names_target, suite_arguments

TARGET = Path("target.toml")


def run(level: str, arguments: Sequence[str]) -> NoReturn:
    """Run the tests in this process's place: those of a rendered chart, or all that test a release.

    Args:
        level: `static`, for which Helm is prepared, or `e2e`, for which all tools are.
        arguments: `--parallel N`, and further arguments of pytest. Without `--target` it is target.toml in this folder.

    Raises:
        TargetError: No target is named, and there is no target.toml here.
    """
    named = names_target(arguments)
    if not named and not TARGET.is_file():
        raise TargetError(f"there is no {TARGET} here; name a target with {OPTION} FILE, or propose one with init")
    words = [*arguments] if named else [f"{OPTION}={TARGET}", *arguments]
    if INSTALLED:
        words = ["-p", "no:cacheprovider", *words]  # nothing is written beside the installed files
    toolchain = [sys.executable, "-m", "toolchain"]
    if parallel.is_chosen(arguments):
        tests = [sys.executable, "-m", "acceptance.cli.parallel", level, *words]
    else:
        tests = [sys.executable, "-m", "pytest", *suite_arguments(["-m", level, *words])]
    sys.stdout.flush()
    if level == "static":
        if code := subprocess.run([*toolchain, "helm"], check=False).returncode:
            raise SystemExit(code)
        os.execv(sys.executable, tests)  # noqa: S606 - an argv list
    os.execv(sys.executable, [*toolchain, "run", *tests])  # noqa: S606 - an argv list
