"""`pytest --target FILE` from any folder: pytest runs with the suite's configuration and the suite's tests.

pytest chooses its configuration before it knows any option of a plugin, and so takes the value of `--target` or
`--images` for a test's path. This module is the only one that is loaded as an entry point, early enough to start
pytest again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT

OPTION = "--target"
PATH_OPTIONS = (OPTION, "--reports", "--images", "--upgrade-from")
CONFIGURATION = ROOT / "pytest.ini"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Start pytest again with the suite's configuration if it uses another one, since a path of an option misled it.

    Of the hooks that an entry point has, this one is called before the output is captured.
    """
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    argv = config.invocation_params.args
    is_command_line = sys.argv[1:] == list(argv)
    if is_command_line and sys.stdout is None:  # `>&-`: the next file that is opened would become the standard output
        sys.stderr.write("ERROR: standard output is closed; redirect it to a file or to /dev/null\n")
        raise SystemExit(2)
    is_ours = names_target(argv) or (config.invocation_params.dir.is_relative_to(ROOT) and names_path(argv))
    if is_command_line and is_ours and config.inipath != CONFIGURATION:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *suite_arguments(argv)])  # noqa: S606 - an argv list


def names_target(argv: Sequence[str]) -> bool:
    """Return whether a command line has the option `--target`."""
    return _option_of(argv, (OPTION,))


def names_path(argv: Sequence[str]) -> bool:
    """Return whether a command line has an option of the suite whose value is a path."""
    return _option_of(argv, PATH_OPTIONS)


def suite_arguments(argv: Sequence[str]) -> list[str]:
    """Return a command line that works from any folder: each path as one word, and the suite's configuration."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in PATH_OPTIONS:
            words[-1] = f"{words[-1]}={word}"
        else:
            words.append(word)
    return [
        "-c",
        str(CONFIGURATION),
        f"--rootdir={ROOT}",
        *words,
        *([] if names_tests(words) else [str(ROOT / "tests")]),
    ]


def names_tests(words: Sequence[str]) -> bool:
    """Return whether a command line names a test file or folder of the suite."""
    paths = [Path(word.partition("::")[0]).absolute() for word in words if not word.startswith("-")]
    return any(path.exists() and path.is_relative_to(ROOT) for path in paths)


def _option_of(argv: Sequence[str], options: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in options for word in argv)
