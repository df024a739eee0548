"""References between the objects of a release: keys, names, service accounts, ports, and Services in URLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.urls import DEFAULT_PORTS, URL, split
from acceptance.kube.pod_templates import Container, Pod, pod_of

LOCAL_HOSTS = ("localhost", "host")


@dataclass(frozen=True)
class Reference:
    """A reference from `object` `field` to `kind/name`, or to a key of it."""

    object: str
    field: str
    kind: str
    name: str
    key: str = ""
    namespace: str = ""


def _keyed(container: Container) -> Iterator[tuple[str, str, Object]]:
    for entry in mappings_at(container.body, "envFrom"):
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if (body := at(entry, field)) is not None:
                yield f"{container.field}.envFrom", kind, body
    for variable in mappings_at(container.body, "env"):
        for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            if (body := at(variable, f"valueFrom.{field}")) is not None:
                yield f"{container.field}.env[{text_at(variable, 'name')}]", kind, body


def _volumes(pod: Pod) -> Iterator[tuple[str, str, Object]]:
    for volume in mappings_at(pod.spec, "volumes"):
        field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
        for body in (volume, *mappings_at(volume, "projected.sources")):
            for kind, key, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                if (source := at(body, key)) is not None:
                    named = text_at(source, name) or text_at(source, "name")
                    yield field, kind, {**mapping_at(body, key), "name": named}


def of_pod(pod: Pod, namespace: str) -> Iterator[Reference]:
    """Yield a pod's references to ConfigMaps, Secrets, their keys and its service account, except optional ones."""
    found = [entry for container in pod.containers() for entry in _keyed(container)]
    for field, kind, body in (*found, *_volumes(pod)):
        if at(body, "optional") is True:
            continue
        name = text_at(body, "name")
        keys = [text_at(body, "key"), *(text_at(item, "key") for item in mappings_at(body, "items"))]
        for key in [key for key in keys if key] or [""]:
            yield Reference(pod.object, field, kind, name, key, namespace)
    account = text_at(pod.spec, "serviceAccountName")
    if account not in ("", "default"):
        yield Reference(pod.object, pod.path("spec.serviceAccountName"), "ServiceAccount", account, "", namespace)


def of_object(item: Object, namespace: str) -> Iterator[Reference]:
    """Yield every reference of an object by name; not ports and URLs."""
    if (pod := pod_of(item)) is not None:
        yield from of_pod(pod, namespace)
    owner = object_ref(item)
    if at(item, "kind") == "HorizontalPodAutoscaler":
        target = mapping_at(item, "spec.scaleTargetRef")
        yield Reference(owner, "spec.scaleTargetRef", text_at(target, "kind"), text_at(target, "name"), "", namespace)
    if at(item, "kind") == "Ingress":
        for rule in mappings_at(item, "spec.rules"):
            for path in mappings_at(rule, "http.paths"):
                name = text_at(path, "backend.service.name")
                yield Reference(owner, "spec.rules", "Service", name, "", namespace)


@dataclass(frozen=True)
class ServiceUrl:
    """A URL of a Service in a ConfigMap or a literal variable; only its host and port, as it may have credentials."""

    object: str
    field: str
    host: str
    service: str
    namespace: str
    port: int


def service_urls(text: str) -> Iterator[tuple[str, str, str, int]]:
    """Yield host, Service, namespace (empty if not named) and port of each URL of a Service in a text.

    In a cluster, a host name without dots or below `.svc` can only be a Service's.
    """
    for match in URL.finditer(text):
        parts = split(match.group())
        host = (parts.hostname or "") if parts else ""
        labels = host.removesuffix(".").removesuffix(".cluster.local").split(".")
        is_service = len(labels) == 1 or (len(labels) == 3 and labels[2] == "svc")
        if not parts or not is_service or not host[:1].isalpha() or host in LOCAL_HOSTS:
            continue
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        yield host, labels[0], labels[1] if len(labels) > 1 else "", port


def urls(snapshot: Snapshot) -> Iterator[ServiceUrl]:
    """Yield every Service URL of a release, except those that the run injected (the model stub's)."""
    texts: list[tuple[Object, str, str]] = []
    for item in snapshot.of_kind("ConfigMap"):
        texts += [
            (item, f"data.{key}", value) for key, value in mapping_at(item, "data").items() if isinstance(value, str)
        ]
    for item in snapshot.objects:
        if (pod := pod_of(item)) is not None:
            for container in pod.containers():
                texts += [
                    (item, f"{container.field}.env[{text_at(variable, 'name')}]", text_at(variable, "value"))
                    for variable in mappings_at(container.body, "env")
                ]
    injected = set(snapshot.injected_values.values())
    for item, field, text in texts:
        if text in injected:
            continue
        for host, service, namespace, port in service_urls(text):
            where = namespace or snapshot.namespace_of(item)
            yield ServiceUrl(object_ref(item), field, host, service, where, port)


def service_ports(snapshot: Snapshot, service: str, namespace: str) -> list[int] | None:
    """Return the ports of a Service of the release, or None if there is no such Service."""
    for item in snapshot.of_kind("Service"):
        if name_of(item) == service and snapshot.namespace_of(item) == namespace:
            return [port for entry in mappings_at(item, "spec.ports") if isinstance(port := at(entry, "port"), int)]
    return None
