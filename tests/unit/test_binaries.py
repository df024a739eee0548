"""kind, kubectl and helm: a good one on PATH is taken, another one is told and passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import binaries, cache
from toolchain.console import ToolchainError

Put = Callable[[str, str], Path]
SAYS = {
    "kind": "echo {}",
    "kubectl": 'echo \'{{"clientVersion": {{"major": "1", "gitVersion": "v{}"}}, "kustomizeVersion": "v5.8.1"}}\'',
    "helm": "echo v{}",
}


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """`put(name, script)`: one more folder at the end of PATH, with a script of that name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    folders: list[str] = []

    def put(name: str, script: str) -> Path:
        path = tmp_path / f"bin{len(folders)}" / name
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        folders.append(str(path.parent))
        monkeypatch.setenv("PATH", ":".join(folders))
        return path

    return put


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("kind", "0.33.0"),
        ("kind", "0.34.1"),
        ("kubectl", "1.37.2"),
        ("kubectl", "1.36.0"),
        ("kubectl", "1.38.9"),
        ("helm", "4.3.0"),
        ("helm", "4.12.0"),
    ],
)
def test_a_good_one_on_path_is_taken(put: Put, name: str, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(name, SAYS[name].format(version))
    assert binaries.locate(name) == path
    assert capsys.readouterr().err == f"toolchain: {name}: found, {path}\n"


@pytest.mark.parametrize(
    ("name", "script", "reason"),
    [
        ("kind", "echo 0.32.9", "is 0.32, wanted v0.33.0"),
        ("kind", "echo 1.33.0", "is 1.33, wanted v0.33.0"),
        ("kubectl", SAYS["kubectl"].format("1.35.4"), "is 1.35, wanted v1.37.2"),
        ("kubectl", SAYS["kubectl"].format("1.39.0"), "is 1.39, wanted v1.37.2"),
        ("helm", "echo v3.19.0", "is 3.19, wanted v4.3.1"),
        ("helm", "echo 'not a version'", "does not tell its version"),
        ("helm", "exit 3", "does not tell its version"),
        ("kind", "exec /nonexistent", "does not tell its version"),
    ],
)
def test_a_bad_one_is_told_and_the_missing_one_is_a_sentence_with_the_cure(
    put: Put, name: str, script: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(name, script)
    with pytest.raises(ToolchainError) as raised:
        binaries.locate(name)
    assert str(raised.value) == f"{name} {binaries.ACCEPTED[name]} is not there: run `make toolchain`, or install it"
    assert capsys.readouterr().err == f"toolchain: {name}: {path} {reason}\n"


def test_a_bad_one_does_not_hide_a_good_one(put: Put) -> None:
    put("helm", "echo v3.19.0")
    good = put("helm", "echo v4.3.1")
    assert binaries.locate("helm") == good


def test_one_binary_under_two_folders_is_told_once(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put("helm", "echo v3.19.0")
    (tmp_path / "again").symlink_to(path.parent)
    monkeypatch.setenv("PATH", f"{path.parent}:{tmp_path / 'again'}")
    assert binaries.find("helm") is None
    assert capsys.readouterr().err.count("is 3.19") == 1


@pytest.mark.usefixtures("put")
def test_what_was_built_is_in_the_cache_only_when_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    place = binaries.folder("helm", binaries.GO, [binaries.PACKAGES["helm"]])
    (cache.directory() / f"{place.name}.x.unfinished").mkdir()
    with pytest.raises(ToolchainError):
        binaries.locate("helm")
    place.mkdir()
    assert binaries.locate("helm") == place / "helm"
