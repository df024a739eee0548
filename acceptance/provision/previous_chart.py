"""The chart that an upgrade starts from: the one that was named, the last tagged release's, or this one renumbered."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

VERSION, APP_VERSION = "0.0.0-previous", "previous"
"""The versions of the chart under test when it stands in for an earlier one."""


@dataclass(frozen=True)
class PreviousChart:
    """A chart as a folder or an archive.

    Attributes:
        path: Where it is.
        origin: Where it is from, for the report.
        renumbered: Whether it is the chart under test with another version, so that its faults are the release's.
    """

    path: Path
    origin: str
    renumbered: bool = False


def previous_chart(chart: Path, named: Path | None, folder: Path) -> PreviousChart:
    """Return the chart to upgrade from.

    Args:
        chart: The chart under test.
        named: The chart that the user named, a folder or an archive; None to find one.
        folder: An empty folder for what is made.
    """
    if named is not None:
        return PreviousChart(named, f"{named}, as --upgrade-from names it")
    # The commit itself may have the tag of the release that is under test.
    tag = _git(chart, "describe", "--tags", "--abbrev=0", "HEAD^")
    archive = tag and _git_archive(chart, tag.decode().strip())
    if tag and archive:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return PreviousChart(folder, f"the chart of tag {tag.decode().strip()}")
    origin = "the same chart with another version and appVersion"
    return PreviousChart(_renumbered(chart, folder / chart.name), origin, renumbered=True)


def _renumbered(chart: Path, copy: Path) -> Path:
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns(".git"))
    path = copy / "Chart.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**content, "version": VERSION, "appVersion": APP_VERSION}), encoding="utf-8")
    return copy


def _git_archive(chart: Path, tag: str) -> bytes | None:
    """Return the chart's folder at a tag; None if it had no chart there."""
    # Of a subfolder, `git archive` run in it takes the content of the same subfolder at the tag.
    archive = _git(chart, "archive", "--format=tar", tag, ".")
    if archive is None:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return archive if "Chart.yaml" in tar.getnames() else None


def _git(folder: Path, *argv: str) -> bytes | None:
    """Return what git printed in a folder; None if it failed, as outside of a checkout or without any tag."""
    try:
        return subprocess.run(["git", "-C", str(folder), *argv], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
