"""Shards of one run joined: their results are judged together, as if one process had run every test."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from acceptance.core.git import Checkout
from acceptance.core.rules import Level
from acceptance.core.shard import Shard
from acceptance.core.suite import suite
from acceptance.report import recorded, run_folder, verification
from acceptance.report.recorded import Record, RecordError
from acceptance.report.results import MergedShard, Override, Results, RunMetadata
from acceptance.report.verdict import TestResult, joined

JUNIT = "junit.xml"
EVIDENCE = "evidence"
SAME_VERSIONS = {"kubernetes": "Kubernetes", "helm": "Helm"}
"""What shards with a cluster name in their environment and have in common; kernels and engines are their machines'."""


@dataclass(frozen=True)
class Merged:
    """The results of all shards, and what judges them."""

    results: Results
    missing: Mapping[tuple[str, Level], str]
    checkout: Checkout
    ended: datetime


def read_shards(folders: Sequence[Path]) -> dict[Path, Record]:
    """Read the results of each shard, by the folder of its run and in the order of their numbers.

    Args:
        folders: Folders of runs, or folders for reports, of which the newest run is taken.

    Raises:
        RecordError: They are not the shards of one run, each once and as it was written.
    """
    found = {folder: recorded.read(folder) for folder in map(_run_folder, folders)}
    if len(found) < len(folders):
        raise RecordError("one folder is named twice; name the folder of each shard once")
    shards: dict[Shard, Path] = {}
    for folder, record in found.items():
        if record.shard is None:
            raise RecordError(f"{folder} is a whole run, no shard: its page is complete already")
        if record.shard in shards:
            raise RecordError(f"{shards[record.shard]} and {folder} are both {record.shard}; name each shard once")
        if not (folder / JUNIT).is_file():
            raise RecordError(
                f"{folder} has no {JUNIT}, so that the merged one would lack its tests: keep the whole folder"
            )
        shards[record.shard] = folder
    _check_same(found)
    of = next(iter(shards)).of
    if missing := sorted({*range(1, of + 1)} - {shard.number for shard in shards}):
        names = ", ".join(map(str, missing))
        raise RecordError(f"shard{'s' if len(missing) > 1 else ''} {names} of {of} missing; name the folder of each")
    for folder in found:
        _check_unaltered(folder)
    return {folder: found[folder] for _, folder in sorted(shards.items())}


def _run_folder(folder: Path) -> Path:
    latest = folder / run_folder.LATEST
    return (latest if not (folder / recorded.FILE).exists() and latest.is_dir() else folder).resolve()


def _check_unaltered(folder: Path) -> None:
    """Raise `RecordError` if a file of the folder is not as its run left it."""
    for each in verification.compare_folder(folder, verification.read_valid(folder)):
        if each.outcome == "different":
            raise RecordError(f"{folder} is not as its run left it: {each}")


def _check_same(found: Mapping[Path, Record]) -> None:
    """Raise `RecordError` if the results are not of one run's shards, tested alike."""
    first, one = next(iter(found.items()))
    for folder, record in found.items():
        assert record.shard is not None
        assert one.shard is not None
        for what, mine, other in (
            ("commits", record.checkout.commit, one.checkout.commit),
            ("checkouts, one with uncommitted changes", record.checkout, one.checkout),
            ("targets", (record.target_file, record.target), (one.target_file, one.target)),
            ("versions of the rules", record.rules, one.rules),
            ("versions of the suite", record.suite.digest, one.suite.digest),
            ("options", record.options, one.options),
            ("charts or targets", _digests(record), _digests(one)),
            ("numbers of shards", record.shard.of, one.shard.of),
            ("selections of tests", record.selection, one.selection),
        ):
            if mine != other:
                raise RecordError(f"{first} and {folder} are of different {what}: they can't be merged")
    if one.rules != recorded.rules_digest():
        raise RecordError(f"{first} was judged by another version of the rules than this suite has: use the same")
    if one.suite.digest != suite().digest:
        raise RecordError(f"{first} was tested by another version of the suite than this one: use the same")
    seen: dict[str, tuple[Path, str]] = {}
    for folder, record in found.items():
        for what, value in {**_images(record), **_versions(record)}.items():
            earlier, known = seen.setdefault(what, (folder, value))
            if known != value:
                raise RecordError(f"{earlier} and {folder} tested {what}: they can't be merged")


def _digests(record: Record) -> Mapping[str, str | None]:
    """Return the digests of what was tested; every shard of a release has them."""
    found: Mapping[str, str | None] = record.metadata.subject.get("digests", {})
    return found


def _images(record: Record) -> dict[str, str]:
    """Return the identifier of each component's image; none where no test needed them."""
    images: dict[str, dict[str, str]] = record.metadata.subject.get("images", {})
    return {f"different images of the {name}": image["id"] for name, image in images.items()}


