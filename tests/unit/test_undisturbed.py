"""What happens while an experiment disturbs nothing is found, and what a disturbance explains is not."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.core.deadlines import AT_REST
from acceptance.core.interval import Interval
from acceptance.core.target import DEFAULT_TARGET, load
from acceptance.experiments.experiment import Annotation, Disturbance, Experiment, Traffic
from acceptance.experiments.termination import stopped_pods
from acceptance.experiments.undisturbed import latency_findings, pod_findings, request_findings, slowest
from acceptance.kube.history import Gap, GapError, History, Version
from acceptance.report.experiments import record_availability
from acceptance.report.results import Limit, NotJudged
from acceptance.traffic.plans import Plan
from acceptance.traffic.records import Record
from acceptance.traffic.sampler import SampleRun

TARGET = load(DEFAULT_TARGET)
PLAN = Plan("shop-api.shop.svc.cluster.local", 1, 1, "GET", "/", "t", 200)
KILL = Disturbance(Interval(10.0, 20.0), "backend")


def request(number: int, sent: float, status: int = 200, seconds: float = 0.1, pod: str = "api-1") -> Record:
    return Record(number, sent, sent, sent + seconds, 0, 0, 1, status, "", echo=status == 200, close=False, pod=pod)


def experiment(*failed_at: float, disturbances: tuple[Disturbance, ...] = (KILL,)) -> Experiment:
    failed = set(failed_at)
    records = tuple(
        request(number, moment, 503 if moment in failed else 200)
        for number, moment in enumerate(sorted({*failed, 1.0, 5.0, 30.0}))
    )
    traffic = Traffic({"backend": SampleRun(PLAN, records)})
    return Experiment("kills", History(), 0.0, 40.0, traffic, disturbances=list(disturbances))


@pytest.mark.parametrize(
    ("failed_at", "found"),
    [(5.0, True), (9.95, False), (15.0, False), (24.5, False), (25.5, True), (39.0, True)],
    ids=["before", "in flight", "during", "endpoints follow", "after", "at the end"],
)
def test_request_that_fails_outside_a_disturbance_is_found(failed_at: float, found: bool) -> None:
    findings = request_findings(experiment(failed_at), TARGET)
    assert [(finding.rule, finding.object) for finding in findings] == [("STA-08", "Service/shop-api")] * found
    assert all("kills: backend" in finding.field and "api-1" in finding.actual for finding in findings)


def test_undeclared_annotation_is_a_disturbance_to_the_end() -> None:
    run = experiment(5.0, 30.0, disturbances=())
    run.annotations.append(Annotation(9.0, "pod deleted"))
    (finding,) = request_findings(run, TARGET)
    assert "1 failed" in finding.actual
    run.annotations = [Annotation(9.0, "failed: chat turn")]
    (finding,) = request_findings(run, TARGET)
    assert "2 failed" in finding.actual


def test_release_that_does_not_recover_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = experiment()
    run.unrecovered = "expected an answer"
    monkeypatch.setattr(run.history, "states", lambda *_: ())
    (finding,) = pod_findings(run, TARGET)
    assert (finding.rule, finding.actual) == ("STA-12", "expected an answer")


def test_findings_of_derived_parts_are_advice_on_targets_that_are_not_strict() -> None:
    relaxed = TARGET.model_copy(update={"strict": False})
    assert [each.advice for each in request_findings(experiment(5.0), relaxed)] == [True]
    assert [each.advice for each in request_findings(experiment(5.0), TARGET)] == [False]


def test_traffic_past_the_services_says_nothing_about_them() -> None:
    run = experiment(5.0)
    run.availability = False
    assert request_findings(run, TARGET) == []


def pod(component: str, restarts: int = 0, ready: bool = True, deleted: bool = False) -> dict[str, Any]:
    part = TARGET.component(component)
    status = {"name": part.container, "restartCount": restarts}
    if restarts:
        status["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    metadata = {"name": f"{component}-1", "uid": component, "labels": dict(part.labels)}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"containerStatuses": [status], "conditions": conditions}}


def found_of_pods(moment: float, after: dict[str, Any], *disturbances: Disturbance) -> list[tuple[str, str]]:
    run = experiment(disturbances=disturbances)
    run.history.watched_since("Pod", -1.0)
    run.history.add(Version("Pod", -0.5, pod("backend")))
    run.history.add(Version("Pod", -0.5, pod("frontend")))
    run.history.add(Version("Pod", moment, after))
    run.history.complete_until("Pod", 50.0)
    return [(finding.rule, finding.actual) for finding in pod_findings(run, TARGET)]


def test_restart_that_the_experiment_did_not_cause_is_found() -> None:
    expected = [("POD-05", "1 after 5.0 s: OOMKilled, exit code 137")]
    assert found_of_pods(5.0, pod("backend", restarts=1)) == expected
    assert found_of_pods(5.0, pod("backend", restarts=1), KILL) == expected
    assert found_of_pods(15.0, pod("backend", restarts=1), KILL) == []


def test_restart_of_the_other_component_is_found() -> None:
    assert found_of_pods(15.0, pod("frontend", restarts=1), KILL)
    assert found_of_pods(15.0, pod("frontend", restarts=1), Disturbance(KILL.interval)) == []


def test_restart_in_a_rollout_is_found() -> None:
    assert found_of_pods(15.0, pod("backend", restarts=1), Disturbance(KILL.interval, restarts=False))


def test_pod_that_becomes_unready_by_itself_is_found() -> None:
    assert found_of_pods(5.0, pod("frontend", ready=False), KILL) == [("STA-12", "False after 5.0 s")]
    assert found_of_pods(15.0, pod("frontend", ready=False), KILL) == []
    assert found_of_pods(5.0, pod("frontend", ready=False, deleted=True)) == []


def test_pods_are_not_judged_by_a_history_that_a_node_restart_cut() -> None:
    run = experiment()
    run.history.watched_since("Pod", -1.0)
    run.history.add_gap(Gap("Pod", 11.0, 19.0, "expired", lost=True))
    run.history.complete_until("Pod", 50.0)
    with pytest.raises(GapError):
        pod_findings(run, TARGET)
    run.restarts_nodes, run.unrecovered = True, "expected an answer"
    assert [finding.rule for finding in pod_findings(run, TARGET)] == ["STA-12"]
    assert stopped_pods(run, TARGET) == []


def test_pod_that_is_to_end_is_not_judged() -> None:
    """A Job's pod that completes is no longer Ready, and may be started again."""
    job = {**pod("backend", restarts=1, ready=False), "spec": {"restartPolicy": "OnFailure"}}
    assert found_of_pods(5.0, job) == []


