"""The toolchain's cache: entries are complete, one process builds each, and keys depend on content."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.core.rules import ROOT
from toolchain import cache

KILLED_BUILDER = """
import os, signal
from pathlib import Path
from toolchain import cache

def build(staging: Path) -> None:
    (staging / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

cache.build_once(cache.place("thing", "1"), build)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache.place("thing", "1")


def write(staging: Path) -> None:
    (staging / "whole").write_text("whole")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_build_is_not_cached(place: Path, interruption: type[BaseException]) -> None:
    def build(staging: Path) -> None:
        (staging / "half").write_text("half")
        raise interruption

    with pytest.raises(interruption):
        cache.build_once(place, build)
    assert not place.exists()
    assert not list(cache.directory().glob("*.unfinished"))


def test_killed_build_is_not_cached_and_is_cleaned_up(place: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_BUILDER], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert not place.exists()
    assert len(list(cache.directory().glob("*.unfinished"))) == 1
    assert sorted(path.name for path in cache.build_once(place, write).iterdir()) == ["whole"]
    assert not list(cache.directory().glob("*.unfinished"))


def test_cached_entry_is_not_rebuilt(place: Path) -> None:
    def fail(_: Path) -> None:
        raise AssertionError("built twice")

    cache.build_once(place, write)
    assert cache.build_once(place, fail) == place


def test_concurrent_builders_build_once(place: Path) -> None:
    built: list[Path] = []
    started = threading.Event()

    def build(staging: Path) -> None:
        started.set()
        time.sleep(0.1)
        built.append(staging)

    first = threading.Thread(target=cache.build_once, args=(place, build))
    first.start()
    started.wait()
    cache.build_once(place, build)
    first.join()
    assert len(built) == 1


def test_lock_is_exclusive() -> None:
    order = []
    locked = threading.Event()

    def second() -> None:
        locked.wait()
        with cache.lock("x"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with cache.lock("x"):
        locked.set()
        time.sleep(0.1)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def folder(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, content in files.items():
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: (path / "a").write_text("2"), id="content"),
        pytest.param(lambda path: (path / "a").rename(path / "_a"), id="name"),
        pytest.param(lambda path: (path / "c").write_text(""), id="empty file"),
        pytest.param(lambda path: (path / "b").unlink(), id="removal"),
    ],
)
def test_digest_changes_with_the_folder(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = folder(tmp_path / "x", a="1", b="2")
    before = cache.digest(path, "text")
    assert before == cache.digest(folder(tmp_path / "y", a="1", b="2"), "text")
    change(path)
    assert cache.digest(path, "text") != before


def test_digest_distinguishes_its_parts() -> None:
    assert cache.digest("ab", "c") != cache.digest("a", "bc") != cache.digest("abc")
    assert cache.digest("a") == cache.digest(b"a")
    with pytest.raises(FileNotFoundError):
        cache.digest(Path("/nonexistent"))
