"""At rest: nothing is disturbed, so every request is answered, and none late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance.checks.finding import report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import AT_REST
from acceptance.core.fields import name_of
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.undisturbed import MIN_REQUESTS, latency_findings, slowest
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.availability import UNATTRIBUTED, failed_request_findings
from acceptance.traffic.plans import PER_SECOND, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

SECONDS = 12.0
"""At 12 requests per second, 72 for each of two pods: their p99 needs 50."""
KINDS = {"backend": "writes", "frontend": "pages"}


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def rest(experiments: ExperimentRunner, writer: User, reader: User) -> Experiment:
    """Tasks are written and pages read, on new connections, so that each pod gets its share."""
    plans = {"backend": task_writes(writer), "frontend": page_views(reader)}
    replicas = max(experiments.target.component(name).replicas for name in COMPONENTS)
    with experiments.experiment("rest", **{k: replace(v, reused_share=0.0) for k, v in plans.items()}) as experiment:
        dwell(max(SECONDS, 1.5 * MIN_REQUESTS * replicas / PER_SECOND), "nothing is disturbed")
    return experiment


@pytest.mark.rule("STA-12", "STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_requests_are_answered_in_time_at_rest(
    rest: Experiment, component: ComponentName, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    run, part, what = rest.traffic[component], experiments.target.component(component), KINDS[component]
    findings = failed_request_findings("STA-08", run.plan.service, run.availability)
    percentiles = slowest(run.records)
    for pod, seconds in percentiles.items():
        record_measurement(f"rest: {what}{pod and f' by {pod}'}: p99", round(seconds, 4), "s", Limit.of(AT_REST))
    findings += latency_findings(run.records, run.plan.service, what)
    if not findings:  # a late answer is one, however few were sent
        attributed = set(run.availability.pods) != {UNATTRIBUTED}
        expected = {"", *(name_of(pod) for pod in experiments.pods(part))} if attributed else {""}
        if missing := expected - percentiles.keys():
            raise InconclusiveSampleError(f"fewer than {MIN_REQUESTS} {what} were answered by {sorted(missing)}")
    report_findings(findings, experiments.target)
