"""Report folders, the checkout's state, overridden values, and progress."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from acceptance.core.git import Checkout, checkout
from acceptance.plugin import progress
from acceptance.plugin.progress import Progress
from acceptance.report import run_folder
from acceptance.report.results import RunMetadata


def test_file_names_are_one_component_and_distinct() -> None:
    assert (
        run_folder.safe_file_name("tests/static/test_x.py::test_it[backend]")
        == "tests_static_test_x.py_test_it_backend"
    )
    assert run_folder.safe_file_name("../..") == "_"
    long = [run_folder.safe_file_name("x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name) < 255 for name in long)


def test_outside_path_is_reduced_to_its_name(tmp_path: Path) -> None:
    assert run_folder.relative(tmp_path / "a" / "b.toml", tmp_path) == "a/b.toml"
    assert run_folder.relative(tmp_path / "b.toml", tmp_path / "a") == "b.toml"


def test_folder_of_a_running_run_is_kept(tmp_path: Path) -> None:
    with run_folder.open_folder(tmp_path / "one"), run_folder.open_folder(tmp_path / "two"):
        run_folder.publish(tmp_path / "two")
        assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "latest"}
        with run_folder.open_folder(tmp_path / "three"):
            run_folder.publish(tmp_path / "one")
            assert {path.name for path in tmp_path.iterdir()} == {"one", "three", "latest"}
    with run_folder.open_folder(tmp_path / "four"):
        assert {path.name for path in tmp_path.iterdir()} == {"one", "four", "latest"}


def test_folder_of_an_accepted_run_is_kept(tmp_path: Path) -> None:
    verdicts = {"one": "rejected", "two": "accepted", "three": "incomplete", "four": "accepted", "five": "rejected"}
    for name, verdict in verdicts.items():
        with run_folder.open_folder(tmp_path / name):
            (tmp_path / name / "signoff.json").write_text(json.dumps({"verdict": verdict}), encoding="utf-8")
            run_folder.publish(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"two", "four", "five", "latest"}
    assert (tmp_path / "latest").resolve().name == "five"


def test_checkout_has_commit_and_changes(tmp_path: Path) -> None:
    def git(*argv: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *who, *argv], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    outside = checkout(tmp_path)
    assert outside == Checkout(None, clean=False)
    assert "not in a git checkout" in str(outside.obstacle)
    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    assert checkout(tmp_path) == Checkout(git("rev-parse", "HEAD").strip(), clean=True)
    assert checkout(tmp_path).obstacle is None
    (tmp_path / "file").write_text("2")
    assert "changes" in str(checkout(tmp_path).obstacle)
    git("checkout", "--quiet", "file")
    with run_folder.open_folder(tmp_path / "shard-1" / "one"):
        assert checkout(tmp_path).clean, "expected a run's report to be ignored by git"
    (tmp_path / "another").touch()
    assert not checkout(tmp_path).clean


def test_overrides_are_distinct_changed_leaves() -> None:
    metadata = RunMetadata()
    shipped = {"a": {"b": 1, "c": [1]}, "free": {}}
    for _ in range(2):
        metadata.override(shipped, {"a": {"b": 1, "c": [2]}, "free": {"key": "x"}, "more": {"d": True}}, "why")
    assert [(each.path, each.shipped, each.used) for each in metadata.overrides] == [
        ("a.c", [1], [2]),
        ("free.key", None, "x"),
        ("more.d", None, True),
    ]


def test_only_a_long_step_prints_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    shown = Progress(file, lambda: None)
    with shown.step("quick"):
        shown.note("half")
    assert not file.getvalue()
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    with shown.step("images [backend]"), shown.step("layer"):
        pass
    assert file.getvalue() == "layer: 0.0 s\nimages [backend]: 0.0 s\n"


def test_planned_step_is_numbered_beside_its_usual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    file = io.StringIO()
    shown = Progress(file, lambda: None)
    shown.plan(2)
    for name, usual in (("ready release", None), ("rollouts", 155.2), ("unforeseen", None)):
        with shown.step(name, usual):
            pass
    assert file.getvalue().splitlines() == [
        "step 1 of 2, ready release: 0.0 s",
        "step 2 of 2, rollouts: 0.0 s (usually 155 s)",
        "step 3 of 3, unforeseen: 0.0 s",
    ]
