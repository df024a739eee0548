"""Rollouts under traffic: to images of other content, with other settings and secrets, and back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from acceptance.availability import Interval, lossless
from acceptance.client import User
from acceptance.cluster import Cluster
from acceptance.experiment import Experiment, Laboratory
from acceptance.finding import Finding, Untested, accept
from acceptance.images import BuiltImage, variant
from acceptance.provision import Provision
from acceptance.records import VoidError
from acceptance.rollout import bounds, ready_since, revisions, turnover
from acceptance.traffic import PAGES_PER_SECOND, TASKS_PER_SECOND, page_views, task_writes

COMPONENTS = ("backend", "frontend")
REQUESTS = {"backend": 3000, "frontend": 1000}
"""What the image rollouts are to be judged by, at least; half of it while old and new pods are there."""
ROLLOUT_SECONDS = 1.05 * max(3000 / TASKS_PER_SECOND, 1000 / PAGES_PER_SECOND)
WATCH_LAG = 0.5
"""Seconds by which a status may reach the recorder later than the endpoints it leads to reach the node."""


@dataclass(frozen=True)
class Rollouts:
    """The experiment, and the time of each rollout in it."""

    seen: Experiment
    times: tuple[Interval, ...]


@pytest.fixture(scope="module")
def variants(provision: Provision, cluster: Cluster) -> dict[str, BuiltImage]:
    """For each component an image of the same application with other content, on the node."""
    made = {name: variant(provision.toolchain, provision.run, image, 1) for name, image in provision.images().items()}
    cluster.load_image(*(image.reference for image in made.values()))
    return made


@pytest.fixture(scope="module")
def rollouts(lab: Laboratory, writer: User, reader: User, variants: dict[str, BuiltImage]) -> Rollouts:
    """Both components to the other image and back, over and over, until enough was asked."""
    changes = {}
    for name, image in variants.items():
        path = lab.target.component(name).values.image_tag
        if path is None:
            raise Untested(f"the target names no value for the image tag of the {name}")
        changes[path] = image.tag
    times: list[Interval] = []
    with lab.experiment("rollout", backend=task_writes(writer), frontend=page_views(reader)) as seen:
        while seen.elapsed < ROLLOUT_SECONDS:
            for to in (changes, {}):
                number = len(times) + 1
                began = seen.mark(f"rollout {number}")
                lab.upgrade(to)
                seen.attempt(f"rolled out {number}", lab.rolled_out)
                times.append(Interval(began, seen.mark(f"{number} over")))
                if not seen.came(f"rolled out {number}"):
                    return Rollouts(seen, tuple(times))
    return Rollouts(seen, tuple(times))


@pytest.mark.rule("STA-08", "STA-04")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_request_fails_in_a_rolling_update(rollouts: Rollouts, component: str, lab: Laboratory) -> None:
    part = lab.target.component(component)
    for number in range(1, len(rollouts.times) + 1):
        rollouts.seen.took(f"rolled out {number}")
    availability = rollouts.seen.traffic[component].availability
    windows = [turnover(rollouts.seen.history, part, time.start, time.end) for time in rollouts.times]
    least, within = REQUESTS[component], availability.sent_within(windows)
    enough = len(availability.records) >= least and within >= least / 2
    if not enough or min(availability.new, availability.reused) < 0.4 * len(availability.records):
        raise VoidError(f"too little was asked: {availability.figures()}, {within} of them while both versions ran")
    of = revisions(rollouts.seen.history, part, rollouts.seen.start, rollouts.seen.end)
    answered = {of[pod] for pod in availability.pods if pod in of}
    findings = lossless("STA-08", f"Service/{part.service}", availability)
    if len(answered) < 2:
        findings.append(
            Finding("STA-08", f"Service/{part.service}", "versions", "both answer", f"{len(answered)} answered")
        )
    accept(findings, lab.target)


@pytest.mark.rule("DEP-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_surge_and_unavailability_stay_within_bounds(rollouts: Rollouts, component: str, lab: Laboratory) -> None:
    part = lab.target.component(component)
    accept(
        [finding for time in rollouts.times for finding in bounds(rollouts.seen.history, part, time.start, time.end)],
        lab.target,
    )


@pytest.mark.rule("POD-19")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_request_reaches_a_pod_before_it_is_ready(rollouts: Rollouts, component: str, lab: Laboratory) -> None:
    part = lab.target.component(component)
    if part.pod_header is None:
        raise Untested("the target names no response header with the pod's name")
    seen = rollouts.seen
    since = ready_since(seen.history, part, seen.start, seen.end)
    new = {pod for pod, moment in since.items() if moment > seen.start}
    answers = [record for record in seen.traffic[component].records if record.pod in new]
    if not answers:
        raise VoidError("no new pod answered")
    early = [record for record in answers if record.done < since[record.pod] - WATCH_LAG]
    accept(
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
        lab.target,
    )
