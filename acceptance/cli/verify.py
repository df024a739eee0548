"""Compare a run's report, chart, target, specification and images with the digests in its signoff.json."""

from __future__ import annotations

from pathlib import Path

from acceptance.chart.packaging import package_digest
from acceptance.core import digests
from acceptance.core.rules import RULES_FILE
from acceptance.core.target import load
from acceptance.kube.helm import find_helm
from acceptance.provision.images import archived_ids
from acceptance.report import verification


def verify(folder: Path, target: Path | None, chart: Path | None, images: Path | None, *, strict: bool) -> int:
    """Print what differs from what was signed, and what could not be compared.

    Args:
        folder: The run's folder.
        target: The target file; by default the one that signoff.json names, where it exists.
        chart: The chart's folder or package; by default the target's chart.
        images: An archive of the images.
        strict: Whether the run must be accepted, and everything be compared.

    Returns:
        0 if everything that was compared is the same, else 1.

    Raises:
        RecordError: The folder has no results of a run.
        TargetError: The target is not valid.
        ToolchainError: Helm is unavailable, or the archive holds no images.
        OSError: A file can't be read.
    """
    signoff = verification.read_valid(folder)
    actual: dict[str, str | None] = {"specification": digests.of_file(RULES_FILE)}
    named = Path(signoff["subject"]["target"])
    if target is None and named.is_file():
        target = named
    if target is not None:
        actual["target"] = digests.of_file(target)
        chart = chart or load(target).chart_path
    if chart is not None:
        actual["chart"] = package_digest(find_helm(), chart)
    compared = [
        *verification.compare_folder(folder, signoff),
        *verification.compare_report(folder, signoff),
        *verification.compare_subject(signoff, actual, archived_ids(images) if images else None),
    ]
    by_outcome = {
        outcome: [each for each in compared if each.outcome == outcome]
        for outcome in ("same", "different", "not compared")
    }
    for each in (*by_outcome["different"], *by_outcome["not compared"]):
        print(each)  # noqa: T201
    counts = ", ".join(f"{len(found)} {outcome}" for outcome, found in by_outcome.items())
    print(f"run {signoff['environment']['run']}, {signoff['verdict']}: {counts}")  # noqa: T201
    insufficient = by_outcome["not compared"] or signoff["verdict"] != "accepted"
    return 1 if by_outcome["different"] or (strict and insufficient) else 0
