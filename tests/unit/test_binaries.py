"""kind, kubectl and helm: a compatible binary on PATH is used; an incompatible one is logged and skipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import binaries, cache
from toolchain.console import ToolchainError

AddToPath = Callable[[str, str], Path]
VERSION_SCRIPTS = {
    "kind": "echo {}",
    "kubectl": 'echo \'{{"clientVersion": {{"major": "1", "gitVersion": "v{}"}}, "kustomizeVersion": "v5.8.1"}}\'',
    "helm": "echo v{}",
}


@pytest.fixture
def add_to_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddToPath:
    """`add_to_path(name, script)` appends a folder to PATH that contains a script of that name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    folders: list[str] = []

    def add(name: str, script: str) -> Path:
        path = tmp_path / f"bin{len(folders)}" / name
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        folders.append(str(path.parent))
        monkeypatch.setenv("PATH", ":".join(folders))
        return path

    return add


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
def test_compatible_binary_on_path_is_used(
    add_to_path: AddToPath, name: str, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = add_to_path(name, VERSION_SCRIPTS[name].format(version))
    assert binaries.require(name) == path
    assert capsys.readouterr().err == f"toolchain: {name}: found, {path}\n"


@pytest.mark.parametrize(
    ("name", "script", "reason"),
    [
        ("kind", "echo 0.32.9", "is 0.32, expected v0.33.0"),
        ("kind", "echo 1.33.0", "is 1.33, expected v0.33.0"),
        ("kubectl", VERSION_SCRIPTS["kubectl"].format("1.35.4"), "is 1.35, expected v1.37.2"),
        ("kubectl", VERSION_SCRIPTS["kubectl"].format("1.39.0"), "is 1.39, expected v1.37.2"),
        ("helm", "echo v3.19.0", "is 3.19, expected v4.3.1"),
        ("helm", "echo 'not a version'", "reports no version"),
        ("helm", "exit 3", "reports no version"),
        ("kind", "exec /nonexistent", "reports no version"),
    ],
)
def test_unusable_binary_is_reported_with_a_fix(
    add_to_path: AddToPath, name: str, script: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = add_to_path(name, script)
    with pytest.raises(ToolchainError) as raised:
        binaries.require(name)
    assert str(raised.value) == f"{name} {binaries.ACCEPTED[name]} is missing: run `make toolchain`, or install it"
    assert capsys.readouterr().err == f"toolchain: {name}: {path} {reason}\n"


def test_unusable_binary_does_not_hide_a_compatible_one(add_to_path: AddToPath) -> None:
    add_to_path("helm", "echo v3.19.0")
    compatible = add_to_path("helm", "echo v4.3.1")
    assert binaries.require("helm") == compatible


def test_symlinked_binary_is_reported_once(
    add_to_path: AddToPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = add_to_path("helm", "echo v3.19.0")
    (tmp_path / "again").symlink_to(path.parent)
    monkeypatch.setenv("PATH", f"{path.parent}:{tmp_path / 'again'}")
    assert binaries.find_on_path("helm") is None
    assert capsys.readouterr().err.count("is 3.19") == 1


@pytest.mark.usefixtures("add_to_path")
def test_unfinished_build_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    place = binaries.folder("helm", binaries.GO, [binaries.PACKAGES["helm"]])
    (cache.directory() / f"{place.name}.x.unfinished").mkdir()
    with pytest.raises(ToolchainError):
        binaries.require("helm")
    place.mkdir()
    assert binaries.require("helm") == place / "helm"
