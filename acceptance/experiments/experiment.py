"""Experiments: one disturbance done once, of which many tests of many rules ask what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acceptance.core.fields import Object
from acceptance.core.target import Component, Target
from acceptance.core.wait import consistently
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.kube.client import Objects
from acceptance.kube.history import History
from acceptance.kube.recorder import Recorder
from acceptance.kube.status import pods_of
from acceptance.provision.release import Release
from acceptance.traffic.attribution import Connection, attribute
from acceptance.traffic.sampler import Plan, Sampler, SampleRun

T = TypeVar("T")


class BaselineError(Exception):
    """An experiment can't begin since an earlier one's harm is still there; never a finding."""


@dataclass(frozen=True)
class Annotation:
    """Something that was done or seen, for the timeline."""

    moment: float
    text: str


@dataclass
class Experiment:
    """What one disturbance left: when it was, what was done, what was waited for, and the history of objects."""

    name: str
    history: History
    start: float
    end: float = 0.0
    traffic: dict[str, SampleRun] = field(default_factory=dict)
    availability: bool = True
    """Whether the traffic tells of the Services' availability, for the report; not where it goes past them."""
    annotations: list[Annotation] = field(default_factory=list)
    _came: dict[str, tuple[float, object]] = field(default_factory=dict)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.time() - self.start

    def run_until(self, seconds: float) -> None:
        """Let the traffic go on until `seconds` have passed since the beginning."""
        consistently("traffic", lambda: None, max(0.0, seconds - self.elapsed))

    def annotate(self, text: str) -> float:
        """Note that something happens now; the moment."""
        moment = time.time()
        self.annotations.append(Annotation(moment, text))
        return moment

    def attempt(self, name: str, wait: Callable[[], T]) -> None:
        """Wait for something that a test will ask for: a deadline missed is the test's failure, not this one's."""
        began = time.time()
        try:
            came: object = wait()
        except AssertionError as error:
            came = error
        seconds = time.time() - began
        if isinstance(came, AssertionError):
            self.annotate(f"not {name}")
        self._came[name] = seconds, came

    def came(self, name: str) -> bool:
        """Whether what was waited for came; for an experiment that can't go on without it."""
        return not isinstance(self._came[name][1], AssertionError)

    def value(self, name: str) -> Any:
        """What was waited for; raises its `WaitError` where it did not come."""
        self.took(name)
        return self._came[name][1]

    def took(self, name: str) -> float:
        """Seconds until what was waited for came; raises its `WaitError` where it did not."""
        seconds, came = self._came[name]
        if isinstance(came, AssertionError):
            raise came
        return seconds


@dataclass
class ExperimentRunner:
    """The release, and how to disturb it: every experiment begins at the baseline and leads back to it.

    `calm` are changes of values by dotted path that hold in every experiment unless it says otherwise.
    `proof` asks the release for something as a user would; it raises `AssertionError` where that fails.
    `publish` is given every experiment that ended, and `note` every change of values, for the report.
    `connections` are those of the sampler that the node has tracked, as far as it is known.
    """

    release: Release
    recorder: Recorder
    sampler: Sampler
    verify_serving: Callable[[], object]
    publish: Callable[[Experiment], None]
    record_override: Callable[[Mapping[str, Any]], None]
    baseline_values: Mapping[str, Any]
    connections: Callable[[], Sequence[Connection]] = tuple
    baseline_error: str = ""
    _changes: Mapping[str, Any] | None = None

    @property
    def target(self) -> Target:
        return self.release.target

    @property
    def objects(self) -> Objects:
        return self.release.objects

    @property
    def unmodified(self) -> bool:
        """Whether the release is as it was before the first experiment, since there was none."""
        return self._changes is None

    def pods(self, component: Component) -> list[Object]:
        """The component's pods as they are now, in order of age."""
        found = pods_of(self.objects.list("Pod").objects, component)
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def upgrade(self, changes: Mapping[str, Any]) -> None:
        """`helm upgrade` to the calm release with further changes of values, not waiting for its pods."""
        self._changes = changes
        self.record_override({**self.baseline_values, **changes})
        self.release.upgrade({**self.baseline_values, **changes})

    def rollback(self, revision: int) -> None:
        """`helm rollback` to a revision, not waiting for its pods."""
        self._changes = {"": f"revision {revision}"}
        self.release.helm.rollback(revision)

    def rolled_out(self) -> None:
        """Wait until the rollout of every component is over; raises `WaitError`."""
        for component in self.target.components.values():
            wait_rolled_out(self.objects, component)

    @contextmanager
    def experiment(self, name: str, **plans: Plan) -> Iterator[Experiment]:
        """The time in which something is disturbed while requests go out by `plans`, which the report labels so.

        Afterwards the baseline is restored and proved. Raises `BaselineError` where the last experiment could not
        do that, `VoidError` where the sampler's records can't be relied on.
        """
        if self.baseline_error:
            raise BaselineError(self.baseline_error)
        if self._changes is None:
            self.restore()
        experiment = Experiment(name, self.recorder.history, time.time())
        try:
            with self.sampler.sample_all(plans) as experiment.traffic:
                yield experiment
        finally:
            experiment.end = self.recorder.wait_until_current()
            try:
                self.restore()
            except Exception as error:
                self.baseline_error = f"the experiment {name} did not lead back to the baseline: {error}"
                raise BaselineError(self.baseline_error) from error
        connections = self.connections()
        for sampling in experiment.traffic.values():
            to = sampling.address, sampling.plan.port
            sampling.records = attribute(sampling.records, to, connections, experiment.history)
        self.publish(experiment)

    def restore(self) -> None:
        """Bring the calm release back, and prove that it serves; raises `WaitError` or `AssertionError`."""
        if self._changes != {}:
            self.upgrade({})
        self.rolled_out()
        self.verify_serving()
