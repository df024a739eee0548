"""results.json: everything that a run collected, redacted, from which its report can be made again or merged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from acceptance.core.git import Checkout
from acceptance.core.rules import RULES_FILE, Level
from acceptance.core.shard import Shard
from acceptance.core.suite import Suite
from acceptance.core.target import Target
from acceptance.report.machine import machine
from acceptance.report.results import Attempt, FixtureTime, Measurement, MergedShard, Picture, Results, RunMetadata
from acceptance.report.verdict import TestResult

FILE = "results.json"
Format = Literal["todo-chatbot-acceptance/results/2"]
(FORMAT,) = get_args(Format)


class RecordError(Exception):
    """A folder has no results that can be used; the message is one sentence."""


class Record(BaseModel):
    """The contents of results.json; `rules` is the digest of the rules by which the run was judged."""

    model_config = ConfigDict(extra="forbid")

    format: Format
    rules: str
    suite: Suite
    run: str
    started: datetime
    ended: datetime
    checkout: Checkout
    target: Target
    target_file: str
    python: str
    options: list[str]
    system: str
    shard: Shard | None
    selection: str
    elsewhere: list[tuple[str, Level]]
    collected: list[str]
    uncollected: list[str]
    metadata: RunMetadata
    missing: list[tuple[str, Level, str]]
    suite_errors: list[str]
    tests: list[TestResult]
    fixtures: list[FixtureTime]
    measurements: list[Measurement]
    attempts: list[Attempt]
    pictures: list[Picture]
    merged: list[MergedShard]


def rules_digest() -> str:
    """Return the digest of the specification's rules."""
    return hashlib.sha256(RULES_FILE.read_bytes()).hexdigest()


def record(
    results: Results, missing: Mapping[tuple[str, Level], str], checkout: Checkout, ended: datetime
) -> dict[str, Any]:
    """Return the contents of results.json; secrets are not redacted yet. It names no folder of the machine."""
    return Record(
        format=FORMAT,
        rules=rules_digest(),
        suite=results.suite,
        run=results.run,
        started=results.started,
        ended=ended,
        checkout=checkout,
        target=results.target.model_copy(update={"root": Path()}),
        target_file=results.target_file,
        python=results.python,
        options=list(results.options),
        system=machine(),
        shard=results.shard,
        selection=results.selection,
        elsewhere=sorted(results.elsewhere),
        collected=sorted(results.collected),
        uncollected=sorted(results.uncollected),
        metadata=results.metadata,
        missing=[(rule, level, reason) for (rule, level), reason in missing.items()],
        suite_errors=results.suite_errors,
        tests=list(results.tests.values()),
        fixtures=list(results.fixtures.values()),
        measurements=results.measurements,
        attempts=results.attempts,
        pictures=results.pictures,
        merged=results.merged,
    ).model_dump(mode="json")


def write(folder: Path, contents: Mapping[str, Any]) -> None:
    """Write results.json into a run's folder."""
    (folder / FILE).write_text(json.dumps(contents, ensure_ascii=False) + "\n", encoding="utf-8")


def read(folder: Path) -> Record:
    """Read the results of a run. Raises `RecordError` in one sentence."""
    path = folder / FILE
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{folder} has no results of a run: {FILE} can't be read: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} has no results of a run, or of another version of the suite") from error


def results_of(record: Record) -> Results:
    """Return what the run collected, as while it ran."""
    return Results(
        run=record.run,
        started=record.started,
        target=record.target,
        target_file=record.target_file,
        python=record.python,
        options=tuple(record.options),
        metadata=record.metadata,
        tests={test.binding.test: test for test in record.tests},
        fixtures={(fixture.name, fixture.where): fixture for fixture in record.fixtures},
        measurements=record.measurements,
        attempts=record.attempts,
        pictures=record.pictures,
        suite_errors=record.suite_errors,
        shard=record.shard,
        selection=record.selection,
        elsewhere=set(record.elsewhere),
        collected=set(record.collected),
        uncollected=set(record.uncollected),
        suite=record.suite,
        merged=record.merged,
    )
