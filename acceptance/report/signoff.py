"""What a run collects beside verdicts, and all of it as the data of signoff.json."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version
from typing import Any

from acceptance.core.git import Checkout
from acceptance.core.rules import Level, Rule
from acceptance.core.target import Target
from acceptance.report.verdict import LevelResult, TestResult, Verdict, worst

SCHEMA = "todo-chatbot-acceptance/signoff/2"


@dataclass(frozen=True)
class Measurement:
    """A figure that the release manager should see; `source` tells what it is held against."""

    name: str
    value: float
    unit: str
    source: str
    test: str = ""


@dataclass(frozen=True)
class Picture:
    """An SVG for the report, with the caption that tells a blind reader the same."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Override:
    """A value of the chart that the run set away from what ships, as a dotted path, and why."""

    path: str
    shipped: Any
    used: Any
    reason: str


@dataclass
class RunMetadata:
    """What fixtures know of the run.

    `subject` is what was tested (`images`: digests), `environment` what it was tested on (versions).
    Whoever made the cluster within this run sets `fresh_cluster`.
    """

    subject: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    overrides: list[Override] = field(default_factory=list)
    fresh_cluster: bool = False

    def override(self, shipped: Mapping[str, Any], used: Mapping[str, Any], reason: str) -> None:
        """Note every value that `used` sets otherwise than `shipped`, both as the chart's values are nested."""
        for path, value in _leaves(used):
            found = _at(shipped, path)
            entry = Override(".".join(path), found, value, reason)
            if found != value and entry not in self.overrides:
                self.overrides.append(entry)


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    leaves = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            leaves += _leaves(value, (*path, key))
        else:
            leaves.append(((*path, key), value))
    return leaves


def _at(values: object, path: Sequence[str]) -> object:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


@dataclass
class FixtureTime:
    """Seconds that one fixture took, without the fixtures it asked for; `where` is the module of its own."""

    name: str
    where: str
    setup: float = 0.0
    teardown: float = 0.0


@dataclass
class Results:
    """Everything that one run found."""

    run: str
    started: datetime
    target: Target
    target_file: str
    metadata: RunMetadata = field(default_factory=RunMetadata)
    tests: dict[str, TestResult] = field(default_factory=dict)
    fixtures: dict[tuple[str, str], FixtureTime] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    suite_errors: list[str] = field(default_factory=list)

    def signoff(
        self,
        rules: Mapping[str, Rule],
        judged: Mapping[str, Mapping[Level, LevelResult]],
        verdict: Verdict,
        reasons: Sequence[str],
        tested: Checkout,
        ended: datetime,
    ) -> dict[str, Any]:
        """The run as spec/signoff.schema.json describes it; secrets are still in it."""
        return {
            "schema": SCHEMA,
            "verdict": verdict,
            "reasons": list(reasons),
            "subject": {**_subject(self.target, self.target_file), **asdict(tested), **self.metadata.subject},
            "environment": {
                "run": self.run,
                "started": self.started.isoformat(timespec="seconds"),
                "ended": ended.isoformat(timespec="seconds"),
                "fresh_cluster": self.metadata.fresh_cluster,
                **_machine(),
                **self.metadata.environment,
            },
            "overrides": [asdict(each) for each in self.metadata.overrides],
            "waivers": self._waivers(ended.date()),
            "rules": {rule: _rule(rules[rule], levels) for rule, levels in judged.items()},
            "findings": self._findings(),
            "measurements": [asdict(each) for each in self.measurements],
            "durations": {
                "total": round((ended - self.started) / timedelta(seconds=1), 2),
                "fixtures": [_rounded(asdict(each)) for each in self.fixtures.values()],
                "tests": {name: _rounded(test.seconds) for name, test in self.tests.items()},
            },
            "unit_tests": self._unit_tests(),
            "evidence": {name: test.evidence for name, test in self.tests.items() if test.evidence},
        }

    def _waivers(self, today: date) -> list[dict[str, Any]]:
        used = {judged.waiver for test in self.tests.values() for judged in test.classified}
        return [
            {
                **each.model_dump(mode="json"),
                "state": "used" if each in used else "expired" if today > each.until else "unused",
            }
            for each in self.target.waivers
        ]

    def _findings(self) -> list[dict[str, Any]]:
        """Each finding once, with the levels it was made at and every test that made it."""
        merged: dict[tuple[str, ...], dict[str, Any]] = {}
        for name, test in self.tests.items():
            for severity, found in _found(test):
                entry = merged.setdefault(
                    (severity, *found.values()), {**found, "severity": severity, "levels": [], "tests": []}
                )
                for key, value in (("levels", test.binding.level), ("tests", name)):
                    if value not in entry[key]:
                        entry[key].append(value)
        return list(merged.values())

    def _unit_tests(self) -> dict[str, Any]:
        own = [test for test in self.tests.values() if test.binding.level is None]
        return {
            "results": dict(Counter(test.outcome for test in own)),
            "failed": [
                {"test": test.binding.test, "result": test.outcome, "reason": test.reason}
                for test in own
                if test.outcome != "passed"
            ],
        }


def _found(test: TestResult) -> Iterator[tuple[str, dict[str, str]]]:
    """What a test found, by its severity; of a plain assertion only its words are known."""
    for judged in test.classified:
        found = asdict(judged.finding)
        del found["advice"]
        yield judged.severity, found
    if test.outcome == "failed" and not any(judged.severity == "blocking" for judged in test.classified):
        for rule in test.binding.rules:
            place = test.binding.part or "release"
            yield "blocking", {"rule": rule, "object": place, "field": "", "expected": "", "actual": test.reason}


def _subject(target: Target, target_file: str) -> dict[str, Any]:
    chart = target.chart
    return {
        "target": target_file,
        "strict": target.strict,
        "chart": {
            "name": chart.name,
            "version": chart.version,
            "app_version": chart.app_version,
            "path": chart.path.as_posix(),
            "release": chart.release,
            "namespace": chart.namespace,
        },
    }


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "pytest": version("pytest"),
    }


def _rule(rule: Rule, levels: Mapping[Level, LevelResult]) -> dict[str, Any]:
    return {
        "entity": rule.entity,
        "text": rule.text,
        "part": rule.part,
        "source": rule.source,
        "result": worst(level.outcome for level in levels.values()),
        "levels": {name: _level(rule, level) for name, level in levels.items()},
    }


def _level(rule: Rule, level: LevelResult) -> dict[str, Any]:
    tests = []
    for test in level.tests:
        result, reason = test.of(rule.id)
        tests.append({"test": test.binding.test, "part": test.binding.part, "result": result, "reason": reason})
    parts = {name: {"result": part.outcome, "reason": part.reason} for name, part in level.parts.items()}
    return {"result": level.outcome, "parts": parts, "tests": tests}


def _rounded(seconds: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in seconds.items()}
