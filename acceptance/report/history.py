"""The history of a target's runs: one line of JSON for each, in the folder for reports."""

from __future__ import annotations

import fcntl
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, FiniteFloat, StringConstraints, ValidationError

from acceptance.core import digests
from acceptance.core.target import Target
from acceptance.report import run_folder
from acceptance.report.verdict import Outcome, Verdict

FOLDER = "history"
WINDOW = 50
"""How many earlier runs the flaky levels, and the limits and medians of figures, are computed from."""
LONG_STEP_SECONDS = 1.0
"""Shorter steps of the setup are not kept, in seconds."""
COMMON_LEVELS = 0.9
"""The share of either run's levels that two comparable runs have in common: a release of the suite adds a few."""

PROVIDERS = ("kind", "minikube")
"""What makes clusters, as the report's environment names it with its version; others are given."""

LevelName = Annotated[str, StringConstraints(pattern=r"^\S+ \S+$")]
"""A level of a rule, such as `POD-04 static`."""


class HistoryError(Exception):
    """A history can't be read; the message is one sentence."""


class Figure(BaseModel):
    """A measurement: the greatest of its name in the run."""

    model_config = ConfigDict(frozen=True)

    value: FiniteFloat
    unit: str
    limit: FiniteFloat | None


class PastFinding(BaseModel):
    """A finding, as far as it is compared between runs."""

    model_config = ConfigDict(frozen=True)

    rule: str
    object: str
    severity: Literal["blocking", "advice", "waived"]
    levels: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the finding in different runs."""
        return self.rule, self.object, self.severity


class Entry(BaseModel):
    """One run; `levels` has the result of each tested level as `POD-04 static`."""

    format: Literal["todo-chatbot-acceptance/history/1"] = "todo-chatbot-acceptance/history/1"
    run: str
    ended: AwareDatetime
    target: str
    chart: str
    version: str | None
    commit: str | None
    clean: bool
    verdict: Verdict
    seconds: FiniteFloat
    levels: dict[LevelName, Outcome]
    findings: tuple[PastFinding, ...]
    images: dict[str, str]
    figures: dict[str, Figure]
    steps: dict[str, FiniteFloat] = {}
    """Seconds of each long step of the setup."""
    shards: int = 1
    """On how many machines the tests were divided."""
    platform: str = ""
    """The kind of machine and of cluster, on which durations depend."""
    suite: str = ""
    """The digest of the suite, which decides on results too."""

    @property
    def blocking(self) -> int:
        """The number of blocking findings."""
        return sum(finding.severity == "blocking" for finding in self.findings)

    def is_comparable(self, other: Entry) -> bool:
        """Return whether two runs can be compared as a whole: they tested about the same, on as many machines."""
        common = len(self.levels.keys() & other.levels.keys())
        return self.shards == other.shards and common >= COMMON_LEVELS * max(len(self.levels), len(other.levels))


@dataclass(frozen=True)
class History:
    """The runs of a target in the order of their ends, and the number of lines of the file that are not runs."""

    entries: Sequence[Entry]
    unreadable: int = 0


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
        shards=len(signoff["merged"]) or 1,
        platform=_platform(signoff["environment"]),
        suite=signoff["environment"].get("suite", {}).get("digest", ""),
    )


def _platform(environment: Mapping[str, Any]) -> str:
    """Return the operating system, the number of CPUs and what made the cluster; versions change too often."""
    provider = next((name for name in PROVIDERS if name in environment), "a given cluster")
    return f"{environment['system']}, {provider if 'kubernetes' in environment else 'no cluster'}"


def step_name(fixture: str, where: str) -> str:
    """Return the name of a step of the setup: a fixture, of the module `where` unless the session shares it."""
    return f"{fixture} of {where}" if where else fixture


def path_of(reports: Path, target: Target, file: str) -> Path:
    """Return the history of a target, in a folder for reports.

    Args:
        reports: The folder for reports.
        target: The target: targets with another chart, release or namespace have histories of their own.
        file: The target's file, as the report names it.
    """
    chart = target.chart
    key = digests.of_data([file, chart.name, chart.release, chart.namespace]).removeprefix(digests.PREFIX)
    return reports / FOLDER / f"{run_folder.safe_file_name(f'{chart.name}-{file}')}-{key[:8]}.jsonl"


def load(path: Path) -> History:
    """Return the history in a file, empty without the file; lines that are not runs are counted.

    Raises:
        HistoryError: The file can't be read.
    """
    if not path.exists():
        return History(())
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise HistoryError(f"the history {path} can't be read: {error.strerror}") from error
    entries = []
    for line in lines:
        with suppress(ValidationError):
            entries.append(Entry.model_validate_json(line))
    return History(sorted(entries, key=lambda each: each.ended), len(lines) - len(entries))


def append(path: Path, signoff: Mapping[str, Any]) -> None:
    """Add a run to a history, unless it is a shard or tested no rule; runs that end together wait for each other."""
    this = entry(signoff)
    if signoff["shard"] or not this.levels:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (b"\n" + path.read_bytes()).endswith(b"\n"):
            file.write("\n")  # a run that was killed while it wrote has left the start of a line
        file.write(this.model_dump_json() + "\n")


def levels_of(entries: Iterable[Entry]) -> dict[str, tuple[Entry, Outcome]]:
    """Return the last run that tested each level, and its result; `entries` are in the order of time."""
    return {level: (each, result) for each in entries for level, result in each.levels.items()}


def usual_steps(history: History) -> dict[str, float]:
    """Return the median seconds of each long step of the setup, in the last `WINDOW` runs."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for each in history.entries[-WINDOW:]:
        for name, value in each.steps.items():
            seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}
