"""Rules of relationships between entities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.processes import LOOPBACK, migrates_nothing
from acceptance.checks.references import CLUSTER_SCOPED, Reference, backends, find, given_names, of_object
from acceptance.checks.registry import Violation, check
from acceptance.checks.service_addresses import (
    Address,
    Setting,
    addresses,
    environment,
    hosts,
    pairs,
    ports_of,
    resolve,
    unknown_variables,
    words,
)
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
from acceptance.core.secret_scan import strings
from acceptance.core.shell import program
from acceptance.kube import hooks
from acceptance.kube.pod_security import HANDLERS
from acceptance.kube.pod_templates import Container, Pod, image_reference


@check("REL-01", "static")
def migrations_come_first(view: ComponentView) -> Iterator[Violation]:
    """REL-01: an init container with the database's URL runs to completion before the backend starts."""
    expected = view.component.init_container
    for pod in view.pods:
        field = pod.path("spec.initContainers")
        # A sidecar that is not named as the migrations' runs beside the backend, such as a proxy of the database.
        inits = [container for container in pod.containers() if container.init]
        init_containers = [each for each in inits if expected is not None or not each.sidecar]
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
            main = view.main_container(pod)
            path, own_path = image_reference(container.image)[0], image_reference(main.image)[0]
            if of_the_frontend(view, container):
                expected = f"{main.image}, which has {program(list_at(container.body, 'command')) or 'the program'}"
                yield Violation(pod.object, f"{container.field}.image", expected, format_value(container.image))
            same = path.rpartition("/")[2] == own_path.rpartition("/")[2]
            if same and container.image != main.image:
                expected = f"{main.image}, the backend's own version"
                yield Violation(
                    pod.object, f"{container.field}.image", expected, format_value(container.image), derived=True
                )
        idle = [text for container in chosen if (text := migrates_nothing(container))]
        if chosen and len(idle) == len(chosen):
            actual = f"commands that change nothing in a database: {idle[0]}"
            yield Violation(pod.object, f"{chosen[0].field}.command", "the migrations", format_value(actual))
        key = view.target.secret.database_url
        variables = [variable for container in chosen for variable in view.environment(container)]
        secret = view.find_secret()
        kept = secret is None or key in view.keys_of(secret)  # An absent key is SEC-12's finding.
        if chosen and not idle and kept and not any(key in (variable.key, variable.name) for variable in variables):
            yield Violation(pod.object, f"{chosen[0].field}.env", f"{key}, to reach the database", "none")


PYTHON_MIGRATIONS = re.compile(r"(?:^|[\s/])(?:alembic|aerich|flask|python[\d.]*)(?:\s|$)")
"""Programs of the backend's image that migrate a database; those of Node.js are in the frontend's."""


def of_the_frontend(view: ComponentView, container: Container) -> bool:
    """Whether a container runs a program of Python in the frontend's image, which has none."""
    frontend = view.target.components.get("frontend")
    backend = view.component.image.repository.rpartition("/")[2]
    last = image_reference(container.image)[0].rpartition("/")[2]
    words = [str(each) for field in ("command", "args") for each in list_at(container.body, field)]
    other = frontend is not None and last == frontend.image.repository.rpartition("/")[2] != backend
    return other and PYTHON_MIGRATIONS.search(" ".join(words)) is not None


def frontend_addresses(view: ComponentView) -> Iterator[Address]:
    """Yield the addresses in the environment, the command and the mounted files of the frontend's main container."""
    for pod in view.pods[:1]:
        container = view.main_container(pod)
        namespace = view.namespaced(pod.owner)
        values = environment(view, container)
        texts = [Setting(pod.object, name, name, text, namespace) for name, text in values.items()]
        texts += [
            Setting(pod.object, field, "", text, namespace)
            for field in ("command", "args")
            for text in list_at(container.body, field)
            if isinstance(text, str)
        ]
        for item in mounted(view, pod):
            texts += [
                Setting(object_ref(item), f"data.{key}", "", text, namespace)
                for key, text in mapping_at(item, "data").items()
                if isinstance(text, str)
            ]
        for setting in texts:
            if setting.text != view.snapshot.injected_values.get("model_base_url"):
                for host, port in hosts(setting.text):
                    yield Address(setting, host, port)
        for name, host, port in pairs(values):
            yield Address(Setting(pod.object, name, name, values[name], namespace), host, port)


