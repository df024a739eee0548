"""The files of a chart and of its subcharts."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from acceptance.core.fields import Object
from acceptance.kube.manifests import read_text_or_empty

MAX_TEXT = 512 * 1024
"""Bytes; larger files are not read, since files that people write are smaller."""


def templates(chart: Path, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield the path and text of every template file, including those of subcharts (folders and archives)."""
    for path in sorted((chart / "templates").rglob("*")):
        if path.is_file():
            yield f"{prefix}{path.relative_to(chart)}", read_text_or_empty(path)
    for child in sorted((chart / "charts").glob("*")):
        if child.is_dir():
            yield from templates(child, f"{prefix}charts/{child.name}/")
        elif child.suffix == ".tgz":
            with tarfile.open(child) as archive:
                for member in archive:
                    content = archive.extractfile(member) if "/templates/" in member.name else None
                    if content is not None:
                        yield f"{prefix}charts/{member.name}", content.read().decode("utf-8", "replace")


def other_files(chart: Path) -> Iterable[tuple[str, str]]:
    """Yield path and text of the chart's files that are neither templates, subcharts nor its own values.yaml."""
    for path in sorted(chart.rglob("*")):
        relative = path.relative_to(chart)
        if relative.parts[0] in ("templates", "charts", ".git") or str(relative) == "values.yaml":
            continue
        if path.is_file() and path.stat().st_size <= MAX_TEXT:
            text = read_text_or_empty(path)
            if "\0" not in text:
                yield str(relative), text


def schema(chart: Path) -> Object | None:
    """Return the values' JSON Schema, None if the chart has none, or `{}` if it is not a JSON object."""
    path = chart / "values.schema.json"
    if not path.is_file():
        return None
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
