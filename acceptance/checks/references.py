"""References between the objects of a release, by name: keys, accounts, classes, scale targets, backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.core.fields import Object, at, mapping_at, mappings_at, object_ref, text_at
from acceptance.kube.pod_templates import Container, Pod, pod_of


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
