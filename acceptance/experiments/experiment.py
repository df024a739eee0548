"""Experiments: a disturbance that is made once, under traffic, and whose outcome many tests judge."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from acceptance.checks.finding import Untested
from acceptance.core.fields import Object
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.interval import Interval
from acceptance.core.target import Component, Target
from acceptance.core.values import set_paths
from acceptance.core.wait import WaitError, dwell
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.kube.client import Objects
from acceptance.kube.history import History
from acceptance.kube.recorder import Recorder
from acceptance.kube.status import pods_of
from acceptance.provision.kube_proxy import longest_delay
from acceptance.provision.release import Release
from acceptance.traffic.attribution import Connection, attribute
from acceptance.traffic.changes import Changes
from acceptance.traffic.late_rules import raise_if_rules_were_late
from acceptance.traffic.machine_load import MachineLoad, raise_if_starved
from acceptance.traffic.plans import Plan
from acceptance.traffic.sampler import Sampler, SampleRun
from acceptance.traffic.write_ledger import Ledger

T = TypeVar("T")
FAILED_WAIT = "failed: "
"""The start of the annotation of a wait that failed."""


class BaselineError(Exception):
    """The release could not be restored after an earlier experiment; never a finding."""


@dataclass(frozen=True)
class WaitResult(Generic[T]):
    """How a wait in an experiment ended: with a value, or with the error that a test raises when it asks for it.

    `elapsed` is how long the wait took, in seconds, whether it succeeded or not.
    """

    elapsed: float
    outcome: T | AssertionError

    @property
    def ok(self) -> bool:
        """Whether the wait succeeded; for an experiment that can't continue otherwise."""
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
        self._refused = refused or {}

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
    """Outside them no request may fail, no pod become unready, and no container restart."""
    changes: list[Changes] = field(default_factory=list)
    """Updates, deletions and forms that were sent besides the traffic."""
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    """What its traffic and changes wrote, compared with PostgreSQL; set at its end."""
    unrecovered: str = ""
    """Why the release did not return to its baseline by itself, so that its pods were deleted; empty if it did."""

    @property
    def interval(self) -> Interval:
        """From start to end."""
        return Interval(self.start, self.end)

    @property
    def pods_recorded(self) -> bool:
        """Whether the pods' history can be read; a gap counts as a failure of the recorder unless nodes restarted."""
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


