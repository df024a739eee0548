"""Mutants of Services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mutants.draft import REMOVE, Alter, Body, Draft
from mutants.snapshots.registry import field, fields, mutant, with_object


def first_port(**changes: Any) -> Callable[[list[Body]], list[Body]]:
    """Return a value for `field`: the first port alone, changed."""
    return lambda old: [{**old[0], **changes}]


fields("SVC-03", Draft.service, "spec.type", {each: each for each in ("NodePort", "LoadBalancer", "ExternalName")})
fields("SVC-04", Draft.service, "spec.clusterIP", {"None": "None"})
field("SVC-04", "absent", Draft.service, "spec.clusterIP", REMOVE, "live")
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
SIDECAR = "worker_processes 1; server { listen 8081; location / { proxy_pass http://127.0.0.1:3000; } }"


@mutant("SVC-06", "a proxy that listens elsewhere", "static", component="frontend")
def _proxy(draft: Draft) -> None:
    for spec in draft.pod_specs():
        proxy = {"name": "proxy", "image": "nginx:1", "ports": [{"name": "proxy", "containerPort": 8080}]}
        spec["containers"].append({**proxy, "args": ["-g", SIDECAR]})
    for service in draft.service():
        service["spec"]["ports"][0]["targetPort"] = "proxy"


field("SVC-06", "absent, and the port is another", Draft.service, "spec.ports", [{"port": 81}])


def side_port(body: Body) -> None:
    """Add a port of metrics to a container."""
    body["ports"] = [*body["ports"], {"name": "metrics", "containerPort": 9090}]


for clause, where in {"a second port": "main", "a sidecar's port": "sidecar"}.items():

    @mutant("SVC-06", clause, "static")
    def _other_port(draft: Draft, where: str = where) -> None:
        for spec in draft.pod_specs():
            if where == "sidecar":
                spec["containers"].append({"name": "exporter", "image": "exporter:1", "ports": []})
            side_port(spec["containers"][-1])
        for item in draft.service():
            item["spec"]["ports"][0]["targetPort"] = "metrics"


field("SVC-07", "unready addresses too", Draft.service, "spec.publishNotReadyAddresses", True, "static")
field("SVC-07", "of the own node only", Draft.service, "spec.internalTrafficPolicy", "Local", "static")


@mutant("SVC-07", "addresses by hand", "static")
def _by_hand(draft: Draft) -> None:
    labels = {"kubernetes.io/service-name": draft.service()[0]["metadata"]["name"]}
    metadata = {"name": "by-hand", "namespace": "todo-chatbot", "labels": labels}
    kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
    draft.add_objects({**kind, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]})


@mutant("SVC-07", "the pods of a test too", "static")
def _test_pods(draft: Draft) -> None:
    for item in draft.objects():
        if item["kind"] == "Pod":
            item["metadata"]["labels"] |= draft.service()[0]["spec"]["selector"]


def another_service(**spec: Any) -> Alter:
    """Return an alteration that adds a Service."""
    metadata = {"name": "more", "namespace": "todo-chatbot"}
    return with_object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


PORTS = [{"port": 9090, "targetPort": "metrics"}]
mutant("SVC-11", "no pod")(another_service(selector={"app": "nobody"}, ports=PORTS))
mutant("SVC-11", "no selector")(another_service(ports=PORTS))


@mutant("SVC-11", "no pod, beside an object for which no controller makes one")
def _no_pod_beside(draft: Draft) -> None:
    component = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "events"}}
    with_object({**component, "spec": {"type": "pubsub.redis", "version": "v1"}})(draft)
    another_service(selector={"app": "nobody"}, ports=PORTS)(draft)


mutant("SVC-11", "no such port")(another_service(selector={"component": "backend"}, ports=PORTS))


field("SVC-07", "no selector", Draft.service, "spec.selector", {})
field("SVC-07", "no pod", Draft.service, "spec.selector", {"app": "nobody"})
field("SVC-07", "another component's pods too", Draft.service, "spec.selector", {"app": "todo-chatbot"})
field("SVC-07", "another component's pods only", Draft.service, "spec.selector", lambda old: {**old, "component": "x"})


def slices_of(draft: Draft) -> list[Body]:
    """Return the EndpointSlices of the component's Service."""
    name = draft.service()[0]["metadata"]["name"]
    return [s for s in draft.cluster.endpoint_slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == name]  # type: ignore[misc]


def endpoint(name: str, ready: bool) -> Body:
    """Return an endpoint of a pod."""
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}}


field("SVC-07", "a Ready pod without endpoint", slices_of, "endpoints", lambda old: old[1:], "live")
field(
    "SVC-07",
    "a Ready pod with ready false",
    slices_of,
    "endpoints",
    lambda old: [{**e, "conditions": {"ready": False}} for e in old],
    "live",
)
field(
    "SVC-07", "a ready endpoint of no pod", slices_of, "endpoints", lambda old: [*old, endpoint("ghost", True)], "live"
)
field(
    "SVC-07",
    "an unready endpoint of another",
    slices_of,
    "endpoints",
    lambda old: [*old, endpoint("ghost", False)],
    "live",
)


@mutant("SVC-07", "an unready pod with ready true", "live")
def _unready(draft: Draft) -> None:
    draft.running_pods()[0]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@mutant("SVC-07", "a terminating pod with ready true", "live")
def _terminating(draft: Draft) -> None:
    draft.running_pods()[0]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:00Z"


field("SVC-08", "ClientIP", Draft.service, "spec.sessionAffinity", "ClientIP")
