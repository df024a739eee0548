"""Rules of what selects pods beside workloads and Services: budgets, monitors and network policies."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.checks.service_addresses import Address, Setting, environment, hosts, resolve
from acceptance.core.fields import Object, at, format_value, list_at, mapping_at, mappings_at, name_of, object_ref
from acceptance.core.urls import split
from acceptance.kube import hooks
from acceptance.kube.network_policy import (
    NAMESPACE_NAME,
    Direction,
    governing,
    has_port,
    is_peer,
    reaches_dns,
    reaches_outside,
)
from acceptance.kube.network_policy import rules as policy_rules
from acceptance.kube.pod_templates import Pod, selects

SELECTORS = {"PodDisruptionBudget": "spec.selector", "NetworkPolicy": "spec.podSelector", "PodMonitor": "spec.selector"}
MODEL_PORT = 443
DIRECTIONS: tuple[Direction, Direction] = ("Egress", "Ingress")


@check("REL-06")
def selectors_match(view: ComponentView) -> Iterator[Violation]:
    """REL-06: what selects pods or Services of the release selects some."""
    view.require_rendered()
    own = view.snapshot.custom_objects
    for kind, path in SELECTORS.items():
        for item in view.snapshot.of_kind(kind) if not own else ():
            if list_at(item, "spec.namespaceSelector.matchNames") or at(item, "spec.namespaceSelector.any"):
                continue
            pods = [pod for pod in view.workloads() if view.namespaced(pod.owner) == view.namespaced(item)]
            selector = mapping_at(item, path)
            if not any(selects(selector, pod.labels) for pod in pods):
                yield Violation(object_ref(item), path, "to match pods of the release", format_value(selector))
    yield from _monitors(view)


@check("REL-06")
def names_say_what_is_selected(view: ComponentView) -> Iterator[Violation]:
    """REL-06: what has the name of a component does not select the pods of another one instead."""
    view.require_rendered()
    parts = [part for part in view.for_each_component() if part.find_deployment() is not None]
    for kind, path in SELECTORS.items():
        for item in view.snapshot.of_kind(kind):
            named = [part for part in parts if name_of(item) in (part.component.deployment, part.component.service)]
            selected = [part for part in parts if selects(mapping_at(item, path), part.pods[0].labels)]
            if len(named) == 1 and selected and named[0] not in selected:
                expected = f"to match the pods of {named[0].pods[0].object}, whose name it has"
                actual = f"{format_value(mapping_at(item, path))}, which matches {selected[0].pods[0].object}"
                yield Violation(object_ref(item), path, expected, actual, derived=True)


@check("REL-06")
def spreads_count_their_own_pods(view: ComponentView) -> Iterator[Violation]:
    """REL-06: a constraint that spreads pods counts those that have it."""
    view.require_rendered()
    for pod in view.workloads():
        for constraint in mappings_at(pod.spec, "topologySpreadConstraints"):
            selector = mapping_at(constraint, "labelSelector")
            if selector and not selects(selector, pod.labels):
                field = pod.path("spec.topologySpreadConstraints.labelSelector")
                yield Violation(
                    pod.object, field, "to match the pods that it spreads", format_value(selector), derived=True
                )


def _monitors(view: ComponentView) -> Iterator[Violation]:
    for item in view.snapshot.of_kind("ServiceMonitor"):
        spaces = list_at(item, "spec.namespaceSelector.matchNames") or [view.namespaced(item)]
        everywhere = at(item, "spec.namespaceSelector.any") is True
        selector = mapping_at(item, "spec.selector")
        services = [
            service
            for service in view.snapshot.of_kind("Service")
            if (everywhere or view.namespaced(service) in spaces)
            and selects(selector, mapping_at(service, "metadata.labels"))
        ]
        if not services:
            expected = "to match the labels of a Service of the release"
            yield Violation(object_ref(item), "spec.selector", expected, format_value(selector))
        names = {at(port, "name") for service in services for port in mappings_at(service, "spec.ports")}
        for endpoint in mappings_at(item, "spec.endpoints") if services else ():
            port = at(endpoint, "port")
            if port is not None and port not in names:
                known = ", ".join(sorted(map(str, names - {None}))) or "none has a name"
                expected = f"the name of a port of {object_ref(services[0])} ({known})"
                yield Violation(object_ref(item), "spec.endpoints", expected, format_value(port))


@check("REL-07")
def policies_let_the_release_work(view: ComponentView) -> Iterator[Violation]:
    """REL-07: network policies let through what the component needs: DNS, the backend, the database and the model."""
    policies = [
        item
        for item in view.snapshot.of_kind("NetworkPolicy")
        if view.namespaced(item) == view.namespaced(view.deployment)
    ]
    pod = view.pods[0]
    outgoing, incoming = (governing(policies, pod, each) for each in DIRECTIONS)
    if not reaches_dns(outgoing):
        yield _blocked(outgoing, "spec.egress", f"port 53 over UDP to the cluster's DNS for {pod.object}")
    for port, purpose in _outside(view):
        if not reaches_outside(outgoing, port):
            yield _blocked(outgoing, "spec.egress", f"port {port} of {purpose} for {pod.object}")
    port = view.component.port
    if incoming and not any(has_port(ports, port, pod.ports()) for _, ports in policy_rules(incoming, "Ingress")):
        yield _blocked(incoming, "spec.ingress", f"traffic to port {port} of {pod.object}")
    if view.component_name == "frontend" and policies:
        yield from _frontend_to_backend(view, policies)
    if policies:
        yield from _to_other_services(view, policies)
    if policies and not view.live:
        yield from _tests_to_component(view, policies)


def _blocked(policies: list[Object], field: str, expected: str) -> Violation:
    names = ", ".join(name_of(policy) for policy in policies)
    return Violation(f"NetworkPolicy/{name_of(policies[0])}", field, expected, f"not let through by {names}")


def _outside(view: ComponentView) -> Iterator[tuple[int, str]]:
    """Yield port and purpose of the connections that a component makes to the outside."""
    names = view.target.secret
    keys = {variable.key for variable in view.environment(view.main_container(view.pods[0]))}
    url = split(view.snapshot.injected_values.get(names.database_url, ""))
    if names.database_url in keys:
        yield (url.port if url and url.port else 5432), "the database"
    if names.model_key in keys and not view.live:
        yield MODEL_PORT, "the model"


def _frontend_to_backend(view: ComponentView, policies: list[Object]) -> Iterator[Violation]:
    backend = view.for_component("backend")
    if backend.find_deployment() is not None:
        yield from _not_let_through(view, policies, view.pods[0], backend)


def _to_other_services(view: ComponentView, policies: list[Object]) -> Iterator[Violation]:
    """Yield violations where policies keep a component from pods whose Service its variables name, but components'."""
    pod, namespace = view.pods[0], view.namespaced(view.deployment)
    own = [part.find_service() for part in view.for_each_component()]
    for name, text in environment(view, view.main_container(pod)).items():
        for host, port in hosts(text):
            address = Address(Setting(pod.object, name, name, text, namespace), host, port)
            service = resolve(view, address).service
            if service is None or any(service is each for each in own) or view.namespaced(service) != namespace:
                continue
            selector = mapping_at(service, "spec.selector")
            others = [each for each in view.workloads() if selector and selector.items() <= dict(each.labels).items()]
            for other in others[:1]:
                target = next((t for each, t in _targets(service) if each == port), port)
                number = other.ports().get(target) if target is not None else None
                if number is not None:
                    yield from _blocked_between(view, policies, pod, other, number)


