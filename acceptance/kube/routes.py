"""Which objects lead from outside the cluster to a Service: known kinds, and unknown ones by what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Any

from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, text_at

ServiceName = tuple[str, str]
"""Namespace and name of a Service."""

EXPOSING = frozenset(
    {
        "ApisixRoute",
        "GRPCRoute",
        "Gateway",
        "GatewayClass",
        "HTTPProxy",
        "HTTPRoute",
        "Ingress",
        "IngressGateway",
        "IngressRoute",
        "IngressRouteTCP",
        "IngressRouteUDP",
        "Mapping",
        "Route",
        "TCPIngress",
        "TCPMapping",
        "TCPRoute",
        "TLSRoute",
        "TargetGroupBinding",
        "TransportServer",
        "TunnelBinding",
        "UDPIngress",
        "UDPRoute",
        "VirtualServer",
        "VirtualService",
    }
)
"""Kinds whose only purpose is access from outside, or that are judged by `_is_mesh`."""
INTERNAL_GROUPS = (
    "argoproj.io",
    "cert-manager.io",
    "chaos-mesh.org",
    "cilium.io",
    "dapr.io",
    "datadoghq.com",
    "external-secrets.io",
    "flagger.app",
    "grafana.com",
    "integreatly.org",
    "k6.io",
    "keda.sh",
    "kuma.io",
    "kyverno.io",
    "linkerd.io",
    "litmuschaos.io",
    "monitoring.coreos.com",
    "opentelemetry.io",
    "projectcalico.org",
    "security.istio.io",
    "smi-spec.io",
    "telemetry.istio.io",
    "toolkit.fluxcd.io",
    "velero.io",
    "victoriametrics.com",
)
"""API groups that name Services without exposing them: monitoring, scaling, certificates, meshes, policies."""
INTERNAL_KINDS = re.compile(
    r"DestinationRule|EnvoyFilter|Middleware(TCP)?|ReferenceGrant|ServersTransport(TCP)?|Service(Defaults|Entry|Import|"
    r"Intentions|Resolver|Router|Splitter)|Sidecar|TraefikService|Workload(Entry|Group)|"
    r".*(Alert|Check|Dashboard|Monitor|Plugin|Policy|Probe|Profile|Rule|Scrape|Test)"
)
ROUTING = frozenset(
    {
        "alternatebackends",
        "backend",
        "backendref",
        "backendrefs",
        "backends",
        "destination",
        "destinations",
        "forwardto",
        "ingress",
        "origin",
        "origins",
        "proxy",
        "resourceref",
        "route",
        "routes",
        "service",
        "servicename",
        "serviceref",
        "services",
        "subjects",
        "target",
        "targets",
        "to",
        "tunnel",
        "upstream",
        "upstreams",
    }
)
"""Keys, in lower case, below which a kind that routes names where it leads."""


def exposes(item: Object, namespace: str, services: Set[ServiceName]) -> bool:
    """Return whether an object makes something reachable from outside the cluster.

    Args:
        item: The object.
        namespace: Its namespace.
        services: The Services of the release.
    """
    kind, group = text_at(item, "kind"), text_at(item, "apiVersion").rpartition("/")[0]
    if kind == "Service":
        visibility = mapping_at(item, "metadata.labels").get("networking.knative.dev/visibility")
        return group == "serving.knative.dev" and visibility != "cluster-local"
    if kind in EXPOSING:
        return not _is_mesh(item, group)
    if kind == "ServiceExport":
        return (namespace, text_at(item, "metadata.name")) in services
    built_in = "." not in group or group.endswith(".k8s.io")
    internal = INTERNAL_KINDS.fullmatch(kind) or any(f".{group}".endswith(f".{each}") for each in INTERNAL_GROUPS)
    return not built_in and not internal and bool(routed_services(item, namespace, services))


def _is_mesh(item: Object, group: str) -> bool:
    """Return whether a route applies inside a mesh only: it has no gateway, or its parents are Services."""
    if group.endswith("istio.io") and at(item, "kind") == "VirtualService":
        return set(list_at(item, "spec.gateways")) <= {"mesh"}
    parents = mappings_at(item, "spec.parentRefs")
    return bool(parents) and all(at(parent, "kind") in ("Service", "ServiceImport") for parent in parents)


def routed_services(item: Object, namespace: str, services: Set[ServiceName]) -> set[ServiceName]:
    """Return the Services that an object leads to: those that it names below a key such as `backendRefs`."""
    body = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    return {name for text, near in _texts(body, None, False) for name in _named(text, near or namespace) & services}


def _texts(value: Any, namespace: str | None, routing: bool) -> Iterator[tuple[str, str | None]]:
    """Yield each text below a routing key, with the namespace that is named beside it."""
    if isinstance(value, dict):
        if isinstance(kind := value.get("kind"), str) and kind not in ("", "Service"):
            return  # a reference to another kind, whatever its name
        beside = value.get("namespace")
        namespace = beside if isinstance(beside, str) and beside else namespace
        for key, entry in value.items():
            if key != "namespace":
                yield from _texts(entry, namespace, routing or str(key).lower() in ROUTING)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry, namespace, routing)
    elif isinstance(value, str) and routing:
        yield value, namespace


def _named(text: str, namespace: str) -> set[ServiceName]:
    """Return the Service that a host name, a URL or `name:port` may mean."""
    host = re.sub(r"^[a-z+]+://", "", text.strip()).partition("/")[0].partition(":")[0].removesuffix(".")
    name, _, rest = host.removesuffix(".cluster.local").removesuffix(".svc").partition(".")
    return {(rest or namespace, name)} if name else set()
