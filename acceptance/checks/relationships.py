"""Rules of how the entities hang together."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.references import of_object, service_ports, service_urls, urls
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, format_value, mappings_at, name_of, object_ref, text_at
from acceptance.kube.pod_templates import EnvVar


@check("REL-01", "static")
def migrations_come_first(subject: ComponentView) -> Iterator[Violation]:
    wanted = subject.component.init_container
    for pod in subject.pods:
        field = pod.path("spec.initContainers")
        first = [container for container in pod.containers() if container.init]
        chosen = [container for container in first if wanted is None or container.name == wanted]
        if not chosen:
            found = ", ".join(container.name for container in first) or "none"
            yield Violation(
                pod.object, field, f"an init container {wanted or ''} for the migrations".replace("  ", " "), found
            )
        for container in chosen:
            if container.sidecar:
                found = "restartPolicy Always: a sidecar that starts beside the backend"
                yield Violation(pod.object, container.field, "one that runs to its end", found)
        key = subject.target.secret.database_url
        reached = any(
            key in (given.key, given.name) for container in chosen for given in subject.environment(container)
        )
        if chosen and not reached:
            yield Violation(pod.object, f"{chosen[0].field}.env", f"{key}, to reach the database", "none")


def backend_urls(subject: ComponentView) -> Iterator[tuple[EnvVar, str, str, int]]:
    """Variables of the frontend's main container whose URL names a Service: with host, Service and port."""
    for pod in subject.pods[:1]:
        for given in subject.environment(subject.main_container(pod)):
            text = subject.value_of(given)
            if text is None or text == subject.snapshot.injected_values.get("model_base_url"):
                continue
            for host, service, _, port in service_urls(text):
                yield given, host, service, port


def names_backend(subject: ComponentView) -> Iterator[Violation]:
    """The frontend is given a URL of the backend's Service, with a port that the Service has."""
    service = subject.for_component("backend").service
    ports = service_ports(subject.snapshot, name_of(service), subject.namespaced(service)) or []
    found = list(backend_urls(subject))
    right = [entry for entry in found if entry[2] == name_of(service) and entry[3] in ports]
    if not right:
        seen = ", ".join(f"{given.name} -> {host}:{port}" for given, host, _, port in found) or "no URL of a Service"
        wanted = f"a URL of {name_of(service)}:{ports[0] if ports else '?'}"
        yield Violation(object_ref(subject.deployment), "env of the frontend's container", wanted, seen)


check("REL-04", "live")(names_backend)


@check("REL-04", "live")
def frontend_reaches_backend(subject: ComponentView) -> Iterator[Violation]:
    facts = subject.cluster.facts
    if facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    for pod in subject.pods:
        process = facts.get((pod.name, subject.main_container(pod).name))
        for given, *_ in backend_urls(subject):
            if process is not None and process.environment.get(given.name) != subject.value_of(given):
                wanted = f"{format_value(subject.value_of(given))}, as configured in the release"
                yield Violation(pod.object, given.name, wanted, format_value(process.environment.get(given.name)))


@check("REL-05")
def references_resolve(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    snapshot = subject.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    held = {(text_at(i, "kind"), snapshot.namespace_of(i), name_of(i)): i for i in snapshot.objects}
    for item in snapshot.objects:
        for ref in of_object(item, snapshot.namespace_of(item)):
            found = held.get((ref.kind, ref.namespace, ref.name))
            if found is None:
                yield Violation(ref.object, ref.field, "an object of the release", f"no {ref.kind}/{ref.name}")
            elif ref.key and ref.key not in subject.keys_of(found):
                yield Violation(ref.object, ref.field, f"a key of {object_ref(found)}", f"no {ref.key}")
    for url in urls(snapshot):
        ports = service_ports(snapshot, url.service, url.namespace)
        if ports is None:
            yield Violation(url.object, url.field, "the host of a Service of the release", format_value(url.host))
        elif url.port not in ports:
            wanted = f"a port of Service/{url.service} ({', '.join(map(str, ports))})"
            yield Violation(url.object, url.field, wanted, str(url.port))
    yield from probe_ports(subject)


def probe_ports(subject: ComponentView) -> Iterator[Violation]:
    """A probe's or hook's port by name is one that its container declares."""
    for pod in subject.workloads():
        for container in pod.containers():
            for kind in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.preStop", "lifecycle.postStart"):
                for action in ("httpGet", "tcpSocket"):
                    port = at(container.body, f"{kind}.{action}.port")
                    if isinstance(port, str) and not port.isdecimal() and port not in container.ports():
                        names = [text_at(entry, "name") for entry in mappings_at(container.body, "ports")]
                        wanted = f"a declared port ({', '.join(filter(None, names)) or 'none has a name'})"
                        yield Violation(
                            pod.object, f"{container.field}.{kind}.{action}.port", wanted, format_value(port)
                        )
