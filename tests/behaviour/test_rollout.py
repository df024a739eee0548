"""Rolling updates under traffic, to rebuilt images and back: no request fails, and the bounds are respected."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, Component
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.rollout import bounds_findings, image_tag_path, ready_since, revisions, turnover
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.steps import StepResult, rollout_step, run_step
from acceptance.kube.history import GapError
from acceptance.provision.images import BuiltImage
from acceptance.traffic.availability import UNATTRIBUTED, Availability, failed_request_findings
from acceptance.traffic.plans import PER_SECOND, duration_for, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

MIN_REQUESTS = {"backend": 3000, "frontend": 1000}
"""Requests that a verdict on a component's rollouts needs; half of them while both old and new pods exist."""
RATES = {"backend": 27.0, "frontend": PER_SECOND}
"""Requests per second, in proportion to MIN_REQUESTS. Fewer pages would take more rollouts, and leave connections idle
until they are closed."""
MIN_SECONDS = max(duration_for(count, RATES[name]) for name, count in MIN_REQUESTS.items())
MAX_ROLLOUTS = 8


@dataclass(frozen=True)
class Rollouts:
    """The experiment, its rollouts, and the intervals of each component's."""

    experiment: Experiment
    steps: list[StepResult[None, None]]
    intervals: dict[str, list[Interval]]

    def raise_if_one_failed(self) -> None:
        """Raise the error of the first rollout that was not completed."""
        for step in self.steps:
            step.recovery.raise_if_failed()


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def rollouts(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    rebuilt_images: dict[str, BuiltImage],
    pytestconfig: pytest.Config,
) -> Rollouts:
    """Each component is rolled out to its rebuilt image and back; one with too few requests again, until it has enough.

    One component at a time: two that start together need more CPU time than a small node has, and requests wait for it.
    """
    tags = {name: {image_tag_path(experiments.target, name): image.tag} for name, image in rebuilt_images.items()}
    plans = {"backend": task_writes(writer, RATES["backend"]), "frontend": page_views(reader, RATES["frontend"])}
    rebuilt: set[str] = set()
    with experiments.experiment("rollout", **plans) as experiment:
        rollouts = Rollouts(experiment, [], {name: [] for name in COMPONENTS})
        while changing := rebuilt or components_to_roll(experiments, rollouts, pytestconfig.option.rollouts):
            for name in sorted(changing):
                rebuilt = rebuilt ^ {name}
                values = {path: tag for each in rebuilt for path, tag in tags[each].items()}
                if not roll_out(experiments, rollouts, name, values):
                    return rollouts
        experiment.run_until(MIN_SECONDS)
    return rollouts


def roll_out(experiments: ExperimentRunner, rollouts: Rollouts, component: str, values: dict[str, str]) -> bool:
    """Upgrade to values that roll out one component, and return whether the rollout was completed."""
    name = f"rollout {len(rollouts.steps) + 1}: {component}"
    step = run_step(rollouts.experiment, rollout_step(experiments, name, lambda: experiments.upgrade(values)))
    rollouts.steps.append(step)
    # On a busy machine the watch reports the end of the last old pod after the API server has reported the rollout's.
    experiments.recorder.wait_until_current()
    rollouts.intervals[component].append(Interval(step.interval.start, time.time()))
    return step.recovery.ok


def components_to_roll(experiments: ExperimentRunner, rollouts: Rollouts, minimum: int) -> set[str]:
    """Return the components that need another rollout: to be judged, or to reach the minimum number of rollouts."""
    return {name for name in COMPONENTS if needs_rollout(experiments, rollouts, name, minimum)}


