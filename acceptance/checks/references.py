"""References between the objects of a release, by name: keys, accounts, classes, roles, scale targets, backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.core.fields import Object, at, mapping_at, mappings_at, object_ref, text_at
from acceptance.kube.pod_templates import Container, Pod, pod_of

CLUSTER_SCOPED = ("PriorityClass", "RuntimeClass", "StorageClass", "ClusterRole")
BUILT_IN = {
    "PriorityClass": ("system-cluster-critical", "system-node-critical"),
    "StorageClass": ("standard",),
    "ClusterRole": ("admin", "cluster-admin", "edit", "view"),
    "ServiceAccount": ("default",),
    "ConfigMap": ("kube-root-ca.crt",),
}
"""Objects that a local cluster has by itself."""
ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute")


@dataclass(frozen=True)
class Reference:
    """A reference from `object` `field` to `kind/name`, or to a key of it."""

    object: str
    field: str
    kind: str
    name: str
    key: str = ""
    namespace: str = ""

    @property
    def built_in(self) -> bool:
        """Whether every cluster has the object."""
        return self.name in BUILT_IN.get(self.kind, ()) or self.name.startswith("system:")


def _keyed(container: Container) -> Iterator[tuple[str, str, Object]]:
    for entry in mappings_at(container.body, "envFrom"):
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if (body := at(entry, field)) is not None:
                yield f"{container.field}.envFrom", kind, body
    for variable in mappings_at(container.body, "env"):
        for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            if (body := at(variable, f"valueFrom.{field}")) is not None:
                yield f"{container.field}.env[{text_at(variable, 'name')}]", kind, body


def mounted(pod: Pod) -> Iterator[tuple[str, str, Object]]:
    """Yield field, kind and source of each ConfigMap and Secret that is a volume of a pod, or a part of one."""
    for volume in mappings_at(pod.spec, "volumes"):
        field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
        for body in (volume, *mappings_at(volume, "projected.sources")):
            for kind, key, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                if (source := at(body, key)) is not None:
                    named = text_at(source, name) or text_at(source, "name")
                    yield field, kind, {**mapping_at(body, key), "name": named}


def _sub_paths(pod: Pod) -> Iterator[tuple[str, str, Object]]:
    """Yield the keys that mounts with a `subPath` name, of volumes that have all keys of one object."""
    volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
    for container in pod.containers():
        for mount in mappings_at(container.body, "volumeMounts"):
            volume, path = volumes.get(text_at(mount, "name"), {}), text_at(mount, "subPath")
            for kind, key, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                source = mapping_at(volume, key)
                if path and source and not at(source, "items") and at(source, "optional") is not True:
                    yield f"{container.field}.volumeMounts", kind, {"name": text_at(source, name), "key": path}


def of_pod(pod: Pod, namespace: str) -> Iterator[Reference]:
    """Yield a pod's references to ConfigMaps, Secrets, their keys, its account and classes, except optional ones."""
    found = [entry for container in pod.containers() for entry in _keyed(container)]
    for field, kind, body in (*found, *mounted(pod), *_sub_paths(pod)):
        if at(body, "optional") is True:
            continue
        name = text_at(body, "name")
        keys = [text_at(body, "key"), *(text_at(item, "key") for item in mappings_at(body, "items"))]
        for key in [key for key in keys if key] or [""]:
            yield Reference(pod.object, field, kind, name, key, namespace)
    for kind, field in (
        ("ServiceAccount", "serviceAccountName"),
        ("PriorityClass", "priorityClassName"),
        ("RuntimeClass", "runtimeClassName"),
    ):
        if name := text_at(pod.spec, field):
            yield Reference(pod.object, pod.path(f"spec.{field}"), kind, name, "", namespace)


