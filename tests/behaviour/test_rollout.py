"""Rollouts under traffic: to images of other content, with other settings and secrets, and back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.interval import Interval
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.rollout import bounds_findings, ready_since, revisions, turnover
from acceptance.kube.history import GapError
from acceptance.provision.cluster import Cluster
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.traffic.availability import UNATTRIBUTED, failed_request_findings
from acceptance.traffic.plans import PER_SECOND, duration_for, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

COMPONENTS = ("backend", "frontend")
REQUESTS = {"backend": 3000, "frontend": 1000}
"""What the image rollouts are to be judged by, at least; half of it while old and new pods are there."""
RATES = {"backend": 27.0, "frontend": PER_SECOND}
"""More of what more is wanted of. Fewer pages would take more rollouts, and leave connections idle until they close."""
LONG_ENOUGH = max(duration_for(least, RATES[name]) for name, least in REQUESTS.items())
MOST_ROLLOUTS = 8
WATCH_LAG = 0.5
"""Seconds by which a status may reach the recorder later than the endpoints it leads to reach the node."""


@dataclass(frozen=True)
class Rollouts:
    """The experiment, how many rollouts it had, and the time of each component's."""

    seen: Experiment
    count: int
    times: Mapping[str, Sequence[Interval]]


@pytest.fixture(scope="module")
def rebuilt_images(provisioner: Provisioner, cluster: Cluster) -> dict[str, BuiltImage]:
    """For each component an image of the same application with other content, on the node."""
    made = provisioner.derived_images("rebuilt_images")
    cluster.load_image(*(image.reference for image in made.values()))
    return made


@pytest.fixture(scope="module")
def rollouts(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    rebuilt_images: dict[str, BuiltImage],
    pytestconfig: pytest.Config,
) -> Rollouts:
    """Both components to the other image and back; then the one of which too little was asked, until it is enough."""
    least = pytestconfig.option.rollouts
    changes: dict[str, dict[str, str]] = {}
    for name, image in rebuilt_images.items():
        path = experiments.target.component(name).values.image_tag
        if path is None:
            raise Untested(f"the target names no value for the image tag of the {name}")
        changes[name] = {path: image.tag}
    times: dict[str, list[Interval]] = {name: [] for name in COMPONENTS}
    count, other = 0, set[str]()
    plans = {"backend": task_writes(writer, RATES["backend"]), "frontend": page_views(reader, RATES["frontend"])}
    with experiments.experiment("rollout", **plans) as seen:
        while rolling := other or {part for part in COMPONENTS if lacking(experiments, seen, part, times[part], least)}:
            count, other = count + 1, other ^ rolling
            name = f"rollout {count}"
            began = seen.annotate(name)
            experiments.upgrade({path: tag for part in other for path, tag in changes[part].items()})
            seen.attempt(name, experiments.rolled_out)
            for part in rolling:
                times[part].append(Interval(began, time.time()))
            if not seen.came(name):
                break
        else:
            seen.run_until(LONG_ENOUGH)
    return Rollouts(seen, count, times)


def lacking(experiments: ExperimentRunner, seen: Experiment, name: str, times: Sequence[Interval], least: int) -> bool:
    """Whether less than half of the time that the component's requests take was one with old and new pods."""
    if len(times) < least or len(times) >= MOST_ROLLOUTS:
        return len(times) < least
    experiments.recorder.wait_until_current()
    try:
        both = sum(
            turnover(seen.history, experiments.target.component(name), each.start, each.end).seconds for each in times
        )
    except GapError:
        return False
    return both < duration_for(REQUESTS[name], RATES[name]) / 2


@pytest.mark.rule("STA-08", "STA-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_request_fails_in_a_rolling_update(
    rollouts: Rollouts, component: str, experiments: ExperimentRunner
) -> None:
    part = experiments.target.component(component)
    for number in range(1, rollouts.count + 1):
        rollouts.seen.took(f"rollout {number}")
    availability = rollouts.seen.traffic[component].availability
    windows = [turnover(rollouts.seen.history, part, each.start, each.end) for each in rollouts.times[component]]
    least, within = REQUESTS[component], availability.sent_within(windows)
    too_few = len(availability.records) < least or within < least / 2
    few_of_a_kind = min(availability.new, availability.reused) < 0.4 * len(availability.records)
    findings = failed_request_findings("STA-08", f"Service/{part.service}", availability)
    if not findings and (too_few or few_of_a_kind):  # a failed request is one, however few were sent
        raise InconclusiveSampleError(
            f"too little was asked: {availability.figures()}, {within} of them while both versions ran"
        )
    of = revisions(rollouts.seen.history, part, rollouts.seen.start, rollouts.seen.end)
    answered = {of[pod] for pod in availability.pods if pod in of}
    if set(availability.pods) == {UNATTRIBUTED}:
        report_findings(findings, experiments.target)
        raise Untested("no request can be attributed to a pod, so it is not known whether both versions answered")
    if len(answered) < 2:
        findings.append(
            Finding("STA-08", f"Service/{part.service}", "versions", "both answer", f"{len(answered)} answered")
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("DEP-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_surge_and_unavailability_stay_within_bounds(
    rollouts: Rollouts, component: str, experiments: ExperimentRunner
) -> None:
    part = experiments.target.component(component)
    times = rollouts.times[component]
    report_findings(
        [found for time in times for found in bounds_findings(rollouts.seen.history, part, time.start, time.end)],
        experiments.target,
    )


@pytest.mark.rule("POD-19")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_request_reaches_a_pod_before_it_is_ready(
    rollouts: Rollouts, component: str, experiments: ExperimentRunner
) -> None:
    part = experiments.target.component(component)
    seen = rollouts.seen
    if set(seen.traffic[component].availability.pods) == {UNATTRIBUTED}:
        raise Untested("no request can be attributed to a pod")
    since = ready_since(seen.history, part, seen.start, seen.end)
    new = {pod for pod, moment in since.items() if moment > seen.start}
    answers = [record for record in seen.traffic[component].records if record.pod in new]
    if not answers:
        raise InconclusiveSampleError("no new pod answered")
    early = [record for record in answers if record.done < since[record.pod] - WATCH_LAG]
    report_findings(
        [
            Finding(
                "POD-19",
                f"Pod/{record.pod}",
                "first request",
                "after it was Ready",
                f"{since[record.pod] - record.done:.2f} s before",
            )
            for record in early
        ],
        experiments.target,
    )
