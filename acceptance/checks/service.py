"""Rules of the components' Services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from acceptance.checks.clauses import check_name, check_namespace, ports_of_service
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.relationships import mounted
from acceptance.checks.service_addresses import environment
from acceptance.core.fields import (
    Object,
    at,
    format_value,
    list_at,
    mapping_at,
    mappings_at,
    name_of,
    object_ref,
    text_at,
)
from acceptance.kube.hooks import is_test
from acceptance.kube.pod_templates import Pod
from acceptance.kube.status import is_ready

LISTENING = re.compile(r"\blisten\s+(?:[\w.*\[\]-]*:)?(\d+)\b")
"""The port of a server of nginx."""
WITHOUT_PODS = frozenset({"bitnami.com", "cert-manager.io", "dapr.io", "external-secrets.io", "networking.istio.io"})
"""API groups for whose objects no controller makes pods that a Service of the release selects."""

check_name("SVC-01", lambda view: view.service, lambda view: view.component.service)
check_namespace("SVC-02", lambda view: view.service)


@check("SVC-03")
def cluster_ip_only(view: ComponentView) -> Iterator[Violation]:
    """SVC-03: the type is ClusterIP."""
    actual = at(view.service, "spec.type")
    if actual not in (None, "ClusterIP"):
        yield Violation(object_ref(view.service), "spec.type", "ClusterIP", format_value(actual))


@check("SVC-04", "live")
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


@check("SVC-04", "static")
def address_is_left_to_the_cluster(view: ComponentView) -> Iterator[Violation]:
    """SVC-04: the chart states no clusterIP."""
    actual = at(view.service, "spec.clusterIP")
    if actual not in (None, ""):
        expected = "absent: the cluster assigns it"
        yield Violation(object_ref(view.service), "spec.clusterIP", expected, format_value(actual))


@check("SVC-05")
def ports_are_valid(view: ComponentView) -> Iterator[Violation]:
    """SVC-05: 1-10 TCP ports, among them the component's."""
    owner = object_ref(view.service)
    ports = mappings_at(view.service, "spec.ports")
    if not 1 <= len(ports) <= 10:
        yield Violation(owner, "spec.ports", "1-10 ports", str(len(ports)))
    for field, port in ports_of_service(view.service):
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
    for entry, port in ports_of_service(view.service):
        expected = at(port, "targetPort")
        expected = at(port, "port") if expected is None else expected
        for pod in view.pods:
            declared = pod.ports()
            if not isinstance(expected, (int, str)) or expected not in declared:
                known = ", ".join(map(str, declared)) or "none"
                wanted = f"a port of {pod.object} ({known})"
                yield Violation(object_ref(view.service), f"{entry}.targetPort", wanted, format_value(expected))


@check("SVC-06")
def leads_to_the_components_port(view: ComponentView) -> Iterator[Violation]:
    """SVC-06: the port that the component is reached at leads to the port of its main container."""
    for entry, port in ports_of_service(view.service):
        stated = at(port, "targetPort")
        target = at(port, "port") if stated is None else stated
        for pod in view.pods[:1] if at(port, "port") == view.component.service_port else ():
            number = pod.ports().get(target) if isinstance(target, (int, str)) else None
            if number not in (None, view.component.port) and not _is_passed_on(view, pod, number):
                expected = f"the port {view.component.port} of {view.main_container(pod).name}"
                actual = f"{format_value(target)}, which is {number}"
                yield Violation(object_ref(view.service), f"{entry}.targetPort", expected, actual, derived=True)


def _is_passed_on(view: ComponentView, pod: Pod, number: int) -> bool:
    """Whether a proxy beside the main container listens on a port and passes requests on to the main container."""
    main = view.main_container(pod)
    for container in pod.containers():
        if container.name == main.name or number not in container.ports():
            continue
        texts = list(environment(view, container).values())
        texts += [str(word) for field in ("command", "args") for word in list_at(container.body, field)]
        texts += [str(text) for item in mounted(view, pod) for text in mapping_at(item, "data").values()]
        listening = {int(port) for text in texts for port in LISTENING.findall(text)}
        if any(_asks_itself(text, view.component.port) for text in texts) and (not listening or number in listening):
            return True
    return False


