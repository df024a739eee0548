"""What a run collects: outcomes of tests, figures, pictures, and what fixtures know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from acceptance.core.deadlines import Deadline
from acceptance.core.rules import Level
from acceptance.core.shard import Shard
from acceptance.core.suite import Suite, suite
from acceptance.core.target import Target
from acceptance.core.values import leaves
from acceptance.provision.images import BuiltImage
from acceptance.report.verdict import TestResult

Collector = Callable[[], Mapping[str, str]]
"""Gathers evidence of a failure as texts by title; bounded in time, and raises nothing for what it finds."""
OnFailure = Callable[[Collector], AbstractContextManager[None]]
"""Registers a collector until the context's exit."""


@dataclass(frozen=True)
class Limit:
    """The most that a figure may be, and the source of that limit.

    A test judges a greater one: a time by the deadline of its wait, which asks once more at its end, else by a finding.
    """

    most: float
    source: str

    @classmethod
    def of(cls, deadline: Deadline) -> Limit:
        """Return the limit that a deadline sets."""
        return cls(deadline.seconds, deadline.source)


UNDISTURBED = "failed while nothing was disturbed"
"""The figure of traffic that counts what failed outside of an experiment's disturbances."""


@dataclass(frozen=True)
class NotJudged:
    """The reason why a figure is not judged."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a figure that is not judged needs a reason")


class RecordMeasurement(Protocol):
    """Records a figure of the running test, with its limit or the reason why it has none."""

    def __call__(self, name: str, value: float, unit: str, limit: Limit | NotJudged) -> None:
        """Record it."""


@dataclass(frozen=True)
class Measurement:
    """A figure for the release approver: at most `limit` if it is judged; `source` says by what, or why not."""

    name: str
    value: float
    unit: str
    limit: float | None
    source: str
    test: str = ""

    @classmethod
    def of(cls, name: str, value: float, unit: str, limit: Limit | NotJudged, test: str = "") -> Measurement:
        """Return the figure with its limit, or with the reason why it has none."""
        if isinstance(limit, NotJudged):
            return cls(name, value, unit, None, limit.reason, test)
        return cls(name, value, unit, limit.most, limit.source, test)


@dataclass(frozen=True)
class Attempt:
    """One attempt at an experiment, and the load of the machine meanwhile.

    Attributes:
        experiment: The experiment's name.
        number: 1, or 2 for the repetition of an inconclusive one.
        seconds: How long it took.
        inconclusive: Why it can't be judged; empty if it can.
        starved_seconds: How long the machine was starved of CPU time.
        max_steal: The largest share of CPU time that a hypervisor withheld, 0 to 1.
        max_lateness: The most seconds that the sampler was woken late.
    """

    experiment: str
    number: int
    seconds: float
    inconclusive: str
    starved_seconds: float
    max_steal: float
    max_lateness: float


@dataclass(frozen=True)
class Picture:
    """An SVG for the report; its caption says what it shows, for readers who can't see it."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Override:
    """A value of the chart that the run changed from what ships, as a dotted path, and why."""

    path: str
    shipped: Any
    used: Any
    reason: str


@dataclass
class RunMetadata:
    """What fixtures know about the run.

    `subject` is what was tested (`images`: digests), `environment` what it was tested on (versions). The fixture that
    creates the cluster sets `fresh_cluster`; `used_cluster` is false while no test needed one.
    """

    subject: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    overrides: list[Override] = field(default_factory=list)
    fresh_cluster: bool = False
    used_cluster: bool = False

    def add_images(self, images: Mapping[str, BuiltImage]) -> None:
        """Add images to the subject: those of components by their names, others by their repositories."""
        known = self.subject.setdefault("images", {})
        for name, image in images.items():
            known[name] = {"reference": image.reference, "id": image.config_digest}

    def override(self, shipped: Mapping[str, Any], used: Mapping[str, Any], reason: str) -> None:
        """Add every value that differs in `used` from `shipped`, both nested as the chart's values are."""
        for path, value in leaves(used):
            default = _at(shipped, path)
            entry = Override(".".join(path), default, value, reason)
            if default != value and entry not in self.overrides:
                self.overrides.append(entry)


def _at(values: object, path: Sequence[str]) -> object:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


@dataclass(frozen=True)
class MergedShard:
    """A shard's run that a merged run contains; times are ISO 8601, `system` is the machine's."""

    shard: str
    run: str
    started: str
    ended: str
    seconds: float
    system: str


@dataclass
class FixtureTime:
    """Seconds that one fixture took, without those it requested; `where` is its module, empty for the session."""

    name: str
    where: str
    setup: float = 0.0
    teardown: float = 0.0


@dataclass
class Results:
    """Everything that one run collected."""

    run: str
    started: datetime
    target: Target
    target_file: str
    python: str = "python"
    """The start of the shell command that repeats a test."""
    options: tuple[str, ...] = ()
    """The command line's options that a repetition needs."""
    metadata: RunMetadata = field(default_factory=RunMetadata)
    tests: dict[str, TestResult] = field(default_factory=dict)
    fixtures: dict[tuple[str, str], FixtureTime] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    suite_errors: list[str] = field(default_factory=list)
    shard: Shard | None = None
    """The part of the run's tests that this is; None for a whole run."""
    selection: str = ""
    """Of a shard: the digest of the tests that all shards together have, and of their division."""
    elsewhere: set[tuple[str, Level]] = field(default_factory=set)
    """Of a shard: the rules and levels that tests of other shards assert."""
    collected: set[str] = field(default_factory=set)
    """The tests of the release in the modules that were collected, deselected ones too."""
    uncollected: set[str] = field(default_factory=set)
    """The modules with tests of the release that were not collected."""
    suite: Suite = field(default_factory=suite)
    """The suite that tested."""
    merged: list[MergedShard] = field(default_factory=list)
    """The shards that were joined, if any."""
