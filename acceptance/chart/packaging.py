"""The digest of a chart as Helm packages it, the same for the chart's folder and for its archive."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from acceptance.core import digests
from acceptance.kube.helm import Helm
from toolchain.console import CommandError


def package_digest(helm: Helm, chart: Path) -> str | None:
    """Return the digest of the files that a chart's package contains; times and compression do not matter.

    Args:
        helm: Packages the chart.
        chart: The chart's folder, or its .tgz.

    Returns:
        The digest, or None for a chart that Helm can't package.

    Raises:
        ToolchainError: Helm could not be run.
        OSError: The archive can't be read.
    """
    if chart.is_file():
        return _archive_digest(chart)
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        try:
            helm("package", chart, "--destination", folder)
        except CommandError:
            return None
        return _archive_digest(next(Path(folder).glob("*.tgz")))


def _archive_digest(archive: Path) -> str:
    try:
        with tarfile.open(archive) as file:
            members = [(member.name, file.extractfile(member)) for member in file if member.isfile()]
            return digests.of_named((name, content.read()) for name, content in members if content)
    except tarfile.TarError as error:
        raise OSError(f"{archive} is not a packaged chart: {error}") from error