@dataclass
class ExperimentRunner:
    """The release, and how to disturb it: every experiment starts from the baseline and restores it afterwards.

    Attributes:
        release: The release under test.
        recorder: Records the versions of its objects.
        sampler: Sends requests by plans.
        verify_serving: Sends the release a user's request; raises `AssertionError` if that fails.
        publish: Receives every experiment that ended, for the report.
        record_override: Receives every change of values, for the report.
        baseline_values: Changes of values by dotted path that apply in every experiment unless it overrides them.
        connections: Returns the sampler's connections that the node has tracked so far.
        plan_obstacle: Returns why the requests of a plan can't succeed, or None; such a plan is not executed.
        progress: Shows a line while an experiment runs.
        reconcile: Compares with PostgreSQL what an experiment wrote, and returns the ledgers.
        rule_delays: Counts how late the rules for Services on the sampler's node have been, by upper bound.
        delete_pods: Deletes every pod of the components: what an operator does if a release does not recover.
        ended: The experiments so far, inconclusive ones too: a write that was lost or stored twice is a finding on any
            machine.
        baseline_error: Why an earlier experiment could not restore the baseline; empty if all could.
        unmodified: Whether the release is as it was installed, since no experiment has run yet.
    """

    release: Release
    recorder: Recorder
    sampler: Sampler
    verify_serving: Callable[[], object]
    publish: Callable[[Experiment], None]
    record_override: Callable[[Mapping[str, Any]], None]
    baseline_values: Mapping[str, Any]
    connections: Callable[[], Sequence[Connection]] = tuple
    plan_obstacle: Callable[[Plan], str | None] = lambda _: None
    progress: Callable[[str], None] = lambda _: None
    reconcile: Callable[[Experiment], dict[str, Ledger]] = lambda _: {}
    rule_delays: Callable[[], Counter[float]] = Counter
    delete_pods: Callable[[], None] = lambda: None
    ended: list[Experiment] = field(default_factory=list)
    baseline_error: str = ""
    unmodified: bool = True
    _at_baseline: bool = False

    @property
    def target(self) -> Target:
        """What is under test."""
        return self.release.target

    @property
    def objects(self) -> Objects:
        """Reads the objects of the release's namespace."""
        return self.release.objects

    def pods(self, component: Component) -> list[Object]:
        """The component's pods as they are now, oldest first.

        Before the first experiment the baseline is set: otherwise the autoscaler could remove one of them meanwhile.
        """
        if self.unmodified:
            self.restore()
        pods = pods_of(self.objects.list("Pod").objects, component)
        return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def upgrade(self, changes: Mapping[str, Any]) -> None:
        """`helm upgrade` to the baseline with further changes of values, without waiting for the pods."""
        self._leave_baseline()
        self.record_override({**self.baseline_values, **changes})
        self.release.upgrade({**self.baseline_values, **changes})
        self._at_baseline = not changes

    def upgrade_to_chart(self, chart: Path, changes: Mapping[str, Any]) -> None:
        """`helm upgrade` to another chart, with the run's values and changes to them, without waiting for the pods."""
        self._leave_baseline()
        self.release.helm.upgrade(chart, set_paths(self.release.values, {**self.baseline_values, **changes}))

    def upgrade_with_reused_values(self) -> None:
        """`helm upgrade --reuse-values` to the chart under test, without waiting for the pods."""
        self._leave_baseline()
        self.release.helm.upgrade_with_reused_values(self.target.chart_path)

    def rollback(self, revision: int) -> None:
        """`helm rollback` to a revision, without waiting for the pods."""
        self._leave_baseline()
        self.release.helm.rollback(revision)

    def _leave_baseline(self) -> None:
        self.unmodified = self._at_baseline = False

    def wait_rolled_out(self) -> None:
        """Wait until the rollout of every component is complete; raises `WaitError` at the deadline."""
        for component in self.target.components.values():
            wait_rolled_out(self.objects, component)

    @contextmanager
    def experiment(self, name: str, **plans: Plan) -> Iterator[Experiment]:
        """Send requests by `plans` while the body disturbs the release; the report labels them by the keywords.

        Afterwards the baseline is restored and verified. If the release does not recover, its pods are deleted, which
        the experiment records as `unrecovered`.

        Raises:
            BaselineError: if this experiment or an earlier one could not restore the baseline.
            InconclusiveError: if the sampler's or the recorder's records are not reliable, or if the machine was
                starved when requests failed; `repeat_if_inconclusive` then repeats the experiment.
            Untested: if the requests of no plan can succeed, even though nothing is disturbed.
        """
        if self.baseline_error:
            raise BaselineError(self.baseline_error)
        if not self._at_baseline:
            self.restore()
        refused = {label: reason for label, plan in plans.items() if (reason := self.plan_obstacle(plan))}
        accepted = {label: plan for label, plan in plans.items() if label not in refused}
        if refused and not accepted:
            raise Untested(next(iter(refused.values())))
        delays = self.rule_delays() if accepted else Counter[float]()
        experiment = Experiment(name, self.recorder.history, time.time())
        try:
            with self.sampler.sample_all(accepted) as runs:
                experiment.traffic = Traffic(runs, refused)
                yield experiment
        except InconclusiveError as error:
            experiment.inconclusive = error
        finally:
            experiment.end = time.time()
            try:
                experiment.end = self.recorder.wait_until_current()
            except WaitError as error:
                experiment.inconclusive = InconclusiveError(str(error))
            finally:
                self._restore_after(experiment)
        if experiment.traffic:
            experiment.load = self.sampler.machine_load(experiment.start)
        self._attribute(experiment)
        experiment.ledgers = self.reconcile(experiment)
        if experiment.inconclusive is None:
            experiment.inconclusive = self._inconclusive(experiment, delays)
        self.ended.append(experiment)
        self.publish(experiment)
        if experiment.inconclusive is not None:
            raise experiment.inconclusive

    def restore(self) -> None:
        """Restore the baseline and verify that it serves; raises `WaitError` or `AssertionError` if it does not."""
        if not self._at_baseline:
            self.upgrade({})
        self.wait_rolled_out()
        self.verify_serving()

    def _restore_after(self, experiment: Experiment) -> None:
        try:
            self.restore()
        except AssertionError as error:
            experiment.unrecovered = str(error)
            self._restore_with_new_pods(experiment)
        except Exception:  # noqa: BLE001 - such as a command that failed, which says nothing of the release
            self._restore_with_new_pods(experiment)

    def _restore_with_new_pods(self, experiment: Experiment) -> None:
        self._at_baseline = False  # a part of it may have been changed by hand
        try:
            self.delete_pods()
            self.restore()
        except Exception as error:
            self.baseline_error = f"the experiment {experiment.name} did not restore the baseline: {error}"
            raise BaselineError(self.baseline_error) from error

    def _inconclusive(self, experiment: Experiment, delays: Counter[float]) -> InconclusiveError | None:
        """Why the experiment can't be judged, by its own evidence; None if it can."""
        if not experiment.traffic:
            return None
        try:
            experiment.history.raise_if_lost("Pod", experiment.start, experiment.end)
            traffic = [run.availability for run in experiment.traffic.values() if run.records]
            raise_if_starved(experiment.load, traffic)
            if any(availability.failures for availability in traffic):
                raise_if_rules_were_late(longest_delay(delays, self.rule_delays()), traffic)
        except InconclusiveError as error:
            return error
        return None

    def _attribute(self, experiment: Experiment) -> None:
        """Attribute the requests to pods, where the node has tracked their connections."""
        connections = self.connections()
        for run in experiment.traffic.values():
            destination = run.address, run.plan.port
            run.records = attribute(run.records, destination, connections, experiment.history)
