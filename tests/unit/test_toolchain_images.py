"""Base images: found under any of their references, pulled or built, in that order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolchain import images
from toolchain.console import ToolchainError
from toolchain.engine import Engine
from toolchain.images import Image

DIGEST = "sha256:" + "a1" * 32
REFERENCE = f"kindest/node:v1@{DIGEST}"
LOCAL_REFERENCE = "suite/node:abc"
FAKE = """#!/bin/sh
echo "$*" >> {log}
case "$1 $2" in
  "image inspect") for last; do :; done; grep -qxF "$last" {present} ;;
  "pull --quiet") grep -qxF "$3" {registry} || {{ echo "manifest unknown" >&2; exit 1; }} ;;
esac
"""


class Registry:
    """A fake docker client; `set_present` and `set_pullable` say which images the engine and the registry have."""

    def __init__(self, home: Path) -> None:
        self._files = {name: home / name for name in ("log", "present", "registry")}
        client = home / "docker"
        client.write_text(FAKE.format(**self._files))
        client.chmod(0o755)
        self.engine = Engine("unix:///nonexistent", client, buildx=True)
        self.built: list[str] = []
        self.image = Image(REFERENCE, LOCAL_REFERENCE, lambda _, reference: self.built.append(reference))
        self.set_present()
        self.set_pullable()

    def set_present(self, *names: str) -> None:
        self._files["present"].write_text("".join(f"{name}\n" for name in names))

    def set_pullable(self, *names: str) -> None:
        self._files["registry"].write_text("".join(f"{name}\n" for name in names))

    def commands(self, word: str) -> list[str]:
        return [line for line in self._files["log"].read_text().splitlines() if line.startswith(word)]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(images.MIRROR, raising=False)
    return Registry(tmp_path)


@pytest.mark.parametrize("name", [REFERENCE, "kindest/node:v1", LOCAL_REFERENCE])
def test_present_image_is_neither_pulled_nor_built(registry: Registry, name: str) -> None:
    registry.set_present(name)
    registry.set_pullable(REFERENCE)
    assert images.ensure(registry.engine, registry.image) == name
    assert not registry.commands("pull")
    assert not registry.built


def test_image_pulled_by_digest_keeps_its_reference(registry: Registry) -> None:
    registry.set_pullable(REFERENCE)
    assert images.ensure(registry.engine, registry.image) == REFERENCE
    assert not registry.commands("tag")
    assert not registry.built


def test_mirror_is_pulled_by_tag_and_retagged(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, images.MIRROR, "mirror.example:5000/hub")
    registry.set_pullable("mirror.example:5000/hub/kindest/node:v1")
    assert images.ensure(registry.engine, registry.image) == "kindest/node:v1"
    assert registry.commands("tag") == ["tag mirror.example:5000/hub/kindest/node:v1 kindest/node:v1"]


def test_image_that_cannot_be_pulled_is_built(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.ensure(registry.engine, registry.image) == LOCAL_REFERENCE
    assert registry.built == [LOCAL_REFERENCE]
    assert "could not be pulled" in capsys.readouterr().err


def test_missing_image_is_reported_with_a_fix(registry: Registry) -> None:
    registry.set_pullable(REFERENCE)
    with pytest.raises(ToolchainError, match="run `make toolchain`"):
        images.ensure(registry.engine, registry.image, may_build=False)
    assert not registry.commands("pull")
