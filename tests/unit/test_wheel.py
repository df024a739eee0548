"""The wheel: it contains what its commands run, and they run it from any folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from acceptance.cli import commands
from acceptance.core.rules import INSTALLED, ROOT
from acceptance.plugin.invocation import CONFIGURATION
from acceptance.report.verdict import FOLDERS

BACKEND = ROOT / "ci" / "suite_wheel.py"


class Replaced(BaseException):
    """Raised in place of the program that would run: what `execv` does to this process, so that nothing handles it."""


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The command lines that are run, in an empty folder."""
    found: list[list[str]] = []

    def execv(_: str, argv: list[str]) -> None:
        found.append(argv)
        raise Replaced

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        found.append(argv)
        return subprocess.CompletedProcess(argv, 0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(subprocess, "run", run)
    return found


def call(monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["todo-chatbot-acceptance", *argv])
    return int(commands.main())


def test_static_prepares_helm_alone(executed: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "target.toml").touch()
    with pytest.raises(Replaced):
        call(monkeypatch, "static", "-k", "SVC-03", "--signoff")
    helm, pytest_ = executed
    assert helm == [sys.executable, "-m", "toolchain", "helm"]
    assert pytest_ == [
        *(sys.executable, "-m", "pytest", "-c", str(CONFIGURATION), f"--rootdir={ROOT}"),
        *("-m", "static", "--target=target.toml", "-k", "SVC-03", "--signoff", str(ROOT / "tests")),
    ]


def test_e2e_runs_with_the_toolchain(executed: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Replaced):
        call(monkeypatch, "e2e", "--target", "mine.toml", "--shard", "1/3")
    (argv,) = executed
    assert argv[:7] == [sys.executable, "-m", "toolchain", "run", sys.executable, "-m", "pytest"]
    assert argv[-4:] == ["--target=mine.toml", "--shard", "1/3", str(ROOT / "tests")]


def test_missing_target_is_one_sentence(
    executed: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "static") == 2
    assert capsys.readouterr().err == (
        "ERROR: there is no target.toml here; name a target with --target FILE, or propose one with init\n"
    )
    assert executed == []


def test_wheel_has_the_suite_while_it_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built: set[str] = set()
    suite = tmp_path / "acceptance" / "_suite"

    def build_wheel(*_: object) -> str:
        built.update(path.relative_to(suite).as_posix() for path in suite.rglob("*") if path.is_file())
        return "suite.whl"

    uv_build = types.ModuleType("uv_build")
    uv_build.build_wheel = build_wheel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uv_build", uv_build)
    spec = importlib.util.spec_from_file_location("suite_wheel", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    monkeypatch.setattr(backend, "SUITE", suite)
    assert backend.build_wheel(str(tmp_path)) == "suite.whl"
    assert not suite.exists()
    assert not INSTALLED
    assert set(backend.LEVELS) == {*FOLDERS} - {"unit"}
    expected = [ROOT / name for name in ("conftest.py", "pytest.ini")]
    for folder in ("spec", "support", *(f"tests/{level}" for level in backend.LEVELS)):
        expected += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert built == {path.relative_to(ROOT).as_posix() for path in expected}
