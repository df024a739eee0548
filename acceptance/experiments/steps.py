"""The steps of an experiment: what is disturbed, how the recovery is recognised, and how both went."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from acceptance.core.interval import Interval
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.runner import ExperimentRunner

D = TypeVar("D")
R = TypeVar("R")


@dataclass(frozen=True)
class Step(Generic[D, R]):
    """One disturbance of an experiment.

    Attributes:
        name: Shown on the timeline and in the report.
        disturb: Disturbs the release and returns what was affected, such as the deleted pods.
        recovered: Called with what was affected; waits until the release has recovered.
        component: The component that is disturbed; empty for the whole release.
        kind: The kind of disturbance, by which tests select the steps that a rule is about.
        restarts: Whether containers of the component may restart meanwhile.
    """

    name: str
    disturb: Callable[[], D]
    recovered: Callable[[D], R]
    component: str = ""
    kind: str = ""
    restarts: bool = True


@dataclass(frozen=True)
class StepResult(Generic[D, R]):
    """How a step went: when it was, what it affected, and how the wait for its recovery ended."""

    step: Step[D, R]
    interval: Interval
    affected: D
    recovery: WaitResult[R]


def run_step(experiment: Experiment, step: Step[D, R], quiet: float = 0.0) -> StepResult[D, R]:
    """Annotate the timeline, disturb, wait for the recovery, and dwell for `quiet` seconds.

    The interval ends in the middle of the quiet time, so that requests sent in it are answered before the next step.
    """
    with experiment.disturbance(step.component, restarts=step.restarts):
        start = experiment.annotate(step.name)
        affected = step.disturb()
        recovery = experiment.wait_for(step.name, lambda: step.recovered(affected))
    dwell(quiet, "the requests in flight are answered before the next step")
    return StepResult(step, Interval(start, time.time() - quiet / 2), affected, recovery)


def rollout_step(runner: ExperimentRunner, name: str, change: Callable[[], None]) -> Step[None, None]:
    """Return a step that changes the release, as `helm upgrade` does, and recovers when every rollout is complete."""
    return Step(name, disturb=change, recovered=lambda _: runner.wait_rolled_out(), restarts=False)
