"""The record of an experiment: a disturbance that is made once, under traffic, and whose outcome many tests judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from acceptance.checks.finding import Untested
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.interval import Interval
from acceptance.core.wait import WaitError, dwell
from acceptance.kube.history import History
from acceptance.traffic.changes import Changes
from acceptance.traffic.machine_load import MachineLoad
from acceptance.traffic.sampler import SampleRun
from acceptance.traffic.write_ledger import Ledger

T = TypeVar("T")
FAILED_WAIT = "failed: "
"""The start of the annotation of a wait that failed."""


@dataclass(frozen=True)
class WaitResult(Generic[T]):
    """How a wait in an experiment ended: with a value, or with an error that each test raises which needs the value.

    `elapsed` is how long the wait took, in seconds, whether it succeeded or not.
    """

    elapsed: float
    outcome: T | AssertionError

    @property
    def ok(self) -> bool:
        """Whether the wait succeeded, for an experiment that can't continue otherwise."""
        return not isinstance(self.outcome, AssertionError)

    @property
    def value(self) -> T:
        """What the wait returned; raises its error if it failed."""
        if isinstance(self.outcome, AssertionError):
            raise self.outcome
        return self.outcome

    @property
    def seconds(self) -> float:
        """Seconds until the wait succeeded; raises its error if it failed."""
        self.raise_if_failed()
        return self.elapsed

    def raise_if_failed(self) -> None:
        """Raise the wait's error if it failed."""
        if isinstance(self.outcome, AssertionError):
            raise self.outcome


SKIPPED: WaitResult[Any] = WaitResult(0.0, WaitError("not waited for: an earlier wait of the experiment failed"))
"""The result of a wait that an experiment did not reach."""


class Traffic(dict[str, SampleRun]):
    """The sample runs of an experiment by the labels of their plans; asking for a refused plan raises `Untested`."""

    def __init__(self, runs: Mapping[str, SampleRun] | None = None, refused: Mapping[str, str] | None = None) -> None:
        super().__init__(runs or {})
        self._refused = dict(refused or {})

    def withdraw(self, label: str, reason: str) -> None:
        """Take out the run of a plan that can't be judged; asking for it raises `Untested` from now on."""
        del self[label]
        self._refused[label] = reason

    def __missing__(self, label: str) -> SampleRun:
        raise Untested(self._refused.get(label, f"the experiment sent no requests to the {label}"))


@dataclass(frozen=True)
class Annotation:
    """Something that was done or observed, for the timeline; `moment` in seconds since the epoch."""

    moment: float
    text: str


@dataclass(frozen=True)
class Disturbance:
    """When an experiment disturbs the release, or one component of it; `restarts` if its containers may restart."""

    interval: Interval
    component: str = ""
    restarts: bool = True


@dataclass
class Experiment:
    """The record of one experiment: its time, its traffic, and the history of the objects meanwhile.

    `start` and `end` are in seconds since the epoch.
    """

    name: str
    history: History
    start: float
    end: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)
    availability: bool = True
    """Whether the traffic measures the availability of the Services; false if it bypasses them."""
    annotations: list[Annotation] = field(default_factory=list)
    load: MachineLoad = field(default_factory=MachineLoad)
    """The machine's load, where the sampler runs."""
    inconclusive: InconclusiveError | None = None
    """Why the experiment can't be judged; None if it can."""
    restarts_nodes: bool = False
    """Whether the API server restarts with its node, and may have lost what the recorder had not read."""
    disturbances: list[Disturbance] = field(default_factory=list)
    """When the release was disturbed. At any other time no request may fail, and no pod become unready or restart."""
    changes: list[Changes] = field(default_factory=list)
    """Updates, deletions and forms that were sent besides the traffic."""
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    """What its traffic and changes wrote, compared with PostgreSQL; set at its end."""
    unrecovered: str = ""
    """Why the release did not return to its baseline until its pods were deleted; empty if it did by itself."""

    @property
    def interval(self) -> Interval:
        """From start to end."""
        return Interval(self.start, self.end)

    @property
    def pods_recorded(self) -> bool:
        """Whether the pods' history can be read. A gap is an error of the recorder, unless nodes restarted."""
        return not (self.restarts_nodes and self.history.first_lost("Pod", self.start, self.end))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.time() - self.start

    def run_until(self, seconds: float) -> None:
        """Let the traffic continue until `seconds` after the start."""
        dwell(seconds - self.elapsed, "traffic continues")

    @contextmanager
    def disturbance(self, component: str = "", *, restarts: bool = True) -> Iterator[None]:
        """Declare that the body disturbs the component, or the whole release; `restarts` if containers may restart."""
        start = time.time()
        try:
            yield
        finally:
            self.disturbances.append(Disturbance(Interval(start, time.time()), component, restarts))

    def annotate(self, text: str) -> float:
        """Add an annotation to the timeline, and return its moment."""
        moment = time.time()
        self.annotations.append(Annotation(moment, text))
        return moment

    def wait_for(self, name: str, wait: Callable[[], T]) -> WaitResult[T]:
        """Call `wait` and return how it ended; a failure is annotated and fails the tests that ask for the result.

        Args:
            name: What is waited for, as shown on the timeline if the wait fails.
            wait: Returns a value or raises `AssertionError`; any other exception ends the experiment.
        """
        start = time.time()
        outcome: T | AssertionError
        try:
            outcome = wait()
        except AssertionError as error:
            outcome = error
        result = WaitResult(time.time() - start, outcome)
        if not result.ok:
            self.annotate(FAILED_WAIT + name)
        return result