def _versions(record: Record) -> dict[str, str]:
    """Return the versions that all shards with a cluster have in common; none where no test needed a cluster."""
    versions = record.metadata.environment
    known = [key for key in SAME_VERSIONS if key in versions]
    return {f"with different versions of {SAME_VERSIONS[key]}": str(versions[key]) for key in known}


def merge(shards: Iterable[Record]) -> Merged:
    """Join the results of the shards of one run, in their order."""
    records = list(shards)
    parts = [recorded.results_of(record) for record in records]
    ended = max(record.ended for record in records)
    merged = Results(
        run=run_folder.new_id(),
        started=min(part.started for part in parts),
        target=parts[0].target,
        target_file=parts[0].target_file,
        python=parts[0].python,
        options=parts[0].options,
        metadata=_metadata(parts),
        merged=[_part(record) for record in records],
        collected=set().union(*(part.collected for part in parts)),
        uncollected=set().union(*(part.uncollected for part in parts)),
        suite=parts[0].suite,
    )
    for part in parts:
        where = f"shard {part.shard.number}" if part.shard else part.run
        merged.measurements += part.measurements
        merged.attempts += part.attempts
        merged.pictures += part.pictures
        merged.suite_errors += [f"{where}: {error}" for error in part.suite_errors]
        for key, fixture in part.fixtures.items():
            known = merged.fixtures.get(key)
            merged.fixtures[key] = (
                replace(known, setup=known.setup + fixture.setup, teardown=known.teardown + fixture.teardown)
                if known
                else fixture
            )
    for test in _tests(parts):
        known_test = merged.tests.get(test.binding.test)
        merged.tests[test.binding.test] = joined(known_test, test) if known_test else test
    missing = {(rule, level): reason for record in records for rule, level, reason in record.missing}
    return Merged(merged, missing, records[0].checkout, ended)


def _part(record: Record) -> MergedShard:
    return MergedShard(
        shard=str(record.shard),
        run=record.run,
        started=record.started.isoformat(timespec="seconds"),
        ended=record.ended.isoformat(timespec="seconds"),
        seconds=round((record.ended - record.started) / timedelta(seconds=1), 2),
        system=record.system,
    )


def _metadata(parts: Sequence[Results]) -> RunMetadata:
    """Join what fixtures know; what differs between machines is named with each shard."""
    merged = RunMetadata()
    overrides: list[Override] = []
    clustered = [part.metadata for part in parts if part.metadata.used_cluster]
    merged.used_cluster = bool(clustered)
    merged.fresh_cluster = bool(clustered) and all(each.fresh_cluster for each in clustered)
    for part in parts:
        for key, value in part.metadata.subject.items():
            known = merged.subject.setdefault(key, value)
            if key == "images":  # only a shard that installs the release has those of further workloads
                merged.subject[key] = {**value, **known}
        overrides += (each for each in part.metadata.overrides if each not in overrides)
    merged.overrides = overrides
    for key in dict.fromkeys(key for part in parts for key in part.metadata.environment):
        values = [part.metadata.environment[key] for part in parts if key in part.metadata.environment]
        different = list(dict.fromkeys(map(str, values)))
        merged.environment[key] = values[0] if len(different) == 1 else "; ".join(different)
    return merged


def _tests(parts: Sequence[Results]) -> Iterable[TestResult]:
    """Yield every result.

    A finding that a test passed on to another rule counts only where no shard tested that rule itself.
    """
    every = [
        replace(test, evidence=[path.replace(EVIDENCE, _place(part.shard), 1) for path in test.evidence])
        for part in parts
        for test in part.tests.values()
    ]
    tested = {(test.binding.level, rule) for test in every if test.seconds for rule in test.binding.rules}
    for test in every:
        passed_on = test.classified and not test.seconds
        if not (passed_on and all((test.binding.level, rule) in tested for rule in test.binding.rules)):
            yield test


def copy_evidence(shards: Mapping[Path, Record], folder: Path) -> None:
    """Copy the evidence of each shard into the merged run's folder, where the merged results name it."""
    for source, record in shards.items():
        if (source / EVIDENCE).is_dir():
            shutil.copytree(source / EVIDENCE, folder / _place(record.shard))


def _place(shard: Shard | None) -> str:
    """Return the folder of a shard's evidence in the merged run's folder."""
    assert shard is not None
    return f"{EVIDENCE}/shard-{shard.number}"


def merge_junit(folders: Iterable[Path], output: Path) -> None:
    """Write the test suites of each folder's JUnit file into one file."""
    root: ET.Element[Any] = ET.Element("testsuites")
    for folder in folders:
        root.extend(ET.parse(folder / JUNIT).getroot().iter("testsuite"))  # noqa: S314 - the suite's own file
    ET.ElementTree(root).write(output, encoding="utf-8", xml_declaration=True)
