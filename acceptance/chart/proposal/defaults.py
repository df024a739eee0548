"""The default values of a chart with those of its subcharts, at the paths at which the chart sets them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from acceptance.core.fields import mappings_at, text_at
from acceptance.core.values import merge_values
from acceptance.kube.manifests import parse_mapping, read_text_or_empty, shipped


def defaults(chart: Path) -> dict[str, Any]:
    """Return the values of a chart over those of its subcharts, which are below their names or aliases."""
    listed = mappings_at(parse_mapping(read_text_or_empty(chart / "Chart.yaml")), "dependencies")
    below: dict[str, Any] = {}
    for child in sorted((chart / "charts").glob("*")):
        name, values = _of_archive(child) if child.suffix == ".tgz" else _of_folder(child)
        keys = [text_at(each, "alias") or name for each in listed if text_at(each, "name") == name]
        below |= {key: values for key in keys or [name] if values}
    return merge_values(below, shipped(chart))


def _of_folder(folder: Path) -> tuple[str, dict[str, Any]]:
    metadata = parse_mapping(read_text_or_empty(folder / "Chart.yaml"))
    return text_at(metadata, "name") or folder.name, defaults(folder)


def _of_archive(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the name and the values of a packaged subchart, without those of its own subcharts."""
    with tarfile.open(path) as archive:
        for member in archive:
            name, _, file = member.name.partition("/")
            content = archive.extractfile(member) if file == "values.yaml" else None
            if content is not None:
                return name, parse_mapping(content.read().decode("utf-8", "replace"))
    return path.stem, {}
