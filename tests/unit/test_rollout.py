"""Rollouts: when one is complete, and whether it stayed within its bounds, on written objects and histories."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.core.deadlines import ROLLED_OUT, Deadline
from acceptance.core.interval import Interval
from acceptance.core.target import Component, Image
from acceptance.experiments import rollout
from acceptance.experiments.rollout import bounds_findings, ready_since, revisions, turnover
from acceptance.kube.history import GapError, History, Version
from acceptance.kube.status import unfinished_reason

LABELS = {"app": "shop", "component": "api"}
COMPONENT = Component(
    deployment="shop-api",
    service="shop-api-svc",
    container="api",
    port=8000,
    service_port=8000,
    labels=LABELS,
    replicas=2,
    image=Image(repository="shop-api", max_bytes=1),
)


def deployment(replicas: int = 2, surge: int | str = 1, unavailable: int | str = 0) -> dict[str, Any]:
    strategy = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    counts = {f"{key}Replicas": replicas for key in ("updated", "ready", "available")}
    return {
        "metadata": {"name": "shop-api", "uid": "d", "generation": 3},
        "spec": {"replicas": replicas, "strategy": strategy},
        "status": {"observedGeneration": 3, "replicas": replicas, **counts},
    }


def pod(name: str, *, ready: bool = True, leaving: bool = False, revision: str = "new") -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "uid": name,
        "labels": {**LABELS, "pod-template-hash": revision},
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def endpoint_slice(**pods: bool) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": "shop-api-svc"}},
        "endpoints": [{"targetRef": {"name": name}, "conditions": {"ready": ready}} for name, ready in pods.items()],
    }


World = dict[str, Any]


def world() -> World:
    return {
        "deployment": deployment(),
        "pods": [pod("a"), pod("b")],
        "slices": [endpoint_slice(a=True, b=True)],
    }


def test_complete_rollout_has_no_unfinished_reason() -> None:
    assert unfinished_reason(**world(), component=COMPONENT) is None


def test_rollout_to_no_replicas_is_complete_without_pods() -> None:
    none = deployment(replicas=0)
    none["status"] = {"observedGeneration": 3}  # as the API server leaves out each number of 0
    assert unfinished_reason(none, [], [], COMPONENT) is None


def test_unready_and_other_endpoints_are_ignored() -> None:
    there = world()
    there["slices"].append({**endpoint_slice(x=True), "metadata": {"labels": {}}})
    there["slices"][0] = endpoint_slice(a=True, b=True, c=False)
    assert unfinished_reason(**there, component=COMPONENT) is None


def lag(there: World) -> None:
    there["deployment"]["metadata"]["generation"] = 4


def lacking(field: str) -> Callable[[World], None]:
    def change(there: World) -> None:
        there["deployment"]["status"][field] -= 1

    return change


def absent(there: World) -> None:
    there["deployment"] = None


def old_pod(there: World) -> None:
    there["pods"].append(pod("c", leaving=True))


def unready(there: World) -> None:
    there["pods"][0] = pod("a", ready=False)


def mixed(there: World) -> None:
    there["pods"][0] = pod("a", revision="old")


def late_endpoint(there: World) -> None:
    there["slices"] = [endpoint_slice(a=True, b=False)]


def old_endpoint(there: World) -> None:
    there["slices"] = [endpoint_slice(a=True, b=True, c=True)]


def one_pod_only(there: World) -> None:
    there["pods"].pop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (absent, "no Deployment shop-api"),
        (lag, "generation 4 is not observed"),
        (lacking("replicas"), "replicas is 1 instead of 2"),
        (lacking("updatedReplicas"), "updatedReplicas is 1"),
        (lacking("readyReplicas"), "readyReplicas is 1"),
        (lacking("availableReplicas"), "availableReplicas is 1"),
        (old_pod, "still terminating: c"),
        (unready, "1 of 2 pods are Ready"),
        (one_pod_only, "1 of 1 pods are Ready instead of 2 of 2"),
        (mixed, "more than one revision"),
        (late_endpoint, "the endpoints are"),
        (old_endpoint, "the endpoints are"),
    ],
)
def test_incomplete_rollout_has_an_unfinished_reason(change: Callable[[World], None], words: str) -> None:
    there = world()
    change(there)
    assert words in (unfinished_reason(**there, component=COMPONENT) or "")


def history(*pods: tuple[float, dict[str, Any]], gone: dict[str, float] | None = None) -> History:
    made = History()
    made.add(Version("Deployment", 0.0, deployment()))
    events = [Version("Pod", moment, item) for moment, item in pods]
    events += [Version("Pod", moment, pod(name), deleted=True) for name, moment in (gone or {}).items()]
    for version in sorted(events, key=lambda version: version.arrived):
        made.add(version)
    for kind in ("Pod", "Deployment"):
        made.watched_since(kind, 0.0)
        made.complete_until(kind, 100.0)
    return made


GOOD = (
    (1.0, pod("a", revision="old")),
    (1.0, pod("b", revision="old")),
    (10.0, pod("c", ready=False)),
    (12.0, pod("c")),
    (13.0, pod("a", revision="old", leaving=True)),
    (14.0, pod("d", ready=False)),
    (16.0, pod("d")),
    (17.0, pod("b", revision="old", leaving=True)),
)


def test_rollout_within_its_bounds_is_no_finding() -> None:
    assert bounds_findings(history(*GOOD, gone={"a": 20.0, "b": 24.0}), COMPONENT, Interval(5.0, 30.0)) == []


def test_terminating_pod_is_no_surge() -> None:
    too_many = history(*GOOD, (12.5, pod("e", ready=False)))
    found = bounds_findings(too_many, COMPONENT, Interval(5.0, 30.0))
    assert {(each.rule, each.field, each.expected) for each in found} == {
        ("DEP-10", "pods without deletionTimestamp", "at most 3")
    }
    assert "4 pods, 3 of them available, after 7.50 s" in found[0].actual


def test_short_unavailability_is_a_finding() -> None:
    blinked = history(*GOOD, (10.5, pod("a", ready=False, revision="old")), (10.6, pod("a", revision="old")))
    (finding,) = bounds_findings(blinked, COMPONENT, Interval(5.0, 30.0))
    assert (finding.field, finding.expected) == ("available pods", "at least 2")


def test_percentages_are_rounded_as_by_the_controller() -> None:
    lenient = history(*GOOD, (10.5, pod("a", ready=False, revision="old")))
    lenient.add(Version("Deployment", 0.1, deployment(surge="25%", unavailable="50%")))
    assert bounds_findings(lenient, COMPONENT, Interval(5.0, 30.0)) == []


def test_bounds_without_changes_or_while_scaling_are_a_gap() -> None:
    with pytest.raises(GapError, match="no pod changed"):
        bounds_findings(history(*GOOD), COMPONENT, Interval(40.0, 50.0))
    scaled = history(*GOOD)
    scaled.add(Version("Deployment", 15.0, deployment(3)))
    with pytest.raises(GapError, match="did not keep one replica count"):
        bounds_findings(scaled, COMPONENT, Interval(5.0, 30.0))


def test_turnover_is_from_first_new_pod_to_end_of_last_old_pod() -> None:
    window = turnover(history(*GOOD, gone={"a": 20.0, "b": 24.0}), COMPONENT, Interval(5.0, 30.0))
    assert (window.start, window.end) == (10.0, 24.0)


def test_turnover_without_replacement_is_a_gap() -> None:
    with pytest.raises(GapError, match="were not replaced"):
        turnover(history(*GOOD, gone={"a": 20.0}), COMPONENT, Interval(5.0, 30.0))


def test_revisions_are_by_pod() -> None:
    found = revisions(history(*GOOD), COMPONENT, Interval(5.0, 30.0))
    assert found == {"a": "old", "b": "old", "c": "new", "d": "new"}


@pytest.mark.parametrize(
    ("stated", "earliest"),
    [("1970-01-01T00:00:11Z", 11.0), ("1970-01-01T00:00:12Z", 11.5), (None, 11.5)],
)
def test_pod_is_not_ready_before_the_watch_and_its_status_say_so(stated: str | None, earliest: float) -> None:
    """The watch delivers the condition at 12 s; a status of an earlier second shows that it was late."""
    ready = pod("c")
    ready["status"]["conditions"][0]["lastTransitionTime"] = stated
    since = ready_since(history((10.0, pod("c", ready=False)), (12.0, ready)), COMPONENT, Interval(5.0, 30.0))
    assert since == {"c": earliest}


@pytest.mark.parametrize(("grace", "seconds"), [(None, 120.0), (10, 120.0), (30, 120.0), (300, 390.0)])
def test_rollout_may_take_as_long_as_its_old_pods_may_to_end(
    monkeypatch: pytest.MonkeyPatch, grace: int | None, seconds: float
) -> None:
    """A pod that answers long chat turns to their end is given minutes for that."""
    old = pod("old") | ({"spec": {"terminationGracePeriodSeconds": grace}} if grace else {})
    waited: list[Deadline] = []
    monkeypatch.setattr(rollout, "eventually", lambda _what, _probe, deadline: waited.append(deadline))
    objects: Any = SimpleNamespace(list=lambda _: SimpleNamespace(objects=(old,), by_name={}))
    rollout.wait_rolled_out(objects, COMPONENT)
    assert [each.seconds for each in waited] == [seconds]
    assert ("300 s" in waited[0].source) == (seconds > ROLLED_OUT.seconds)
