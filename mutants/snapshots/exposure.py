"""Mutants of exposure."""

from __future__ import annotations

from mutants.draft import Body, Draft
from mutants.snapshots.registry import field, fields, for_component, mutant, of_backend, with_object

main, spec = of_backend(Draft.main_containers), of_backend(Draft.pod_specs)


def first_service(draft: Draft) -> list[Body]:
    """Return the first Service of the release."""
    return [item for item in draft.objects() if item["kind"] == "Service"][:1]


fields("SCY-05", first_service, "spec.type", {"NodePort": "NodePort", "LoadBalancer": "LoadBalancer"})
field("SCY-05", "externalIPs", first_service, "spec.externalIPs", ["192.0.2.1"])
field("SCY-05", "a node port", first_service, "spec.ports", lambda old: [{**old[0], "nodePort": 30000}])
for kind in ("Ingress", "Gateway", "HTTPRoute"):
    mutant("SCY-05", kind)(with_object({"kind": kind, "metadata": {"name": "x"}}))
SERVICE, URL = "todo-frontend-service", "http://todo-frontend-service.todo-chatbot.svc.cluster.local:3000"
CUSTOM: dict[str, Body] = {
    "Route": {"apiVersion": "route.openshift.io/v1", "spec": {"to": {"kind": "Service", "name": SERVICE}}},
    "IngressRoute": {"apiVersion": "traefik.io/v1alpha1", "spec": {"routes": [{"services": [{"name": SERVICE}]}]}},
    "HTTPProxy": {"apiVersion": "projectcontour.io/v1", "spec": {"routes": [{"services": [{"name": SERVICE}]}]}},
    "Mapping": {"apiVersion": "getambassador.io/v3alpha1", "spec": {"service": f"{SERVICE}:3000"}},
    "TunnelBinding": {
        "apiVersion": "networking.cfargotunnel.com/v1alpha1",
        "subjects": [{"name": SERVICE}],
        "tunnelRef": {"kind": "ClusterTunnel", "name": "x"},
    },
    "VirtualService": {
        "apiVersion": "networking.istio.io/v1",
        "spec": {"gateways": ["istio-system/public"], "http": [{"route": [{"destination": {"host": SERVICE}}]}]},
    },
    "an unknown kind": {"kind": "EdgeSite", "apiVersion": "edge.example.com/v1", "spec": {"origin": {"url": URL}}},
    "a Knative Service": {"kind": "Service", "apiVersion": "serving.knative.dev/v1", "spec": {"template": {}}},
    "ServiceExport": {"apiVersion": "multicluster.x-k8s.io/v1alpha1", "metadata": {"name": SERVICE}},
}
for clause, item in CUSTOM.items():
    namespaced = {
        "kind": clause,
        **item,
        "metadata": {"name": "x", "namespace": "todo-chatbot", **item.get("metadata", {})},
    }
    mutant("SCY-05", f"custom {clause}")(with_object(namespaced))
field("SCY-05", "a load balancer's class", first_service, "spec.loadBalancerClass", "tailscale")
field("SCY-05", "an annotation that exposes", first_service, "metadata.annotations", {"tailscale.com/expose": "true"})
TUNNEL = {
    "containers": [{"name": "tunnel", "image": "docker.io/cloudflare/cloudflared:2026.1", "args": ["tunnel", "run"]}]
}
mutant("SCY-05", "a tunnel's client")(
    with_object({"kind": "DaemonSet", "metadata": {"name": "tunnel"}, "spec": {"template": {"spec": TUNNEL}}})
)
field("SCY-05", "hostPort", main, "ports", lambda old: [{**old[0], "hostPort": 8000}])
field("SCY-05", "hostNetwork", spec, "hostNetwork", True)
field("SCY-06", "NodePort", Draft.service, "spec.type", "NodePort", "static")
ROUTE = {"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "todo-backend-service"}}}]}}]}}
mutant("SCY-06", "an Ingress to it", "static")(
    lambda draft: draft.add_objects({"kind": "Ingress", "metadata": {"name": "x"}, **ROUTE})
)


@mutant("SCY-06", "a second Service of its pods", "static")
def _second_service(draft: Draft) -> None:
    for body in for_component(draft, "backend").service():
        more = {**body, "metadata": {**body["metadata"], "name": "api"}, "spec": {**body["spec"], "type": "NodePort"}}
        draft.add_objects(more)


mutant("SCY-06", "a tunnel to it", "static")(
    with_object(
        {
            "kind": "TunnelBinding",
            "apiVersion": "networking.cfargotunnel.com/v1alpha1",
            "metadata": {"name": "x", "namespace": "todo-chatbot"},
            "subjects": [{"name": "api", "spec": {"target": "http://todo-backend-service:8000"}}],
        }
    )
)
field("SCY-06", "not by its name", Draft.config_map, "data.BACKEND_URL", "http://localhost:8000", "static")


@mutant("SCY-06", "by a variable of the build alone", "static")
def _built_in(draft: Draft) -> None:
    for body in for_component(draft, "frontend").main_containers():
        for each in body["env"]:
            if each["name"] == "BACKEND_URL":
                each["name"] = "NEXT_PUBLIC_API_URL"


@mutant("SCY-06", "by localhost too", "static")
def _by_localhost(draft: Draft) -> None:
    for body in for_component(draft, "frontend").main_containers():
        body["env"].append({"name": "NEXT_PUBLIC_API_URL", "value": "http://localhost:8000"})
