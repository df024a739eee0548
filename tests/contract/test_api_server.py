"""Rules that the API server enforces: no object can break them, so its refusal of such an object is the proof."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest

from acceptance.checks.clauses import MAX_BYTES, MAX_VARIABLE_BYTES
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object, at, mappings_at, object_ref, text_at
from acceptance.core.target import Target
from acceptance.kube import api_rules, schema
from acceptance.kube.client import ApiServer
from mutants import snapshots
from mutants.draft import Mutant
from mutants.snapshots.api_server import CASES, Case
from toolchain.console import ToolchainError

ALLOCATED = ("a node port out of range",)
"""Cases that only a real creation refuses: a dry run allocates nothing."""


def changed_objects(mutant: Mutant, snapshot: Snapshot, target: Target) -> list[tuple[Object, Object]]:
    """Return each API object that the mutant changes, before and after."""
    after, _ = mutant.apply(snapshot, target)
    assert snapshot.cluster is not None
    assert after.cluster is not None
    of_pods = mutant.rule in ("POD-01", "POD-15")
    originals, mutated = (each.cluster.pods if of_pods else each.objects for each in (snapshot, after))  # type: ignore[union-attr]
    return [(old, new) for old, new in zip(originals, mutated, strict=True) if new != old]


def as_new(item: Object, old: Object) -> dict[str, Any]:
    """Return the object as a client would create it: without the fields that the server fills in or assigns."""
    created: dict[str, Any] = copy.deepcopy(dict(item))
    for key in ("resourceVersion", "uid", "managedFields", "creationTimestamp"):
        created["metadata"].pop(key, None)
    if created["kind"] == "Service":
        created["spec"].pop("clusterIPs", None)
        created["spec"].pop("healthCheckNodePort", None)
        assigned = {at(port, "nodePort") for port in mappings_at(old, "spec.ports")}
        for port in mappings_at(created, "spec.ports"):
            if at(port, "nodePort") in assigned:
                cast(dict[str, Any], port).pop("nodePort", None)
        if created["spec"].get("clusterIP") == at(old, "spec.clusterIP"):
            created["spec"].pop("clusterIP", None)
    return {"apiVersion": "v1", **created}


@pytest.mark.parametrize(
    ("mutant", "component"),
    [
        pytest.param(each, each.component or "release", id=each.id, marks=pytest.mark.rule(each.rule))
        for each in snapshots.every()
        if each.refused
    ],
)
def test_api_server_refuses(
    mutant: Mutant, component: str, snapshot: Snapshot, api_server: ApiServer, target: Target
) -> None:
    try:
        objects = changed_objects(mutant, snapshot, target)
    except ValueError as error:  # such as a change of init containers that the release does not have
        raise Untested(f"the {component} has nothing that this change could break: {error}") from error
    assert objects, f"{mutant.id} changes no API object of the {component}"
    findings = []
    for old, item in objects:
        refusal = api_server.refusal(as_new(old, old), target.chart.namespace, create=True)
        assert refusal is None, f"{object_ref(old)} is refused even unchanged: {refusal}"
        if api_server.refusal(as_new(item, old), target.chart.namespace, create=True) is None:
            findings.append(
                Finding(mutant.rule, object_ref(item), mutant.clause, "refused", "accepted by the API server")
            )
    report_findings(findings, target)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, id=each.clause, marks=pytest.mark.rule("CHT-09"))
        for each in CASES
        if each.clause not in ALLOCATED
    ],
)
def test_api_server_agrees(case: Case, snapshot: Snapshot, api_server: ApiServer, target: Target) -> None:
    """What is refused without a cluster, the server refuses too, as Helm applies it: server-side."""
    require_version(api_server)
    namespace = target.chart.namespace
    declared = [copy.deepcopy(dict(item)) for item in snapshot.manifest_objects]
    for item in declared:
        item["metadata"]["name"] = "acceptance-case"
    if case.kind and case.kind not in {item["kind"] for item in declared}:
        raise Untested(f"the release has no {case.kind}")
    broken = case.broken(declared)
    try:
        (judgement,) = api_rules.shared().judge([broken], namespace)
    except ToolchainError as error:
        raise Untested(f"the API server's own rules are not available: {error}") from error
    if not judgement.refusals:
        raise Untested("this change of the release's object is not refused without a cluster")
    if case.kind:
        unchanged = next(item for item in declared if item["kind"] == case.kind)
        if refusal := api_server.refusal(unchanged, namespace, create=False):
            raise Untested(f"a copy of {case.kind} is refused even unchanged: {refusal}")
    accepted = is_served(broken, api_server) and api_server.refusal(broken, namespace, create=False) is None
    found = Finding("CHT-09", object_ref(broken), case.clause, judgement.refusals[0].message, "accepted")
    report_findings([found] if accepted else [], target)


def require_version(api_server: ApiServer) -> None:
    """Raise `Untested` for a server of another minor version than the rules."""
    _, version = api_server.call("GET", "/version")
    served, known = text_at(version, "gitVersion"), schema.KUBERNETES_VERSION
    if served.removeprefix("v").split(".")[:2] != known.split(".")[:2]:
        raise Untested(f"the server is {served}, the rules are of {known}")


def is_served(item: Object, api_server: ApiServer) -> bool:
    """Return whether the server has the object's kind."""
    version = text_at(item, "apiVersion")
    _, answer = api_server.call("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
    return any(text_at(each, "kind") == item["kind"] for each in mappings_at(answer, "resources"))


@pytest.mark.rule("CFG-08")
def test_config_map_of_maximum_size_is_accepted(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "ConfigMap", "data": {"A": "x" * (MAX_BYTES - 1), "B": "x"}}
    report_findings(size_findings("CFG-08", body, api_server, target), target)


@pytest.mark.rule("CFG-08")
def test_variable_of_maximum_size_is_accepted(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "ConfigMap", "data": {"A": "x" * (MAX_VARIABLE_BYTES - 3)}}
    report_findings(size_findings("CFG-08", body, api_server, target), target)


@pytest.mark.rule("SEC-09")
def test_secret_of_maximum_size_is_accepted(api_server: ApiServer, target: Target) -> None:
    body = {"kind": "Secret", "stringData": {"A": "x" * (MAX_BYTES - 1), "B": "x"}}
    report_findings(size_findings("SEC-09", body, api_server, target), target)


def size_findings(rule: str, body: dict[str, Any], api_server: ApiServer, target: Target) -> list[Finding]:
    """Return a finding if the API server refuses an object of exactly the maximum size."""
    metadata = {"name": "acceptance-size", "namespace": target.chart.namespace}
    refusal = api_server.refusal(
        {"apiVersion": "v1", **body, "metadata": metadata}, target.chart.namespace, create=True
    )
    return [] if refusal is None else [Finding(rule, f"{body['kind']}/acceptance-size", "data", "accepted", refusal)]
