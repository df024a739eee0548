"""Rules of the components' Services."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from acceptance.checks.clauses import check_name, check_namespace
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, format_value, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.kube.status import is_ready

check_name("SVC-01", lambda view: view.service, lambda view: view.component.service)
check_namespace("SVC-02", lambda view: view.service)


@check("SVC-03")
def cluster_ip_only(view: ComponentView) -> Iterator[Violation]:
    """SVC-03: the type is ClusterIP."""
    actual = at(view.service, "spec.type")
    if actual not in (None, "ClusterIP"):
        yield Violation(object_ref(view.service), "spec.type", "ClusterIP", format_value(actual))


@check("SVC-04")
def address_is_assigned(view: ComponentView) -> Iterator[Violation]:
    """SVC-04: clusterIP is inside the cluster's service range."""
    actual = at(view.service, "spec.clusterIP")
    ranges = view.cluster.service_cidrs
    if not ranges:
        raise Untested("the cluster's service range is unknown")
    try:
        inside = any(ip_address(str(actual)) in ip_network(cidr) for cidr in ranges)
    except ValueError:
        inside = False
    if not inside:
        yield Violation(object_ref(view.service), "spec.clusterIP", f"inside {', '.join(ranges)}", format_value(actual))


@check("SVC-05")
def ports_are_valid(view: ComponentView) -> Iterator[Violation]:
    """SVC-05: 1-10 TCP ports, among them the component's."""
    owner = object_ref(view.service)
    ports = mappings_at(view.service, "spec.ports")
    if not 1 <= len(ports) <= 10:
        yield Violation(owner, "spec.ports", "1-10 ports", str(len(ports)))
    for index, port in enumerate(ports):
        field = f"spec.ports[{text_at(port, 'name') or index}]"
        number = at(port, "port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield Violation(owner, f"{field}.port", "1-65535", format_value(number))
        if at(port, "protocol") not in (None, "TCP"):
            yield Violation(owner, f"{field}.protocol", "TCP", format_value(at(port, "protocol")))
    expected = view.component.service_port
    if ports and all(at(port, "port") != expected for port in ports):
        yield Violation(
            owner, "spec.ports", f"the port {expected}", ", ".join(format_value(at(p, "port")) for p in ports)
        )


@check("SVC-06")
def target_ports_exist(view: ComponentView) -> Iterator[Violation]:
    """SVC-06: every targetPort is a port of the component's pods."""
    for port in mappings_at(view.service, "spec.ports"):
        expected = at(port, "targetPort")
        expected = at(port, "port") if expected is None else expected
        for pod in view.pods:
            declared = pod.ports()
            if not isinstance(expected, (int, str)) or expected not in declared:
                known = ", ".join(map(str, declared)) or "none"
                field = f"spec.ports[{text_at(port, 'name') or at(port, 'port')}].targetPort"
                yield Violation(
                    object_ref(view.service), field, f"a port of {pod.object} ({known})", format_value(expected)
                )


@check("SVC-07")
def endpoints_are_the_ready_pods(view: ComponentView) -> Iterator[Violation]:
    """SVC-07: the Service's ready endpoints are exactly the component's Ready pods."""
    service = view.service
    owner = object_ref(service)
    selector = mapping_at(service, "spec.selector")
    if not selector:
        yield Violation(owner, "spec.selector", "the component's labels", "none")
        return
    own = {name_of(item) for item in view.owned_pods()}
    namespace = view.namespaced(service)
    pods = [item for item in view.cluster.pods if view.namespaced(item) == namespace]
    selected = [item for item in pods if selector.items() <= dict(mapping_at(item, "metadata.labels")).items()]
    terminating = {name_of(item) for item in selected if at(item, "metadata.deletionTimestamp") is not None}
    if not selected:
        yield Violation(owner, "spec.selector", "at least one pod", "none")
    for item in selected:
        if name_of(item) not in own | terminating:
            yield Violation(owner, "spec.selector", "the component's own pods only", f"{object_ref(item)} matches")
    ready: set[str] = set()
    not_ready: set[str] = set()
    for endpoint_slice in view.cluster.endpoint_slices:
        if at(endpoint_slice, "metadata.labels") is None or view.namespaced(endpoint_slice) != namespace:
            continue
        if mapping_at(endpoint_slice, "metadata.labels").get("kubernetes.io/service-name") != name_of(service):
            continue
        for endpoint in mappings_at(endpoint_slice, "endpoints"):
            name = text_at(endpoint, "targetRef.name") or ", ".join(map(str, at(endpoint, "addresses") or []))
            # An absent condition means ready (EndpointSlice v1).
            (not_ready if at(endpoint, "conditions.ready") is False else ready).add(name)
    expected = {name_of(item) for item in selected if is_ready(item)}
    if ready != expected or not ready:
        actual = ", ".join(sorted(ready)) or "none"
        yield Violation(owner, "endpoints", f"ready exactly for {', '.join(sorted(expected)) or 'some pod'}", actual)
    for name in sorted(not_ready - own - terminating):
        yield Violation(owner, "endpoints", "no endpoint but the component's pods", name)


@check("SVC-08")
def no_session_affinity(view: ComponentView) -> Iterator[Violation]:
    """SVC-08: sessionAffinity is None."""
    actual = at(view.service, "spec.sessionAffinity")
    if actual not in (None, "None"):
        yield Violation(object_ref(view.service), "spec.sessionAffinity", "None", format_value(actual))