def needs_rollout(experiments: ExperimentRunner, rollouts: Rollouts, name: str, minimum: int) -> bool:
    """Return whether old and new pods existed for less than half of the time that the component's requests take."""
    intervals, component = rollouts.intervals[name], experiments.target.component(name)
    if len(intervals) < minimum or len(intervals) >= MAX_ROLLOUTS:
        return len(intervals) < minimum
    experiments.recorder.wait_until_current()
    history = rollouts.experiment.history
    try:
        seconds = sum(turnover(history, component, interval).seconds for interval in intervals)
    except GapError:
        return False
    return seconds < duration_for(MIN_REQUESTS[name], RATES[name]) / 2


def require_enough_requests(availability: Availability, name: str, turnovers: list[Interval]) -> None:
    """Raise if there are too few requests to judge a rollout by.

    Raises:
        InconclusiveSampleError: There are too few in all, or while both versions ran.
        Untested: Too few were sent on new connections, or on those that the server keeps open.
    """
    minimum, during = MIN_REQUESTS[name], availability.sent_within(turnovers)
    too_few = len(availability.records) < minimum or during < minimum / 2
    kinds = [availability.new, *([availability.reused] if availability.keeps_connections else [])]
    too_few_of_a_kind = min(kinds) < 0.4 * len(availability.records)
    if too_few:
        raise InconclusiveSampleError(
            f"not enough requests to judge: {availability.figures()}, {during} of them while both versions ran"
        )
    if too_few_of_a_kind:
        raise Untested(
            f"{availability.reused} of {len(availability.records)} requests used a connection again: the {name} closes "
            "idle ones sooner than they are used, or answers late"
        )


@pytest.mark.rule("STA-08", "STA-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rolling_update_fails_no_request(rollouts: Rollouts, component: str, experiments: ExperimentRunner) -> None:
    part, experiment = experiments.target.component(component), rollouts.experiment
    rollouts.raise_if_one_failed()
    availability = experiment.traffic[component].availability
    turnovers = [turnover(experiment.history, part, interval) for interval in rollouts.intervals[component]]
    findings = failed_request_findings("STA-08", f"Service/{part.service}", availability)
    if not findings:  # a failed request is one, however few were sent
        require_enough_requests(availability, component, turnovers)
    if set(availability.pods) == {UNATTRIBUTED}:
        report_findings(findings, experiments.target)
        raise Untested("no request can be attributed to a pod, so it is not known whether both versions answered")
    findings += version_findings(experiment, part, availability)
    report_findings(findings, experiments.target)


def version_findings(experiment: Experiment, component: Component, availability: Availability) -> list[Finding]:
    """Return a finding if requests were not answered by pods of two versions at least."""
    revision_of = revisions(experiment.history, component, experiment.interval)
    answered = {revision_of[pod] for pod in availability.pods if pod in revision_of}
    if len(answered) >= 2:
        return []
    return [Finding("STA-08", f"Service/{component.service}", "versions", "both answer", f"{len(answered)} answered")]


@pytest.mark.rule("DEP-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_surge_and_unavailability_stay_within_bounds(
    rollouts: Rollouts, component: str, experiments: ExperimentRunner
) -> None:
    part, history = experiments.target.component(component), rollouts.experiment.history
    findings = [
        finding for interval in rollouts.intervals[component] for finding in bounds_findings(history, part, interval)
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("POD-19")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_request_reaches_a_pod_before_it_is_ready(
    rollouts: Rollouts, component: str, experiments: ExperimentRunner
) -> None:
    experiment = rollouts.experiment
    run = experiment.traffic[component]
    if set(run.availability.pods) == {UNATTRIBUTED}:
        raise Untested("no request can be attributed to a pod")
    since = ready_since(experiment.history, experiments.target.component(component), experiment.interval)
    new = {pod for pod, moment in since.items() if moment > experiment.start}
    answers = [record for record in run.records if record.pod in new]
    if not answers:
        raise InconclusiveSampleError("no new pod answered")
    findings = [
        Finding("POD-19", f"Pod/{record.pod}", "first request", "after it was Ready", f"{seconds:.2f} s before")
        for record in answers
        if (seconds := since[record.pod] - record.done) > 0
    ]
    report_findings(findings, experiments.target)
