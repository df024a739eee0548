"""Rules of relationships between entities."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.references import of_object, service_ports, service_urls, urls
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, format_value, mappings_at, name_of, object_ref, text_at
from acceptance.kube.pod_templates import EnvVar


@check("REL-01", "static")
def migrations_come_first(view: ComponentView) -> Iterator[Violation]:
    """REL-01: an init container with the database's URL runs to completion before the backend starts."""
    expected = view.component.init_container
    for pod in view.pods:
        field = pod.path("spec.initContainers")
        init_containers = [container for container in pod.containers() if container.init]
        chosen = [container for container in init_containers if expected is None or container.name == expected]
        if not chosen:
            actual = ", ".join(container.name for container in init_containers) or "none"
            yield Violation(
                pod.object, field, f"an init container {expected or ''} for the migrations".replace("  ", " "), actual
            )
        for container in chosen:
            if container.sidecar:
                actual = "restartPolicy Always: a sidecar that runs beside the backend"
                yield Violation(pod.object, container.field, "one that runs to completion", actual)
        key = view.target.secret.database_url
        variables = [variable for container in chosen for variable in view.environment(container)]
        if chosen and not any(key in (variable.key, variable.name) for variable in variables):
            yield Violation(pod.object, f"{chosen[0].field}.env", f"{key}, to reach the database", "none")


def backend_urls(view: ComponentView) -> Iterator[tuple[EnvVar, str, str, int]]:
    """Yield variables of the frontend's main container that contain a Service's URL, with host, Service and port."""
    for pod in view.pods[:1]:
        for variable in view.environment(view.main_container(pod)):
            text = view.value_of(variable)
            if text is None or text == view.snapshot.injected_values.get("model_base_url"):
                continue
            for host, service, _, port in service_urls(text):
                yield variable, host, service, port


def missing_backend_url(view: ComponentView) -> Iterator[Violation]:
    """REL-04: yield a violation unless the frontend is configured with a URL and port of the backend's Service."""
    service = view.for_component("backend").service
    ports = service_ports(view.snapshot, name_of(service), view.namespaced(service)) or []
    actual = list(backend_urls(view))
    correct = [entry for entry in actual if entry[2] == name_of(service) and entry[3] in ports]
    if not correct:
        urls_found = [f"{variable.name} -> {host}:{port}" for variable, host, _, port in actual]
        expected = f"a URL of {name_of(service)}:{ports[0] if ports else '?'}"
        yield Violation(
            object_ref(view.deployment),
            "env of the frontend's container",
            expected,
            ", ".join(urls_found) or "no URL of a Service",
        )


check("REL-04", "live")(missing_backend_url)


@check("REL-04", "live")
def frontend_reaches_backend(view: ComponentView) -> Iterator[Violation]:
    """REL-04: the frontend's process has the backend URL that the release configures."""
    facts = view.cluster.facts
    if facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    for pod in view.pods:
        process = facts.get((pod.name, view.main_container(pod).name))
        for variable, *_ in backend_urls(view):
            if process is not None and process.environment.get(variable.name) != view.value_of(variable):
                expected = f"{format_value(view.value_of(variable))}, as configured in the release"
                yield Violation(
                    pod.object, variable.name, expected, format_value(process.environment.get(variable.name))
                )


@check("REL-05")
def references_resolve(view: ComponentView) -> Iterator[Violation]:
    """REL-05: every referenced object, key, Service port and probe port exists."""
    view.require_rendered()
    snapshot = view.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    objects = {(text_at(i, "kind"), snapshot.namespace_of(i), name_of(i)): i for i in snapshot.objects}
    for item in snapshot.objects:
        for ref in of_object(item, snapshot.namespace_of(item)):
            actual = objects.get((ref.kind, ref.namespace, ref.name))
            if actual is None:
                yield Violation(ref.object, ref.field, "an object of the release", f"no {ref.kind}/{ref.name}")
            elif ref.key and ref.key not in view.keys_of(actual):
                yield Violation(ref.object, ref.field, f"a key of {object_ref(actual)}", f"no {ref.key}")
    for url in urls(snapshot):
        ports = service_ports(snapshot, url.service, url.namespace)
        if ports is None:
            yield Violation(url.object, url.field, "the host of a Service of the release", format_value(url.host))
        elif url.port not in ports:
            expected = f"a port of Service/{url.service} ({', '.join(map(str, ports))})"
            yield Violation(url.object, url.field, expected, str(url.port))
    yield from probe_ports(view)


def probe_ports(view: ComponentView) -> Iterator[Violation]:
    """Yield violations where a probe or hook names a port that its container does not declare."""
    for pod in view.workloads():
        for container in pod.containers():
            for kind in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.preStop", "lifecycle.postStart"):
                for action in ("httpGet", "tcpSocket"):
                    port = at(container.body, f"{kind}.{action}.port")
                    if isinstance(port, str) and not port.isdecimal() and port not in container.ports():
                        names = [text_at(entry, "name") for entry in mappings_at(container.body, "ports")]
                        expected = f"a declared port ({', '.join(filter(None, names)) or 'none has a name'})"
                        yield Violation(
                            pod.object, f"{container.field}.{kind}.{action}.port", expected, format_value(port)
                        )
