"""The history of a target's runs: one line of JSON for each, in the folder for reports."""

from __future__ import annotations

import fcntl
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from acceptance.report import run_folder
from acceptance.report.verdict import Outcome, Verdict

FOLDER = "history"
WINDOW = 50
"""How many runs back a figure's usual range and the flaky levels are computed from."""
LONG_STEP_SECONDS = 1.0
"""A shorter step of the set-up is not kept."""


class HistoryError(Exception):
    """A history can't be read; the message is one sentence."""


class Figure(BaseModel):
    """A measurement: the greatest of its name in the run."""

    model_config = ConfigDict(frozen=True)

    value: float
    unit: str
    limit: float | None


class PastFinding(BaseModel):
    """A finding, as far as runs are compared by it."""

    model_config = ConfigDict(frozen=True)

    rule: str
    object: str
    severity: Literal["blocking", "advice", "waived"]
    levels: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What two runs' findings have in common if they are the same."""
        return self.rule, self.object, self.severity


class Entry(BaseModel):
    """One run; `levels` has the result of each tested level as `POD-04 static`."""

    format: Literal["todo-chatbot-acceptance/history/1"] = "todo-chatbot-acceptance/history/1"
    run: str
    ended: datetime
    target: str
    chart: str
    version: str | None
    commit: str | None
    clean: bool
    verdict: Verdict
    seconds: float
    levels: dict[str, Outcome]
    findings: tuple[PastFinding, ...]
    images: dict[str, str]
    figures: dict[str, Figure]
    steps: dict[str, float] = {}
    """Seconds of each long step of the set-up."""

    @property
    def blocking(self) -> int:
        """The number of blocking findings."""
        return sum(finding.severity == "blocking" for finding in self.findings)


def entry(signoff: Mapping[str, Any]) -> Entry:
    """Return what the history keeps of a run, from the redacted data of its signoff.json."""
    subject = signoff["subject"]
    figures: dict[str, Figure] = {}
    for each in signoff["measurements"]:
        known = figures.get(each["name"])
        if known is None or each["value"] > known.value:
            figures[each["name"]] = Figure(value=each["value"], unit=each["unit"], limit=each["limit"])
    return Entry(
        run=signoff["environment"]["run"],
        ended=signoff["environment"]["ended"],
        target=subject["target"],
        chart=subject["chart"]["name"],
        version=subject["chart"]["version"],
        commit=subject["commit"],
        clean=subject["clean"],
        verdict=signoff["verdict"],
        seconds=signoff["durations"]["total"],
        levels={
            f"{rule} {level}": result["result"]
            for rule, data in signoff["rules"].items()
            for level, result in data["levels"].items()
            if result["result"] != "untested"
        },
        findings=tuple(
            PastFinding(rule=e["rule"], object=e["object"], severity=e["severity"], levels=tuple(e["levels"]))
            for e in signoff["findings"]
        ),
        images={name: image["id"] for name, image in subject.get("images", {}).items() if "id" in image},
        figures=figures,
        steps={
            step_name(each["name"], each["where"]): each["setup"]
            for each in signoff["durations"]["fixtures"]
            if each["setup"] >= LONG_STEP_SECONDS
        },
    )


def step_name(fixture: str, where: str) -> str:
    """Return the name of a step of the set-up: a fixture, of the module `where` unless the session shares it."""
    return f"{fixture} of {where}" if where else fixture


def path_of(reports: Path, chart: str, target: str) -> Path:
    """Return the history of a target, named by its chart and its file, in a folder for reports."""
    return reports / FOLDER / f"{run_folder.safe_file_name(f'{chart}-{target}')}.jsonl"


def load(path: Path) -> list[Entry]:
    """Return the runs of a history by their end; none without the file. Raises `HistoryError`."""
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError as error:
            raise HistoryError(f"line {number} of {path} is no run of a history: move the file away") from error
    return sorted(entries, key=lambda each: each.ended)


def append(path: Path, signoff: Mapping[str, Any]) -> None:
    """Add a run to a history, unless it is a shard or tested no rule; runs that end together wait for each other."""
    this = entry(signoff)
    if signoff["shard"] or not this.levels:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(this.model_dump_json() + "\n")


def levels_of(entries: Iterable[Entry]) -> dict[str, tuple[Entry, Outcome]]:
    """Return the last run that tested each level, and its result; `entries` are in the order of time."""
    return {level: (each, result) for each in entries for level, result in each.levels.items()}


def usual_steps(entries: Sequence[Entry]) -> dict[str, float]:
    """Return the median seconds of each long step of the set-up, in the last `WINDOW` runs."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for each in entries[-WINDOW:]:
        for name, value in each.steps.items():
            seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}
