"""At rest: nothing is disturbed, so every request is answered, none late, and no pod holds more than before."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from acceptance.checks import growth
from acceptance.checks.finding import of_derived_part, report_findings
from acceptance.checks.growth import Held, growth_findings
from acceptance.client.user import User
from acceptance.core.deadlines import AT_REST
from acceptance.core.fields import name_of
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.undisturbed import MIN_REQUESTS, latency_findings, slowest
from acceptance.provision.cluster import Cluster
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.snapshots.held_resources import read_held_resources
from acceptance.traffic.availability import UNATTRIBUTED, failed_request_findings
from acceptance.traffic.plans import PER_SECOND, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError
from acceptance.traffic.sampler import SampleRun

SECONDS = 12.0
"""Seconds of traffic: at 12 requests per second 72 for each of two pods, whose p99 needs 50."""
WARM_UP = 2.0
"""Seconds in which caches and pools of connections fill."""
KINDS = {"backend": "writes", "frontend": "pages"}


@dataclass(frozen=True)
class Rest:
    """The experiment, and what each container held at its beginning, its middle and its end; none without nodes.

    `moments` are those between the readings, in seconds since the epoch.
    """

    experiment: Experiment
    held: list[dict[str, Held]]
    moments: list[float]

    def requests(self, component: ComponentName) -> dict[str, tuple[int, ...]]:
        """The number of the component's requests by pod, from each reading to the next."""
        availability = self.experiment.traffic[component].availability
        counted = [availability.between(Interval(*each)).pods for each in pairwise(self.moments)]
        return {pod: tuple(each[pod] for each in counted) for pod in availability.pods}


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def rest(experiments: ExperimentRunner, cluster: Cluster, writer: User, reader: User) -> Rest:
    """Tasks are written and pages read, on new connections, so that each pod gets its share."""
    plans = {"backend": task_writes(writer), "frontend": page_views(reader)}
    plans = {name: replace(plan, reused_share=0.0) for name, plan in plans.items()}
    replicas = max(experiments.target.component(name).replicas for name in COMPONENTS)
    seconds = max(SECONDS, 1.5 * MIN_REQUESTS * replicas / PER_SECOND)
    reads_nodes = "node" in cluster.capabilities
    held, moments = [], []
    with experiments.experiment("rest", **plans) as experiment:
        for pause in (WARM_UP, seconds / 2, seconds / 2):
            dwell(pause, "nothing is disturbed")
            pods = [pod for name in COMPONENTS for pod in experiments.pods(experiments.target.component(name))]
            held += [read_held_resources(cluster, pods)] if reads_nodes else []
            moments.append(time.time())
    for name, run in experiment.traffic.items():
        require_answers(run, name, experiments)
    return Rest(experiment, held, moments)


def require_answers(run: SampleRun, name: str, experiments: ExperimentRunner) -> None:
    """Raise `InconclusiveSampleError` if too few were answered to compute a percentile, though none failed or was late.

    A pod that answers too few alone counts too, where requests are attributed to pods.
    """
    what = KINDS[name]
    if failed_request_findings("STA-08", run.plan.service, run.availability) or latency_findings(run.records, "", what):
        return
    pods = {name_of(pod) for pod in experiments.pods(experiments.target.component(name))}
    expected = {""} if set(run.availability.pods) == {UNATTRIBUTED} else {"", *pods}
    if missing := expected - slowest(run.records).keys():
        raise InconclusiveSampleError(f"fewer than {MIN_REQUESTS} {what} were answered by {sorted(missing)}")


@pytest.mark.rule("STA-12", "STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_requests_are_answered_in_time_at_rest(
    rest: Rest, component: ComponentName, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    run, what = rest.experiment.traffic[component], KINDS[component]
    failed = failed_request_findings("STA-08", run.plan.service, run.availability)
    findings = of_derived_part(failed, experiments.target)
    for pod, seconds in slowest(run.records).items():
        record_measurement(f"rest: {what}{pod and f' by {pod}'}: p99", round(seconds, 4), "s", Limit.of(AT_REST))
    findings += latency_findings(run.records, run.plan.service, what)
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-14")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_hold_no_more_after_requests(
    rest: Rest, component: ComponentName, cluster: Cluster, experiments: ExperimentRunner
) -> None:
    cluster.require_capability("node")
    requests, pods = rest.requests(component), {held.pod for reading in rest.held for held in reading.values()}
    few = [pod for pod in requests.keys() & pods if min(requests[pod]) < growth.MIN_REQUESTS]
    judged = requests.keys() & pods - {*few}
    if few or not judged:
        what = f"fewer than {growth.MIN_REQUESTS} requests in each half are known of {sorted(few) or 'any pod'}"
        raise InconclusiveSampleError(f"{what} of the {component}")
    report_findings([*growth_findings(rest.held, {pod: requests[pod] for pod in judged})], experiments.target)
