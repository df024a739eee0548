"""How the project's documents and scripts build an image: `docker build -t NAME -f DOCKERFILE CONTEXT`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from acceptance.chart.proposal.project import text_of

SUFFIXES = frozenset({".md", ".rst", ".txt", ".sh", ".ps1", ".bat", ".yml", ".yaml", ".mk"})
NAMES = frozenset({"Makefile", "justfile"})
FILES = 300
CONTINUED = re.compile(r"[ \t]*[\\`]\r?\n[ \t]*")
"""The end of a line that a shell joins with the next one."""
COMMAND = re.compile(r"\bdocker\s+(?:buildx\s+|image\s+)?build\s+([^\n&|;]+)")
FLAGS = frozenset({"--no-cache", "--pull", "--load", "--push", "--quiet", "-q"})
"""Options without a value."""


@dataclass(frozen=True)
class BuildCommand:
    """A command that builds an image, and the file that has it."""

    image: str
    dockerfile: Path
    context: Path
    file: Path


def documents(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the documents and scripts among a project's files with their texts."""
    chosen = [path for path in files if path.suffix.lower() in SUFFIXES or path.name in NAMES]
    for path in chosen[:FILES]:
        yield path, text_of(path)


def build_commands(files: Iterable[Path], project: Path) -> Iterator[BuildCommand]:
    """Yield the commands whose Dockerfile and context exist, from the project's folder or that of their file."""
    for path, text in documents(files):
        for match in COMMAND.finditer(CONTINUED.sub(" ", text)):
            for base in dict.fromkeys((project, path.parent)):
                if found := _read(match[1], base, path):
                    yield found
                    break


def _read(arguments: str, base: Path, file: Path) -> BuildCommand | None:
    try:
        parts = shlex.split(arguments, comments=True)
    except ValueError:
        return None
    given, places = _options(parts)
    tag = given.get("-t") or given.get("--tag")
    if not tag or len(places) != 1:
        return None
    context = _within(base, places[0])
    named = given.get("-f") or given.get("--file")
    dockerfile = _within(base, named) if named else context / "Dockerfile" if context else None
    if context is None or dockerfile is None or not context.is_dir() or not dockerfile.is_file():
        return None
    return BuildCommand(image_name(tag), dockerfile, context, file)


def _options(parts: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options with their values, and the other words."""
    given: dict[str, str] = {}
    places: list[str] = []
    words = iter(parts)
    for word in words:
        name, equals, value = word.partition("=")
        if word in FLAGS or not word.startswith("-"):
            places += [word] * (word not in FLAGS)
        else:
            given[name] = value if equals else next(words, "")
    return given, places


def _within(base: Path, path: str) -> Path | None:
    """Return a path below a folder; None if it is elsewhere, or has a variable in it."""
    if re.search(r"[$%{<*]", path):
        return None
    found = (base / path).resolve()
    return found if found.is_relative_to(base.resolve()) else None


def image_name(reference: str) -> str:
    """Return the last part of an image's repository."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