def of_object(item: Object, namespace: str) -> Iterator[Reference]:
    """Yield every reference of an object by name; not ports, URLs and selectors."""
    if (pod := pod_of(item)) is not None:
        yield from of_pod(pod, namespace)
    owner, kind = object_ref(item), text_at(item, "kind")
    if kind == "HorizontalPodAutoscaler" or kind == "ScaledObject":
        target = mapping_at(item, "spec.scaleTargetRef")
        scaled = text_at(target, "kind", "Deployment" if kind == "ScaledObject" else "")
        yield Reference(owner, "spec.scaleTargetRef", scaled, text_at(target, "name"), "", namespace)
    if kind == "VerticalPodAutoscaler":
        target = mapping_at(item, "spec.targetRef")
        yield Reference(owner, "spec.targetRef", text_at(target, "kind"), text_at(target, "name"), "", namespace)
    if kind in ("RoleBinding", "ClusterRoleBinding"):
        yield from _of_binding(item, namespace)
    if kind in ("PersistentVolumeClaim", "StatefulSet"):
        for claim in (item, *mappings_at(item, "spec.volumeClaimTemplates")):
            if name := text_at(claim, "spec.storageClassName"):
                yield Reference(owner, "spec.storageClassName", "StorageClass", name, "", namespace)
    if kind == "StatefulSet" and (name := text_at(item, "spec.serviceName")):
        yield Reference(owner, "spec.serviceName", "Service", name, "", namespace)
    for field, name, _ in backends(item):
        yield Reference(owner, field, "Service", name, "", namespace)


def _of_binding(item: Object, namespace: str) -> Iterator[Reference]:
    role = mapping_at(item, "roleRef")
    yield Reference(object_ref(item), "roleRef", text_at(role, "kind"), text_at(role, "name"), "", namespace)
    for subject in mappings_at(item, "subjects"):
        if text_at(subject, "kind") == "ServiceAccount":
            where = text_at(subject, "namespace") or namespace
            if where == namespace:  # an account elsewhere is not part of the release
                yield Reference(object_ref(item), "subjects", "ServiceAccount", text_at(subject, "name"), "", where)


def backends(item: Object) -> Iterator[tuple[str, str, int | str | None]]:
    """Yield field, Service and port (by number or name) of each backend of an Ingress or a route of a Gateway."""
    if text_at(item, "kind") == "Ingress":
        found = [("spec.defaultBackend", mapping_at(item, "spec.defaultBackend.service"))]
        paths = [path for rule in mappings_at(item, "spec.rules") for path in mappings_at(rule, "http.paths")]
        found += [("spec.rules", mapping_at(path, "backend.service")) for path in paths]
        for field, service in found:
            if service:
                port = at(service, "port.number") or at(service, "port.name")
                yield field, text_at(service, "name"), port
    if text_at(item, "kind") in ROUTES:
        for rule in mappings_at(item, "spec.rules"):
            for ref in mappings_at(rule, "backendRefs"):
                if text_at(ref, "kind", "Service") == "Service" and not text_at(ref, "namespace"):
                    yield "spec.rules", text_at(ref, "name"), at(ref, "port")


def given_names(values: Object) -> set[str]:
    """Return the names that values give of objects which exist outside of the release.

    They are under a key such as `existingSecret`, or called `name` beside `create: false`.
    """
    found = {text_at(values, "name")} - {""} if values.get("create") is False else set()
    for key, value in values.items():
        inner = [value] if isinstance(value, dict) else mappings_at(values, str(key))
        for each in inner:
            found |= given_names(each)
            if "existing" in str(key).lower():
                found |= {text for text in each.values() if isinstance(text, str) and text}
        if "existing" in str(key).lower() and isinstance(value, str) and value:
            found.add(value)
    return found


def find(ref: Reference, objects: dict[tuple[str, str, str], Object]) -> Object | None:
    """Return what a reference names, of objects by kind, namespace and name; None if the release has no such object."""
    if ref.kind in CLUSTER_SCOPED:
        return next((item for (kind, _, name), item in objects.items() if (kind, name) == (ref.kind, ref.name)), None)
    return objects.get((ref.kind, ref.namespace, ref.name))
