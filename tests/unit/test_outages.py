"""Failures within the bound of an outage are no finding; later ones, and those of other pods, are."""

from __future__ import annotations

import pytest

from acceptance.core.deadlines import REQUEST
from acceptance.core.interval import Interval
from acceptance.traffic.availability import evaluate
from acceptance.traffic.outages import OutageBound
from acceptance.traffic.records import Record

KILL = Interval(100.0, 130.0)


def found(bound: OutageBound, *failed: tuple[float, str]) -> list[str]:
    records = [
        Record(number, sent, sent, sent + 0.1, 0, 0, 1, 503, "", echo=False, close=False, pod=pod)
        for number, (sent, pod) in enumerate(failed)
    ]
    findings = bound.findings("pod killed", KILL, evaluate(records, 201), "Service/api")
    assert {(finding.rule, finding.object) for finding in findings} <= {("STA-09", "Service/api")}
    return [finding.actual for finding in findings]


def test_failures_until_the_endpoint_is_gone_are_allowed() -> None:
    bound = OutageBound(10.0, "kube-proxy", frozenset({"api-1"}))
    assert found(bound, (100.5, "api-1"), (109.9, "")) == []
    assert found(bound, (110.5, "api-1")) == [
        "1 failed, the last sent after 10.5 s to pod api-1 on a new connection: status 503 instead of 201"
    ]


def test_failure_of_another_pod_is_found() -> None:
    bound = OutageBound(10.0, "kube-proxy", frozenset({"api-1"}))
    (actual,) = found(bound, (101.0, "api-1"), (102.0, "api-2"))
    assert "to pod api-2" in actual
    assert found(OutageBound(10.0, "kube-proxy"), (102.0, "api-2")) == []


def test_graceful_deletion_allows_none() -> None:
    assert found(OutageBound(0.0, "drained"), (100.2, "api-1"))


def test_requests_of_other_times_are_not_judged() -> None:
    assert found(OutageBound(0.0, "drained"), (99.0, "api-1"), (131.0, "api-1")) == []


@pytest.mark.parametrize(("seconds", "longest"), [(0.0, 0.0), (30.0, 30.0 + REQUEST.seconds)])
def test_longest_outage_includes_the_last_requests_end(seconds: float, longest: float) -> None:
    assert OutageBound(seconds, "any").longest == longest
