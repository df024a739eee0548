"""Pod templates of all kinds of workloads, their containers, and the containers' environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    "PodTemplate": "template",
    "Pod": "",
}
REFERENCE = re.compile(r"\$(?:(\$)|\(([^)]*)\))")
"""`$(VAR)` in the value of a variable, or the escape `$$`."""


@dataclass(frozen=True)
class Container:
    """A container of a pod or template: `object` is the owner's `Kind/name`, `field` the container's path in it."""

    object: str
    field: str
    body: Object
    init: bool

    @property
    def name(self) -> str:
        """The container's name."""
        return text_at(self.body, "name")

    @property
    def image(self) -> str:
        """The image reference."""
        return text_at(self.body, "image")

    @property
    def pull_policy(self) -> str:
        """When the node pulls the image: as stated, else Kubernetes' default for its tag."""
        _, tag, digest = image_reference(self.image)
        implied = "Always" if tag == "latest" and not digest else "IfNotPresent"
        return str(at(self.body, "imagePullPolicy") or implied)

    @property
    def sidecar(self) -> bool:
        """Whether it is a sidecar: an init container that keeps running."""
        return self.init and at(self.body, "restartPolicy") == "Always"

    def ports(self) -> dict[str | int, int]:
        """Return the declared ports by number and by name."""
        found: dict[str | int, int] = {}
        for port in mappings_at(self.body, "ports"):
            number = at(port, "containerPort")
            if isinstance(number, int):
                found[number] = number
                if name := text_at(port, "name"):
                    found[name] = number
        return found


WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
"""Kinds that select their pods, keep them running and replace them when their template changes."""


@dataclass(frozen=True)
class Pod:
    """A pod or a pod template. `owner` is the whole object, `field` the template's path in it."""

    owner: Object
    field: str
    body: Object

    @property
    def object(self) -> str:
        """The owner as `Kind/name`."""
        return object_ref(self.owner)

    @property
    def name(self) -> str:
        """The owner's name."""
        return name_of(self.owner)

    @property
    def spec(self) -> Object:
        """The pod spec."""
        return mapping_at(self.body, "spec")

    @property
    def labels(self) -> Object:
        """The pod's labels."""
        return mapping_at(self.body, "metadata.labels")

    def path(self, field: str) -> str:
        """Return the path in the owner of a field of the pod."""
        return f"{self.field}.{field}" if self.field else field

    def containers(self) -> list[Container]:
        """Return all containers in the order they start, init containers first."""
        return self._containers("initContainers", "containers")

    def every_container(self) -> list[Container]:
        """Return all containers, ephemeral ones too."""
        return self._containers("initContainers", "containers", "ephemeralContainers")

    def _containers(self, *kinds: str) -> list[Container]:
        return [
            Container(
                self.object,
                self.path(f"spec.{kind}[{text_at(body, 'name') or index}]"),
                body,
                kind == "initContainers",
            )
            for kind in kinds
            for index, body in enumerate(mappings_at(self.spec, kind))
        ]

    def ports(self) -> dict[str | int, int]:
        """Return the declared ports of all containers by number and by name, of which Kubernetes takes the first."""
        found: dict[str | int, int] = {}
        for container in sorted(self.containers(), key=lambda container: container.init):
            for key, port in container.ports().items():
                found.setdefault(key, port)
        return found


def pod_of(item: Object) -> Pod | None:
    """Return the pod or pod template of an object, or None if it has none; custom kinds may have one too."""
    path = TEMPLATE_OF.get(text_at(item, "kind"))
    if path is None and isinstance(at(item, "spec.template.spec.containers"), list):
        path = "spec.template"
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
    """The literal; in an effective environment with `$(VAR)` expanded, or None if the value of one is unknown."""
    optional: bool = False
    parts: tuple[EnvVar, ...] = ()
    """The variables that a literal refers to by `$(VAR)`, in an effective environment."""

    def origins(self) -> tuple[EnvVar, ...]:
        """Return the variables that its value consists of: itself, or those that its literal refers to."""
        return tuple(origin for part in self.parts for origin in part.origins()) or (self,)


def environment(container: Container, keys: dict[tuple[str, str], list[str]]) -> Iterator[EnvVar]:
    """Yield the container's variables as declared, `envFrom` before `env`, those that a later one replaces too.

    Args:
        container: The container.
        keys: The keys of each ConfigMap and Secret, by kind and name.
    """
    for entry in mappings_at(container.body, "envFrom"):
        prefix = text_at(entry, "prefix")
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = text_at(entry, f"{field}.name")
            optional = at(entry, f"{field}.optional") is True
            for key in keys.get((kind, name), []):
                yield EnvVar(f"{prefix}{key}", kind, name, key, optional=optional)
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


def effective_environment(
    declared: Iterable[EnvVar], value_of: Callable[[EnvVar], str | None], services: Mapping[str, str]
) -> dict[str, EnvVar]:
    """Return what the process gets, by name: the last variable of a name wins, and `$(VAR)` is expanded.

    Args:
        declared: The variables in the order of `environment`.
        value_of: Returns a variable's value, or None if it is unknown.
        services: The variables that Kubernetes adds for Services.
    """
    result: dict[str, EnvVar] = {}
    for variable in declared:
        if variable.source == "literal" and isinstance(variable.value, str) and "$" in variable.value:
            variable = _expanded(variable, result, value_of, services)
        result[variable.name] = variable
    return result


def _expanded(
    variable: EnvVar, known: Mapping[str, EnvVar], value_of: Callable[[EnvVar], str | None], services: Mapping[str, str]
) -> EnvVar:
    """Return a literal with its references to variables that precede it expanded; unknown names stay as written."""
    parts: list[EnvVar] = []
    unknown = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal unknown
        if match.group(1):
            return "$"
        name = match.group(2)
        if name not in known:
            return services.get(name, match.group())
        parts.append(known[name])
        value = value_of(known[name])
        unknown = unknown or value is None
        return value or ""

    value = REFERENCE.sub(replacement, variable.value)
    return replace(variable, value=None if unknown else value, parts=tuple(parts))


def selects(selector: Object, labels: Object) -> bool:
    """Return whether a LabelSelector (`matchLabels`, `matchExpressions`) matches; an empty one matches all labels."""
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
    """Return repository, tag (default `latest`) and digest (default empty) of an image reference."""
    named, _, digest = image.partition("@")
    repository, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:  # the colon precedes a registry's port
        return named, "latest", digest
    return repository, tag, digest