def test_one_slow_pod_of_two_is_found() -> None:
    records = [request(n, n / 10, seconds=5.0 if n % 20 == 1 else 0.1, pod=f"api-{n % 2}") for n in range(200)]
    findings = latency_findings(records, "Service/api", "writes")
    assert [(finding.rule, finding.object) for finding in findings] == [
        ("STA-12", "Service/api"),
        ("STA-12", "Pod/api-1"),
    ]
    assert findings[0].expected == f"at most {AT_REST.seconds:g} s at rest"


def test_slow_pod_does_not_hide_behind_a_fast_one() -> None:
    fast = [request(n, n / 10, pod="api-0") for n in range(9000)]
    slow = [request(n, n / 10, seconds=5.0, pod="api-1") for n in range(60)]
    assert [finding.object for finding in latency_findings(fast + slow, "Service/api", "writes")] == ["Pod/api-1"]


def test_too_few_requests_have_no_percentile() -> None:
    assert slowest([request(n, n, seconds=5.0) for n in range(49)]) == {}
    assert set(slowest([request(n, n, pod="") for n in range(50)])) == {""}


def test_every_figure_has_a_limit_or_says_why_not() -> None:
    recorded: dict[str, Limit | NotJudged] = {}
    record_availability(experiment(5.0), lambda name, _value, _unit, limit: recorded.update({name: limit}))
    judged = [name for name, limit in recorded.items() if isinstance(limit, Limit)]
    assert judged == ["kills: backend: failed while nothing was disturbed"]
    with pytest.raises(ValueError, match="needs a reason"):
        NotJudged("")
