"""Rules of the components' Services."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from acceptance.checks.clauses import in_namespace, named
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, mapping_at, mappings_at, name_of, object_ref, text_at

named("SVC-01", lambda s: s.service, lambda s: s.component.service)
in_namespace("SVC-02", lambda s: s.service)


@check("SVC-03")
def cluster_ip_only(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.service, "spec.type")
    if found not in (None, "ClusterIP"):
        yield Violation(object_ref(subject.service), "spec.type", "ClusterIP", format_value(found))


@check("SVC-04")
def address_is_assigned(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.service, "spec.clusterIP")
    ranges = subject.cluster.service_cidrs
    if not ranges:
        raise Untested("the cluster's service range is not known")
    try:
        inside = any(ip_address(str(found)) in ip_network(cidr) for cidr in ranges)
    except ValueError:
        inside = False
    if not inside:
        yield Violation(
            object_ref(subject.service), "spec.clusterIP", f"inside {', '.join(ranges)}", format_value(found)
        )


@check("SVC-05")
def ports_are_valid(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.service)
    ports = mappings_at(subject.service, "spec.ports")
    if not 1 <= len(ports) <= 10:
        yield Violation(owner, "spec.ports", "1-10 ports", str(len(ports)))
    for index, port in enumerate(ports):
        field = f"spec.ports[{text_at(port, 'name') or index}]"
        number = at(port, "port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield Violation(owner, f"{field}.port", "1-65535", format_value(number))
        if at(port, "protocol") not in (None, "TCP"):
            yield Violation(owner, f"{field}.protocol", "TCP", format_value(at(port, "protocol")))
    wanted = subject.component.service_port
    if ports and all(at(port, "port") != wanted for port in ports):
        yield Violation(
            owner, "spec.ports", f"the port {wanted}", ", ".join(format_value(at(p, "port")) for p in ports)
        )


@check("SVC-06")
def target_ports_exist(subject: ComponentView) -> Iterator[Violation]:
    for port in mappings_at(subject.service, "spec.ports"):
        wanted = at(port, "targetPort")
        wanted = at(port, "port") if wanted is None else wanted
        for pod in subject.pods:
            declared = pod.ports()
            if not isinstance(wanted, (int, str)) or wanted not in declared:
                known = ", ".join(map(str, declared)) or "none"
                field = f"spec.ports[{text_at(port, 'name') or at(port, 'port')}].targetPort"
                yield Violation(
                    object_ref(subject.service), field, f"a port of {pod.object} ({known})", format_value(wanted)
                )


def is_ready(pod: Object) -> bool:
    return at(pod, "metadata.deletionTimestamp") is None and any(
        at(condition, "type") == "Ready" and at(condition, "status") == "True"
        for condition in mappings_at(pod, "status.conditions")
    )


@check("SVC-07")
def endpoints_are_the_ready_pods(subject: ComponentView) -> Iterator[Violation]:
    service = subject.service
    owner = object_ref(service)
    selector = mapping_at(service, "spec.selector")
    if not selector:
        yield Violation(owner, "spec.selector", "the component's labels", "none")
        return
    own = {name_of(item) for item in subject.owned_pods()}
    namespace = subject.namespaced(service)
    pods = [item for item in subject.cluster.pods if subject.namespaced(item) == namespace]
    selected = [item for item in pods if selector.items() <= dict(mapping_at(item, "metadata.labels")).items()]
    leaving = {name_of(item) for item in selected if at(item, "metadata.deletionTimestamp") is not None}
    if not selected:
        yield Violation(owner, "spec.selector", "at least one pod", "none")
    for item in selected:
        if name_of(item) not in own | leaving:
            yield Violation(owner, "spec.selector", "the component's own pods only", f"{object_ref(item)} matches")
    ready: set[str] = set()
    rest: set[str] = set()
    for piece in subject.cluster.endpoint_slices:
        if at(piece, "metadata.labels") is None or subject.namespaced(piece) != namespace:
            continue
        if mapping_at(piece, "metadata.labels").get("kubernetes.io/service-name") != name_of(service):
            continue
        for endpoint in mappings_at(piece, "endpoints"):
            name = text_at(endpoint, "targetRef.name") or ", ".join(map(str, at(endpoint, "addresses") or []))
            # An absent condition reads as ready (EndpointSlice v1).
            (rest if at(endpoint, "conditions.ready") is False else ready).add(name)
    wanted = {name_of(item) for item in selected if is_ready(item)}
    if ready != wanted or not ready:
        found = ", ".join(sorted(ready)) or "none"
        yield Violation(owner, "endpoints", f"ready exactly for {', '.join(sorted(wanted)) or 'some pod'}", found)
    for name in sorted(rest - own - leaving):
        yield Violation(owner, "endpoints", "no endpoint but the component's pods", name)


@check("SVC-08")
def not_sticky(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.service, "spec.sessionAffinity")
    if found not in (None, "None"):
        yield Violation(object_ref(subject.service), "spec.sessionAffinity", "None", format_value(found))
