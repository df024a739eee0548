"""How the suite is called: from any folder, with misspelt options and keys, and through make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT
from acceptance.core.target import TargetError, load
from acceptance.plugin.invocation import CONFIGURATION, names_target, suite_arguments

SELECTED = ("-m", "static", "-q", "-k", "SVC-08")


def run(folder: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *argv],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def test_target_is_one_word_and_the_tests_are_the_suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = ["-c", str(CONFIGURATION), f"--rootdir={ROOT}", "--target=mine.toml", "-m", "static"]
    assert suite_arguments(["--target", "mine.toml", "-m", "static"]) == [*expected, str(ROOT / "tests")]
    named = str(ROOT / "tests" / "static")
    assert suite_arguments(["--target=mine.toml", "-m", "static", named]) == [*expected, named]
    assert not names_target(["-m", "unit", "--targets"])


@pytest.mark.parametrize("option", ["--images", "--reports", "--upgrade-from"])
def test_path_elsewhere_as_a_word_of_its_own_is_the_options_value(tmp_path: Path, option: str) -> None:
    existing = tmp_path / "here"
    if option == "--upgrade-from":
        existing.mkdir()
        (existing / "Chart.yaml").touch()
    else:
        existing.touch()
    done = run(ROOT, *SELECTED, "--collect-only", option, str(existing))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("order", [("--target", "mine.toml", *SELECTED), (*SELECTED, "--target", "mine.toml")])
def test_target_option_works_from_another_folder(tmp_path: Path, order: tuple[str, ...]) -> None:
    (tmp_path / "mine.toml").write_text("[chart]\npath = 'nowhere'\n", encoding="utf-8")
    done = run(tmp_path, *order)
    assert done.returncode == 2
    assert last_line(done).startswith("ERROR: the target file mine.toml does not fit: components: Field required")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--contxt", "x"), "unrecognized arguments: --contxt, did you mean --context?; see pytest --help"),
        (("--kube-context", "x"), "unrecognized arguments: --kube-context, did you mean --context?; see pytest --help"),
        (
            ("--upgrade-from", "no-chart"),
            "--upgrade-from no-chart is not a chart; name a folder with a Chart.yaml or a .tgz archive",
        ),
        (("--rollouts", "-1"), "--rollouts -1 is negative; name how often to roll out, or omit it"),
        (
            ("--allow-disruption",),
            "--allow-disruption applies only to the cluster that --context names; a cluster of the run's own is always "
            "disturbed: omit the option, or name the context",
        ),
    ],
)
def test_bad_option_is_refused_in_one_sentence(argv: tuple[str, ...], message: str) -> None:
    done = run(ROOT, *SELECTED, *argv)
    assert (done.returncode, done.stderr) == (2, f"ERROR: {message}\n")


def test_closed_standard_output_is_refused() -> None:
    command = f"exec {sys.executable} -m pytest {' '.join(SELECTED)} >&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    expected = "ERROR: standard output is closed; redirect it to a file or to /dev/null\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("strickt = true", "strickt is not a key of the target, did you mean strict?"),
        ("[values]\ndatabase_uri = 'a'", "values.database_uri is not a key of the target, did you mean database_url?"),
        (
            "[components.backend.probes]\nlivenes = '/x'",
            "components.backend.probes.livenes is not a key of the target, did you mean liveness?",
        ),
        ("[api]\nzzz = 1", "api.zzz is not a key of the target"),
    ],
)
def test_misspelt_key_of_a_target(tmp_path: Path, line: str, mistake: str) -> None:
    path = tmp_path / "target.toml"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(TargetError) as raised:
        load(path)
    assert mistake in str(raised.value).removeprefix(f"the target file {path} does not fit: ").split("; ")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"XDG_CACHE_HOME": "/proc/nowhere"}, "the cache /proc/nowhere/todo-chatbot-acceptance can't be created: "),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/proc/nowhere"}, "the cache /proc/nowhere/.cache/todo-chatbot-"),
    ],
)
def test_unusable_cache_is_one_sentence(environment: dict[str, str], message: str) -> None:
    helmless = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("helm", path=folder)
    )
    done = run(ROOT, *SELECTED, PATH=helmless, **environment)
    assert done.returncode == 2
    assert last_line(done).startswith(f"ERROR: {message}")
    assert last_line(done).endswith("set XDG_CACHE_HOME to a directory that you can write to")
    assert not (ROOT / "relative").exists()


@pytest.mark.parametrize(("code", "program"), [(0, "true"), (1, "false"), (2, "exit 2;")])
def test_exit_code_reaches_the_caller_of_make(tmp_path: Path, code: int, program: str) -> None:
    (tmp_path / "pytest").write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    (tmp_path / "pytest").chmod(0o755)
    variables = [f"PYTEST={tmp_path / 'pytest'}", "MAKE=true"]
    done = subprocess.run(["make", "static", *variables], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
