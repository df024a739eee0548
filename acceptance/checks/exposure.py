"""Rules of exposure: nothing of the release is reachable from outside, and the backend only through the frontend."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acceptance.checks.clauses import ports_of_service
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.relationships import backend_addresses, missing_backend_url
from acceptance.core.fields import Object, at, format_value, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.urls import URL, split
from acceptance.kube.pod_templates import Pod, image_reference
from acceptance.kube.routes import exposes, routed_services

TUNNELS = frozenset({"cloudflared", "frpc", "inlets", "inlets-pro", "localtunnel", "ngrok", "tailscale", "zrok"})
"""Images of clients that make a Service reachable from the internet."""
BUILT_IN = re.compile(r"(NEXT_PUBLIC|REACT_APP|VITE)_")
"""The start of the variables that a frontend's build replaces by their values."""
EXPOSING_ANNOTATIONS = {
    "dev.okteto.com/auto-ingress": "true",
    "getambassador.io/config": "",
    "skupper.io/proxy": "",
    "tailscale.com/expose": "true",
}
"""Annotations of a Service that make a controller expose it, with their value; empty: any."""


def exposed_service(item: Object) -> Iterator[tuple[str, str, str]]:
    """Yield field, expected and actual value of everything that exposes a Service by itself."""
    if at(item, "spec.type") in ("NodePort", "LoadBalancer"):
        yield "spec.type", "ClusterIP", format_value(at(item, "spec.type"))
    for field in ("externalIPs", "loadBalancerIP", "loadBalancerClass"):
        if at(item, f"spec.{field}"):
            yield f"spec.{field}", "none", format_value(at(item, f"spec.{field}"))
    for entry, port in ports_of_service(item):
        if at(port, "nodePort"):
            yield f"{entry}.nodePort", "none", format_value(at(port, "nodePort"))
    annotations = mapping_at(item, "metadata.annotations")
    for name, value in EXPOSING_ANNOTATIONS.items():
        if name in annotations and value in ("", annotations[name]):
            yield f"metadata.annotations[{name}]", "no external access", "present"


def kubernetes_services(view: ComponentView) -> list[Object]:
    """Return the release's Services, without other groups' objects of that kind."""
    return [item for item in view.snapshot.of_kind("Service") if "/" not in text_at(item, "apiVersion")]


@check("SCY-05", "static", "live")
def nothing_is_exposed(view: ComponentView) -> Iterator[Violation]:
    """SCY-05: nothing of the release is reachable from outside the cluster."""
    view.require_rendered()
    snapshot = view.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    services = kubernetes_services(view)
    names = {(snapshot.namespace_of(item), name_of(item)) for item in services}
    for item in snapshot.objects:
        if exposes(item, snapshot.namespace_of(item), names):
            routed = sorted(routed_services(item, snapshot.namespace_of(item), names))
            actual = text_at(item, "kind") + (f" of Service {', '.join(name for _, name in routed)}" if routed else "")
            yield Violation(object_ref(item), "kind", "no external access", actual)
    for item in services:
        for field, expected, actual in exposed_service(item):
            yield Violation(object_ref(item), field, expected, actual)
    pods = view.workloads()
    if view.live:
        pods += [Pod(item, "", item) for item in view.cluster.pods]
    for pod in pods:
        yield from exposed_pod(pod)


def exposed_pod(pod: Pod) -> Iterator[Violation]:
    """Yield what exposes a pod by itself: the host's network or ports, and clients of tunnels."""
    if (actual := at(pod.spec, "hostNetwork")) not in (None, False):
        yield Violation(pod.object, pod.path("spec.hostNetwork"), "false or absent", format_value(actual))
    for container in pod.containers():
        for port in mappings_at(container.body, "ports"):
            if at(port, "hostPort"):
                field = f"{container.field}.ports.hostPort"
                yield Violation(pod.object, field, "none", format_value(at(port, "hostPort")))
        program = image_reference(container.image)[0].rpartition("/")[2]
        if program in TUNNELS:
            yield Violation(pod.object, f"{container.field}.image", "no external access", f"a tunnel, {program}")


@check("SCY-06", "static")
def backend_is_internal(view: ComponentView) -> Iterator[Violation]:
    """SCY-06: every Service of the backend's pods is internal, and no route leads to one."""
    service = view.service
    labels = dict(mapping_at(view.find_deployment() or {}, "spec.template.metadata.labels")).items()
    namespace = view.namespaced(service)
    own = [
        item
        for item in kubernetes_services(view)
        if item is service
        or (
            view.namespaced(item) == namespace
            and (selector := dict(mapping_at(item, "spec.selector")))
            and selector.items() <= labels
        )
    ]
    for item in own:
        for field, expected, actual in exposed_service(item):
            yield Violation(object_ref(item), field, expected, actual)
    names = {(namespace, name_of(item)) for item in own}
    every = {(view.namespaced(item), name_of(item)) for item in kubernetes_services(view)}
    for item in view.snapshot.objects:
        if exposes(item, view.namespaced(item), every):
            for _, name in sorted(routed_services(item, view.namespaced(item), names)):
                yield Violation(object_ref(item), "spec", "no route to the backend", f"a route to Service/{name}")


@check("SCY-06", "static")
def frontend_uses_the_service(view: ComponentView) -> Iterator[Violation]:
    """SCY-06: the frontend reaches the backend by its Service's name."""
    service = view.service
    frontend = view.for_component("frontend")
    missing = list(missing_backend_url(frontend))
    yield from missing
    names = {each.setting.name for each in backend_addresses(frontend)}
    for name in sorted(names) if all(BUILT_IN.match(each) for each in names) else ():
        # A page that was built with it runs in a browser, which can't resolve a Service's name.
        expected, actual = "a variable that the server reads as it starts", "one that the image's build has fixed"
        yield Violation(object_ref(frontend.deployment), f"env[{name}]", expected, actual, derived=True)
    ports = {view.component.service_port, *(at(port, "port") for port in mappings_at(service, "spec.ports"))}
    ports -= {view.for_component("frontend").component.service_port, view.for_component("frontend").component.port}
    for pod in frontend.pods:
        for variable in frontend.environment(frontend.main_container(pod)):
            for match in URL.finditer(frontend.value_of(variable) or ""):
                parts = split(match.group())
                if parts and parts.port in ports and parts.hostname in ("localhost", "127.0.0.1", "::1"):
                    expected = f"the backend by {object_ref(service)}'s name"
                    actual = format_value(f"{parts.hostname}:{parts.port}")
                    if not any(variable.name in each.actual for each in missing):
                        yield Violation(pod.object, f"env[{variable.name}]", expected, actual)
