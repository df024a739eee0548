"""Pods as every kind of workload describes them, and what their containers are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, name_of, object_ref, text_at

TEMPLATE_OF = {
    "Deployment": "spec.template",
    "StatefulSet": "spec.template",
    "DaemonSet": "spec.template",
    "ReplicaSet": "spec.template",
    "ReplicationController": "spec.template",
    "Job": "spec.template",
    "CronJob": "spec.jobTemplate.spec.template",
    "Pod": "",
}


@dataclass(frozen=True)
class Container:
    """A container and where it is: `object` as `Kind/name`, `field` its path there."""

    object: str
    field: str
    body: Object
    init: bool

    @property
    def name(self) -> str:
        return text_at(self.body, "name")

    @property
    def image(self) -> str:
        return text_at(self.body, "image")

    @property
    def sidecar(self) -> bool:
        """An init container that runs beside the others."""
        return self.init and at(self.body, "restartPolicy") == "Always"

    def ports(self) -> dict[str | int, int]:
        """Declared ports, by number and by name."""
        found: dict[str | int, int] = {}
        for port in mappings_at(self.body, "ports"):
            number = at(port, "containerPort")
            if isinstance(number, int):
                found[number] = number
                if name := text_at(port, "name"):
                    found[name] = number
        return found


@dataclass(frozen=True)
class Pod:
    """A pod, or a workload's template of one. `owner` is the whole object, `field` the template's path in it."""

    owner: Object
    field: str
    body: Object

    @property
    def object(self) -> str:
        return object_ref(self.owner)

    @property
    def name(self) -> str:
        return name_of(self.owner)

    @property
    def spec(self) -> Object:
        return mapping_at(self.body, "spec")

    @property
    def labels(self) -> Object:
        return mapping_at(self.body, "metadata.labels")

    def path(self, field: str) -> str:
        return f"{self.field}.{field}" if self.field else field

    def containers(self) -> list[Container]:
        """Init containers included, in the order they start."""
        return [
            Container(self.object, self.path(f"spec.{kind}[{text_at(body, 'name') or index}]"), body, init)
            for kind, init in (("initContainers", True), ("containers", False))
            for index, body in enumerate(mappings_at(self.spec, kind))
        ]

    def ports(self) -> dict[str | int, int]:
        """Declared ports of all containers, by number and by name."""
        return {key: port for container in self.containers() for key, port in container.ports().items()}


def pod_of(item: Object) -> Pod | None:
    """The pod that an object is or makes, or None where its kind makes none."""
    path = TEMPLATE_OF.get(text_at(item, "kind"))
    if path is None:
        return None
    return Pod(item, path, mapping_at(item, path) if path else item)


@dataclass(frozen=True)
class EnvVar:
    """An environment variable and where its value comes from: a ConfigMap's or Secret's key, or a literal."""

    name: str
    source: str
    """`ConfigMap`, `Secret`, `literal` or `other` (field and resource references)."""
    source_name: str = ""
    """Name of the ConfigMap or Secret."""
    key: str = ""
    value: Any = None
    """The literal."""
    optional: bool = False


def environment(container: Container, keys: dict[tuple[str, str], list[str]]) -> Iterator[EnvVar]:
    """What the container is given, `envFrom` before `env`; `keys` lists the keys of each (kind, name)."""
    for entry in mappings_at(container.body, "envFrom"):
        prefix = text_at(entry, "prefix")
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = text_at(entry, f"{field}.name")
            for key in keys.get((kind, name), []):
                yield EnvVar(f"{prefix}{key}", kind, name, key)
    for variable in mappings_at(container.body, "env"):
        name = text_at(variable, "name")
        config, secret = (at(variable, f"valueFrom.{kind}KeyRef") for kind in ("configMap", "secret"))
        for kind, ref in (("ConfigMap", config), ("Secret", secret)):
            if ref is not None:
                optional = at(ref, "optional") is True
                yield EnvVar(name, kind, text_at(ref, "name"), text_at(ref, "key"), optional=optional)
        if config is None and secret is None:
            literal = at(variable, "valueFrom") is None
            yield EnvVar(name, "literal" if literal else "other", value=at(variable, "value"))


def selects(selector: Object, labels: Object) -> bool:
    """Whether a LabelSelector (`matchLabels`, `matchExpressions`) matches; an empty one matches everything."""
    if any(labels.get(key) != value for key, value in mapping_at(selector, "matchLabels").items()):
        return False
    for expression in mappings_at(selector, "matchExpressions"):
        key, values = text_at(expression, "key"), list_at(expression, "values")
        present = key in labels
        holds = {
            "In": present and labels.get(key) in values,
            "NotIn": not present or labels.get(key) not in values,
            "Exists": present,
            "DoesNotExist": not present,
        }
        if not holds.get(text_at(expression, "operator"), False):
            return False
    return True


def image_reference(image: str) -> tuple[str, str, str]:
    """Repository, tag (`latest` where absent) and digest (empty where absent) of an image's reference."""
    named, _, digest = image.partition("@")
    repository, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:  # the colon was a registry's port
        return named, "latest", digest
    return repository, tag, digest
