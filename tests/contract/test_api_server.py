"""What a live API server refuses: no such object can be there to be found, so the refusal itself is the proof."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from acceptance.checks.clauses import MAX_BYTES, MAX_VARIABLE_BYTES
from acceptance.checks.finding import Finding, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object, at, object_ref
from acceptance.core.target import Target
from acceptance.kube.client import ApiServer
from mutants import snapshots
from mutants.draft import Mutant


def altered(mutant: Mutant, snapshot: Snapshot, target: Target) -> list[tuple[Object, Object]]:
    """Each object of the API that a mutant changes, as it was and as it is left."""
    after, _ = mutant.apply(snapshot, target)
    assert snapshot.cluster is not None
    assert after.cluster is not None
    of_pods = mutant.rule in ("POD-01", "POD-15")
    before, left = (each.cluster.pods if of_pods else each.objects for each in (snapshot, after))  # type: ignore[union-attr]
    return [(old, new) for old, new in zip(before, left, strict=True) if new != old]


def fresh(item: Object, old: Object) -> dict[str, Any]:
    """The object as one would create it: without what the server itself fills in."""
    made: dict[str, Any] = copy.deepcopy(dict(item))
    for key in ("resourceVersion", "uid", "managedFields", "creationTimestamp"):
        made["metadata"].pop(key, None)
    if made["kind"] == "Service":
        made["spec"].pop("clusterIPs", None)
        if made["spec"].get("clusterIP") == at(old, "spec.clusterIP"):
            made["spec"].pop("clusterIP", None)
    return {"apiVersion": "v1", **made}


@pytest.mark.parametrize(
    ("mutant", "component"),
    [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(each.rule))
        for each in snapshots.every()
        if each.refused
    ],
)
def test_refused(mutant: Mutant, component: str, snapshot: Snapshot, api_server: ApiServer, target: Target) -> None:
    objects = altered(mutant, snapshot, target)
    assert objects, f"{mutant.id} changes no object of the API for the {component}"
    findings = []
    for old, item in objects:
        before = api_server.refusal(fresh(old, old), target.chart.namespace, create=True)
        assert before is None, f"{object_ref(old)} is refused unaltered: {before}"
        if api_server.refusal(fresh(item, old), target.chart.namespace, create=True) is None:
            findings.append(
                Finding(mutant.rule, object_ref(item), mutant.clause, "refused", "accepted by the API server")
            )
    report_findings(findings, target)


@pytest.mark.rule("CFG-08")
def test_config_map_at_its_size(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "ConfigMap", "data": {"A": "x" * (MAX_BYTES - 1), "B": "x"}}
    report_findings(sized("CFG-08", body, api_server, target), target)


@pytest.mark.rule("CFG-08")
def test_variable_at_its_size(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "ConfigMap", "data": {"A": "x" * (MAX_VARIABLE_BYTES - 3)}}
    report_findings(sized("CFG-08", body, api_server, target), target)


@pytest.mark.rule("SEC-09")
def test_secret_at_its_size(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "Secret", "stringData": {"A": "x" * (MAX_BYTES - 1), "B": "x"}}
    report_findings(sized("SEC-09", body, api_server, target), target)


def sized(rule: str, body: dict[str, Any], api_server: ApiServer, target: Target) -> list[Finding]:
    """The accepted side of a size: an object of exactly that is accepted."""
    metadata = {"name": "acceptance-size", "namespace": target.chart.namespace}
    words = api_server.refusal({"apiVersion": "v1", **body, "metadata": metadata}, target.chart.namespace, create=True)
    return [] if words is None else [Finding(rule, f"{body['kind']}/acceptance-size", "data", "accepted", words)]
