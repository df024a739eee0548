"""Charts that are archives: unpacked once, into the cache."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from toolchain import cache


class ArchiveError(Exception):
    """The file is not a chart archive; the message is one sentence."""


def is_archive(path: Path) -> bool:
    """Return whether a path's name is that of a packaged chart."""
    return path.name.endswith((".tgz", ".tar.gz"))


def unpacked(path: Path) -> Path:
    """Return the folder of a packaged chart's files. Raises `ArchiveError`."""

    def unpack(folder: Path) -> None:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")

    try:
        folder = cache.build_once(cache.place("chart", cache.digest(path)), unpack)
    except (OSError, tarfile.TarError) as error:
        raise ArchiveError(f"{path} can't be unpacked as a chart archive: {error}") from error
    charts = [each for each in sorted(folder.iterdir()) if (each / "Chart.yaml").is_file()]
    if len(charts) != 1:
        raise ArchiveError(f"{path} is not a chart archive: it holds {len(charts)} folders with a Chart.yaml, not one")
    return charts[0]


def with_unpacked_chart(document: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return the document with the paths below a packaged chart as those of its unpacked files.

    Raises:
        ArchiveError: The archive holds no chart.
    """
    chart = document.get("chart")
    if not isinstance(chart, dict) or not isinstance(chart.get("path"), str):
        return document
    archive = Path(chart["path"])
    if not is_archive(archive) or not (root / archive).is_file():
        return document
    folder, files = unpacked(root / archive), chart.get("values_files")
    changed: dict[str, Any] = {**chart, "path": str(folder)}
    if isinstance(files, list):
        below = [isinstance(each, str) and Path(each).is_relative_to(archive) for each in files]
        changed["values_files"] = [
            str(folder / Path(each).relative_to(archive)) if inside else each
            for each, inside in zip(files, below, strict=True)
        ]
    return {**document, "chart": changed}
