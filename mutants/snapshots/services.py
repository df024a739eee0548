"""Mutants of Services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mutants.draft import REMOVE, Body, Draft
from mutants.snapshots.registry import field, fields, mutant


def first_port(**changes: Any) -> Callable[[list[Body]], list[Body]]:
    """Return a value for `field`: the first port alone, changed."""
    return lambda old: [{**old[0], **changes}]


fields("SVC-03", Draft.service, "spec.type", {each: each for each in ("NodePort", "LoadBalancer", "ExternalName")})
fields("SVC-04", Draft.service, "spec.clusterIP", {"None": "None", "absent": REMOVE})
fields("SVC-04", Draft.service, "spec.clusterIP", {"outside": "192.0.2.1", "no address": "ten"}, refused=True)
field("SVC-05", "no ports", Draft.service, "spec.ports", [], refused=True)
field(
    "SVC-05",
    "11 ports",
    Draft.service,
    "spec.ports",
    lambda old: [{**old[0], "name": f"p{i}", "port": old[0]["port"] + i} for i in range(11)],
)
for clause, number, impossible in (("0", 0, True), ("65536", 65536, True), ("another", 81, False)):
    field("SVC-05", clause, Draft.service, "spec.ports", first_port(port=number), refused=impossible)
for protocol in ("UDP", "SCTP"):
    field("SVC-05", protocol, Draft.service, "spec.ports", first_port(protocol=protocol))
for clause, wrong_port in {"number": 9999, "name": "metrics"}.items():
    field(
        "SVC-06",
        f"unknown {clause}",
        Draft.service,
        "spec.ports",
        first_port(targetPort=wrong_port),
    )
field("SVC-06", "absent, and the port is another", Draft.service, "spec.ports", [{"port": 81}])
field("SVC-07", "no selector", Draft.service, "spec.selector", {})
field("SVC-07", "no pod", Draft.service, "spec.selector", {"app": "nobody"})
field("SVC-07", "another component's pods too", Draft.service, "spec.selector", {"app": "todo-chatbot"})


def slices_of(draft: Draft) -> list[Body]:
    """Return the EndpointSlices of the component's Service."""
    name = draft.service()[0]["metadata"]["name"]
    return [s for s in draft.cluster.endpoint_slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == name]  # type: ignore[misc]


def endpoint(name: str, ready: bool) -> Body:
    """Return an endpoint of a pod."""
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}}


field("SVC-07", "a Ready pod without endpoint", slices_of, "endpoints", lambda old: old[1:])
field(
    "SVC-07",
    "a Ready pod with ready false",
    slices_of,
    "endpoints",
    lambda old: [{**e, "conditions": {"ready": False}} for e in old],
)
field("SVC-07", "a ready endpoint of no pod", slices_of, "endpoints", lambda old: [*old, endpoint("ghost", True)])
field("SVC-07", "an unready endpoint of another", slices_of, "endpoints", lambda old: [*old, endpoint("ghost", False)])


@mutant("SVC-07", "an unready pod with ready true", "live")
def _unready(draft: Draft) -> None:
    draft.running_pods()[0]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@mutant("SVC-07", "a terminating pod with ready true", "live")
def _terminating(draft: Draft) -> None:
    draft.running_pods()[0]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:00Z"


field("SVC-08", "ClientIP", Draft.service, "spec.sessionAffinity", "ClientIP")