def _targets(service: Object) -> Iterator[tuple[object, str | int | None]]:
    for entry in mappings_at(service, "spec.ports"):
        yield at(entry, "port"), at(entry, "port") if at(entry, "targetPort") is None else at(entry, "targetPort")


def _tests_to_component(view: ComponentView, policies: list[Object]) -> Iterator[Violation]:
    """Yield a violation for each pod of `helm test` that names the component's Service and can't reach it."""
    service, namespace = view.find_service(), view.namespaced(view.deployment)
    tests = [each for each in view.extra_workloads() if hooks.is_test(each.owner)]
    for pod in tests:
        if view.namespaced(pod.owner) == namespace and any(each is service for each in _named_services(view, pod)):
            yield from _not_let_through(view, policies, pod, view)


def _named_services(view: ComponentView, pod: Pod) -> list[Object]:
    """The Services of the release that URLs in a pod's environment, commands and arguments name."""
    found = []
    for container in pod.containers():
        words = [*list_at(container.body, "command"), *list_at(container.body, "args")]
        for text in [*environment(view, container).values(), *map(str, words)]:
            setting = Setting(pod.object, container.field, "", text, view.namespaced(pod.owner))
            found += [resolve(view, Address(setting, host, port)).service for host, port in hosts(text)]
    return [each for each in found if each is not None]


def _not_let_through(
    view: ComponentView, policies: list[Object], one: Pod, component: ComponentView
) -> Iterator[Violation]:
    """Yield a violation for each direction in which policies keep a pod from a component's port."""
    yield from _blocked_between(view, policies, one, component.pods[0], component.component.port)


def _blocked_between(
    view: ComponentView, policies: list[Object], one: Pod, other: Pod, port: int
) -> Iterator[Violation]:
    """Yield a violation for each direction in which policies keep a pod from a port of another one."""
    namespace = view.namespaced(view.deployment)
    own = view.snapshot.named("Namespace", namespace) or {}
    labels = {**mapping_at(own, "metadata.labels"), NAMESPACE_NAME: namespace}
    cases: list[tuple[str, Pod, Direction, Pod]] = [
        ("spec.egress", one, "Egress", other),
        ("spec.ingress", other, "Ingress", one),
    ]
    for field, isolated, direction, peer in cases:
        chosen = governing(policies, isolated, direction)
        let_through = any(
            has_port(ports, port, other.ports()) and is_peer(peers, peer, labels)
            for peers, ports in policy_rules(chosen, direction)
        )
        if chosen and not let_through:
            yield _blocked(chosen, field, f"port {port} of {other.object} for {one.object}")
