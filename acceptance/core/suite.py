"""Which suite judged: its version, its commit, and a digest of what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from acceptance.core import digests
from acceptance.core.git import Checkout, checkout
from acceptance.core.rules import CHECKOUT, INSTALLED, ROOT

FOLDERS = (CHECKOUT / "acceptance", ROOT / "support", ROOT / "tests")
LEFT_OUT = frozenset({"__pycache__", "_suite", "unit"})
"""Folders in these that judge no release, or that are among `FOLDERS` themselves."""


@dataclass(frozen=True)
class Suite:
    """A version of the suite; from a wheel it has no commit, and is not known to be `clean`."""

    version: str
    commit: str | None
    clean: bool
    digest: str


@cache
def suite() -> Suite:
    """Return what this process judges with."""
    source = Checkout(None, clean=False) if INSTALLED else checkout(ROOT)
    digest = digests.of_named(content for folder in FOLDERS for content in _contents(folder))
    return Suite(version("todo-chatbot-acceptance"), source.commit, source.clean, digest)


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if path.is_file() and LEFT_OUT.isdisjoint(place.parts):
            yield f"{folder.name}/{place.as_posix()}", path.read_bytes()
