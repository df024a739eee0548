"""Edits of a copy of the chart or of the whole tree, each of one file; one that does not apply is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mutants.draft import put

Edit = Callable[[Path], None]
"""Changes a file of the copy in this folder. Raises `ValueError` if it does not apply."""


def replace(file: str, old: str, new: str) -> Edit:
    """Return an edit that replaces a text which occurs exactly once."""

    def edit(chart: Path) -> None:
        path = chart / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} contains {old!r} {text.count(old)} times, expected once")
        path.write_text(text.replace(old, new), encoding="utf-8")

    return edit


def append(file: str, text: str) -> Edit:
    """Return an edit that appends text to a file, or creates it."""

    def edit(chart: Path) -> None:
        path = chart / file
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")

    return edit


def remove(file: str) -> Edit:
    """Return an edit that removes a file."""
    return lambda chart: (chart / file).unlink()


def data(file: str, path: str, value: Any) -> Edit:
    """Return an edit that sets or removes (`REMOVE`) a field of a JSON or YAML file."""

    def edit(chart: Path) -> None:
        location = chart / file
        text = location.read_text(encoding="utf-8")
        document = json.loads(text) if file.endswith(".json") else yaml.safe_load(text)
        before = json.dumps(document)
        put(document, path, value)
        if json.dumps(document) == before:
            raise ValueError(f"{file} {path} is {value!r} already")
        location.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML

    return edit