def mounted(view: ComponentView, pod: Pod) -> Iterator[Object]:
    """Yield the ConfigMaps that a pod mounts."""
    for volume in mappings_at(pod.spec, "volumes"):
        for source in (volume, *mappings_at(volume, "projected.sources")):
            item = view.named("ConfigMap", text_at(source, "configMap.name"))
            if item is not None:
                yield item


def backend_addresses(view: ComponentView) -> list[Address]:
    """Return the frontend's addresses of the backend's Service, with a port that it has."""
    service = view.for_component("backend").service
    ports = ports_of(view, service)
    return [
        each
        for each in frontend_addresses(view)
        if resolve(view, each).service is service and (each.port is None or each.port in ports)
    ]


def is_forwarded_frontend(view: ComponentView, address: Address) -> bool:
    """Whether an address is the frontend's own, as a browser finds it forwarded to its machine."""
    own = (view.component.port, view.component.service_port)
    return LOOPBACK.fullmatch(address.host) is not None and address.port in own


def missing_backend_url(view: ComponentView) -> Iterator[Violation]:
    """REL-04: yield a violation unless the frontend is configured with the address of the backend's Service."""
    service = view.for_component("backend").service
    if not backend_addresses(view):
        found = [
            f"{each.setting.name or each.setting.field} -> {each.host}:{each.port}"
            for each in frontend_addresses(view)
            if not is_for_browsers(each)
            and not is_forwarded_frontend(view, each)
            and (resolve(view, each).verdict != "outside" or "." not in each.host)
            and resolve(view, each).service is not view.find_service()
        ]
        expected = f"a URL of {name_of(service)}:{next(iter(ports_of(view, service)), '?')}"
        yield Violation(
            object_ref(view.deployment),
            "env of the frontend's container",
            expected,
            ", ".join(found) or "no URL of a Service",
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
        values = environment(view, view.main_container(pod))
        for name in {each.setting.name for each in backend_addresses(view)} & set(values):
            if process is not None and process.environment.get(name) != values[name]:
                expected = f"{format_value(values[name])}, as configured in the release"
                yield Violation(pod.object, name, expected, format_value(process.environment.get(name)))


@check("REL-05")
def references_resolve(view: ComponentView) -> Iterator[Violation]:
    """REL-05: every referenced object, key, Service port and probe port exists when it is used."""
    view.require_rendered()
    snapshot = view.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    for item in snapshot.objects:
        late: set[str] = set()
        for ref in of_object(item, snapshot.namespace_of(item)):
            actual = find(ref, snapshot.by_identity)
            existing = snapshot.existing_named(ref.kind, ref.name)
            if actual is None and existing is not None:
                if ref.key and ref.key not in view.keys_of(existing):
                    expected = f"a key of {object_ref(existing)}, which exists before the release"
                    yield Violation(ref.object, ref.field, expected, f"no {ref.key}")
            elif actual is None:
                if is_broken(view, ref):
                    yield Violation(ref.object, ref.field, "an object of the release", f"no {ref.kind}/{ref.name}")
                elif (maker := maker_without_key(view, ref)) is not None:
                    expected = f"a key of the {ref.kind} that {object_ref(maker)} makes"
                    yield Violation(ref.object, ref.field, expected, f"no {ref.key}")
            elif not hooks.exists_before(actual, item):
                if object_ref(actual) in late:
                    continue  # which other fields of the object use too
                late.add(object_ref(actual))
                expected = f"{object_ref(actual)} to exist when Helm creates {ref.object}"
                yield Violation(ref.object, ref.field, expected, hooks.order(actual))
            elif ref.key and ref.key not in view.keys_of(actual):
                yield Violation(ref.object, ref.field, f"a key of {object_ref(actual)}", f"no {ref.key}")
        yield from backend_ports(view, item)
    yield from dead_addresses(view)
    yield from probe_ports(view)
    yield from frontend_probe_ports(view)


def is_broken(view: ComponentView, ref: Reference) -> bool:
    """Whether a reference to what the release has not is broken: neither built in nor given by an existing name."""
    chart = view.snapshot.chart
    if ref.built_in or (chart is not None and ref.name in given_names(chart.values)):
        return False
    if may_be_made(view, ref):
        return False
    # What a cluster offers beside the release is known of a plain one only, for which the defaults are.
    return ref.kind not in CLUSTER_SCOPED or view.shipped


MADE_KINDS = ("ConfigMap", "Secret")
"""Kinds that controllers make: cert-manager, external-secrets, sealed-secrets."""


def may_be_made(view: ComponentView, ref: Reference) -> bool:
    """Whether an object of a controller's kind names what a reference is to, so that the controller may make it."""
    return ref.kind in MADE_KINDS and any(ref.name in _made_names(item) for item in view.snapshot.custom_objects)


def maker_without_key(view: ComponentView, ref: Reference) -> Object | None:
    """Return the object from which a controller makes what is referred to, if it says which keys and the one is not."""
    for item in view.snapshot.custom_objects if ref.key and ref.kind in MADE_KINDS else ():
        keys = _made_keys(item)
        if keys is not None and ref.name in _made_names(item) and ref.key not in keys:
            return item
    return None


def _made_keys(item: Object) -> Set[str] | None:
    """Return the keys of the Secret that an ExternalSecret or a SealedSecret makes, or None if they are not stated."""
    match text_at(item, "kind"):
        case "ExternalSecret":
            stated = {text_at(entry, "secretKey") for entry in mappings_at(item, "spec.data")}
            template = mapping_at(item, "spec.target.template")
            known = stated and not (list_at(item, "spec.dataFrom") or list_at(template, "templateFrom"))
            return (stated | mapping_at(template, "data").keys()) if known else None
        case "SealedSecret":
            parts = ("spec.encryptedData", "spec.template.data", "spec.template.stringData")
            return {key for part in parts for key in mapping_at(item, part)} or None
    return None


def _made_names(item: Object) -> set[str]:
    """Return the names that an object may be asking its controller for; an ExternalSecret says which one it is."""
    if text_at(item, "kind") == "ExternalSecret":
        return {text_at(item, "spec.target.name") or name_of(item)}
    if text_at(item, "kind") == "SealedSecret":
        return {text_at(item, "spec.template.metadata.name") or name_of(item)}
    return {text for _, text in strings(item)}


@check("REL-05")
def objects_given_by_name(view: ComponentView) -> Iterator[Violation]:
    """REL-05: an object that a value names as existing is not part of the release, so its keys are untested."""
    names = given_names(view.snapshot.chart.values) if view.snapshot.chart else set()
    present = {name_of(item) for item in (*view.snapshot.objects, *view.snapshot.existing)}
    for item in view.snapshot.objects:
        for ref in of_object(item, view.namespaced(item)):
            if ref.name not in present and (ref.name in names or may_be_made(view, ref)):
                raise Untested(f"{ref.kind}/{ref.name} is given by its name and not part of this release")
    yield from ()


def backend_ports(view: ComponentView, item: Object) -> Iterator[Violation]:
    """Yield violations where an Ingress or a route names a port that its Service has not."""
    for field, name, port in backends(item):
        service = view.snapshot.named("Service", name, view.namespaced(item))
        ports = mappings_at(service, "spec.ports") if service is not None else []
        known = [value for entry in ports for value in (at(entry, "port"), at(entry, "name")) if value is not None]
        if ports and port is not None and port not in known:
            expected = f"a port of Service/{name} ({', '.join(map(str, known))})"
            yield Violation(object_ref(item), field, expected, format_value(port))


def is_for_browsers(address: Address) -> bool:
    """Whether a setting lists origins of browsers; a single one may be that of a Service for another one."""
    said = words(address.setting.name)
    return bool(said & {"cors", "origins"}) or ("origin" in said and ".svc" not in address.host)


def dead_addresses(view: ComponentView) -> Iterator[Violation]:
    """Yield violations where a setting names no Service of the release, or a port that its Service has not."""
    seen: set[tuple[str, str, int | None]] = set()
    for address in addresses(view):
        setting = address.setting
        if is_for_browsers(address) or (setting.field, address.host, address.port) in seen:
            continue
        seen.add((setting.field, address.host, address.port))
        found = resolve(view, address)
        if found.verdict == "dead":
            yield Violation(
                setting.object, setting.field, "the host of a Service of the release", format_value(address.host)
            )
        elif found.verdict == "other namespace":
            expected = f"the namespace of Service/{found.name}"
            yield Violation(setting.object, setting.field, expected, format_value(address.host))
        elif found.service is not None and address.port is not None:
            ports = ports_of(view, found.service)
            if address.port not in ports and at(found.service, "spec.type") != "ExternalName":
                expected = f"a port of Service/{found.name} ({', '.join(map(str, ports)) or 'none'})"
                yield Violation(setting.object, setting.field, expected, str(address.port))


@check("REL-05")
def variables_in_addresses_exist(view: ComponentView) -> Iterator[Violation]:
    """REL-05: a URL that is made of other variables names such that precede it."""
    for setting, name in unknown_variables(view):
        expected = f"a variable {name} before it: the kubelet leaves $({name}) as it is"
        yield Violation(setting.object, setting.field, expected, "none")


@check("REL-05")
def addresses_of_other_namespaces(view: ComponentView) -> Iterator[Violation]:
    """REL-05: a Service of another namespace is not part of the release, so its address is untested."""
    for address in addresses(view):
        if resolve(view, address).verdict == "elsewhere" and "kubernetes.default" not in address.host:
            raise Untested(f"{address.host} in {address.setting.object} is not part of this release")
    yield from ()


def probe_ports(view: ComponentView) -> Iterator[Violation]:
    """Yield violations where a probe or hook names a port that its container does not declare."""
    for pod in view.workloads():
        for container in pod.containers():
            for field, port in handler_ports(container):
                if isinstance(port, str) and not port.isdecimal() and port not in container.ports():
                    names = [text_at(entry, "name") for entry in mappings_at(container.body, "ports")]
                    expected = f"a declared port ({', '.join(filter(None, names)) or 'none has a name'})"
                    yield Violation(pod.object, f"{container.field}.{field}", expected, format_value(port))


def frontend_probe_ports(view: ComponentView) -> Iterator[Violation]:
    """Yield violations where a probe of the frontend asks a port by a number that its pod does not declare.

    The backend's probes are POD-08's and POD-09's.
    """
    frontends = [each for each in view.for_each_component() if each.component_name == "frontend"]
    for pod in view.workloads():
        declared = pod.ports()
        for container in [each.main_container(pod) for each in frontends if each.find_deployment() is pod.owner]:
            for field, port in handler_ports(container):
                number = int(port) if isinstance(port, str) and port.isdecimal() else port
                if not field.startswith("lifecycle") and isinstance(number, int) and number not in declared:
                    expected = f"a declared port ({', '.join(str(each) for each in set(declared.values()))})"
                    yield Violation(pod.object, f"{container.field}.{field}", expected, str(number), derived=True)


def handler_ports(container: Container) -> Iterator[tuple[str, object]]:
    """Yield field and port of each request and connection that a container's probes and hooks make."""
    for kind in HANDLERS:
        for action in ("httpGet", "tcpSocket"):
            if (port := at(container.body, f"{kind}.{action}.port")) is not None:
                yield f"{kind}.{action}.port", port