def _asks_itself(text: str, port: int) -> bool:
    """Whether a text names a port of the pod's own address."""
    return re.search(rf"(?:localhost|127\.0\.0\.1|\[::1\]):{port}\b", text) is not None


@check("SVC-07", "static")
def selects_the_components_pods(view: ComponentView) -> Iterator[Violation]:
    """SVC-07: the selector matches the component's pod template and no other, and only Ready pods are endpoints."""
    service, namespace = view.service, view.namespaced(view.service)
    owner = object_ref(service)
    selector = dict(mapping_at(service, "spec.selector"))
    if not selector:
        yield Violation(owner, "spec.selector", "the component's labels", "none")
    elif not selected_by(selector, view.pods[0]) or view.namespaced(view.deployment) != namespace:
        expected = f"to match the pods of {object_ref(view.deployment)}"
        yield Violation(owner, "spec.selector", expected, format_value(selector))
    for pod in view.workloads() if selector else ():
        other = pod.object != object_ref(view.deployment)
        if other and view.namespaced(pod.owner) == namespace and selected_by(selector, pod):
            expected, actual = "the component's own pods only", f"{pod.object} matches"
            yield Violation(owner, "spec.selector", expected, actual, derived=is_test(pod.owner))
    for item in endpoints_of(view, service):
        yield Violation(object_ref(item), "endpoints", f"none but those of the pods of {owner}", "stated by the chart")
    if at(service, "spec.publishNotReadyAddresses") is True:
        yield Violation(owner, "spec.publishNotReadyAddresses", "false: only Ready pods are endpoints", "true")
    if at(service, "spec.internalTrafficPolicy") == "Local":
        expected = "Cluster: a pod is reached from every node"
        yield Violation(owner, "spec.internalTrafficPolicy", expected, "Local", derived=True)


def selected_by(selector: dict[str, object], pod: Pod) -> bool:
    """Whether a Service's selector matches a pod."""
    return bool(selector) and selector.items() <= dict(pod.labels).items()


def endpoints_of(view: ComponentView, service: Object) -> list[Object]:
    """Return the endpoints of a Service that the release states itself."""
    name, namespace = name_of(service), view.namespaced(service)
    return [
        item
        for item in view.snapshot.of_kind("Endpoints", "EndpointSlice")
        if view.namespaced(item) == namespace
        and name in (name_of(item), mapping_at(item, "metadata.labels").get("kubernetes.io/service-name"))
    ]


def may_make_pods(view: ComponentView) -> bool:
    """Whether a controller may make pods that the release does not state, for an object of its kind."""
    groups = {text_at(item, "apiVersion").partition("/")[0] for item in view.snapshot.custom_objects}
    return bool(groups - WITHOUT_PODS)


@check("SVC-11")
def other_services_have_pods(view: ComponentView) -> Iterator[Violation]:
    """SVC-11: every other Service leads to pods of the release, on a port that they have."""
    view.require_rendered()
    own = [part.find_service() for part in view.for_each_component()]
    for service in view.snapshot.of_kind("Service"):
        if at(service, "spec.type") == "ExternalName" or any(service is each for each in own):
            continue
        owner = object_ref(service)
        selector = dict(mapping_at(service, "spec.selector"))
        namespace = view.namespaced(service)
        pods = [p for p in view.workloads() if view.namespaced(p.owner) == namespace and selected_by(selector, p)]
        if not pods and not endpoints_of(view, service) and not may_make_pods(view):
            yield Violation(owner, "spec.selector", "to match pods of the release", format_value(selector or None))
        for entry, port in ports_of_service(service) if pods else ():
            target = at(port, "port") if at(port, "targetPort") is None else at(port, "targetPort")
            if isinstance(target, str) and not any(target in pod.ports() for pod in pods):
                known = sorted({str(each) for pod in pods for each in pod.ports()})
                expected = f"a port of {pods[0].object} ({', '.join(known)})"
                yield Violation(owner, f"{entry}.targetPort", expected, format_value(target))


@check("SVC-07", "live")
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
