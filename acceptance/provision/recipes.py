"""How a container is started without a cluster: with what the chart renders for it in a pod template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.core.fields import Object, at, mapping_at, mappings_at, text_at
from acceptance.kube.pod_templates import Container
from acceptance.kube.quantity import quantity
from acceptance.kube.secrets import decoded
from acceptance.provision import docker
from acceptance.provision.run import Run
from toolchain import Toolchain


def texts(item: Object) -> dict[str, str]:
    """Return the data of a ConfigMap, or the decoded data of a Secret."""
    return decoded(item) if item.get("kind") == "Secret" else dict(mapping_at(item, "data"))


@dataclass(frozen=True)
class Recipe:
    """What a container is started with; `environment` contains secrets."""

    name: str
    image: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    tmpfs: tuple[str, ...]
    cpus: float | None
    memory: int | None

    def changed(self, changes: ContainerChanges) -> Recipe:
        """Return the recipe with changes; another command replaces the entrypoint."""
        return replace(
            self,
            entrypoint=changes.command or self.entrypoint,
            environment={**self.environment, **changes.environment},
            files={**self.files, **changes.files},
            tmpfs=(*self.tmpfs, *changes.tmpfs),
        )


@dataclass(frozen=True)
class ContainerChanges:
    """How a container differs from chart and image: another command, further files, variables and writable folders."""

    command: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    tmpfs: tuple[str, ...] = ()


def recipe(view: ComponentView, container: Container, name: str, image: str) -> Recipe:
    """Return how to start a container of the component's pod template. Raises `Untested` for what only a pod has.

    Args:
        view: The component's view of the rendered chart.
        container: The container.
        name: The name of the new container, which is its pod's too.
        image: The image's reference.
    """
    limits = mapping_at(container.body, "resources.limits")
    files, tmpfs = _volumes(view, container)
    cpus, memory = quantity(limits.get("cpu")), quantity(limits.get("memory"))
    return Recipe(
        name,
        image,
        tuple(map(str, at(container.body, "command") or ())),
        tuple(map(str, at(container.body, "args") or ())),
        dict(_environment(view, container, name)),
        files,
        tmpfs,
        float(cpus) if cpus else None,
        int(memory) if memory else None,
    )


def start_container(
    toolchain: Toolchain,
    run: Run,
    recipe: Recipe,
    *,
    aliases: Sequence[str] = (),
    limits: Mapping[str, Any] | None = None,
    network: str = "",
) -> None:
    """Start the container that a recipe describes.

    Args:
        toolchain: The tools of this machine.
        run: The run that the container belongs to.
        recipe: What the container is started with, but for its limits.
        aliases: Further DNS names on the network.
        limits: Limits of CPU and memory, as docker-py names them.
        network: The network, if it is not the run's own.
    """
    docker.start(
        toolchain,
        run,
        recipe.name,
        recipe.image,
        entrypoint=list(recipe.entrypoint) or None,
        files=recipe.files,
        aliases=aliases,
        command=list(recipe.command) or None,
        environment=recipe.environment,
        tmpfs=recipe.tmpfs,
        limits=limits,
        network=network,
    )


def _environment(view: ComponentView, container: Container, pod: str) -> Iterator[tuple[str, str]]:
    downward = {"metadata.name": pod, "metadata.namespace": view.target.chart.namespace}
    fields = {
        text_at(entry, "name"): text_at(entry, "valueFrom.fieldRef.fieldPath")
        for entry in mappings_at(container.body, "env")
    }
    for variable in view.environment(container):
        if variable.source != "other":
            value = view.value_of(variable)
        elif (path := fields.get(variable.name, "")) in downward:
            value = downward[path]
        else:
            raise Untested(
                f"{container.object} reads {variable.name} from {path or 'a resource'}, which only a pod has"
            )
        if value is not None:
            yield variable.name, value


def _volumes(view: ComponentView, container: Container) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files that ConfigMaps and Secrets put into a container, by path, and its writable folders."""
    volumes = {text_at(each, "name"): each for each in mappings_at(view.pods[0].spec, "volumes")}
    files: dict[str, bytes] = {}
    tmpfs: list[str] = []
    for mount in mappings_at(container.body, "volumeMounts"):
        volume, path = volumes.get(text_at(mount, "name"), {}), text_at(mount, "mountPath")
        if at(volume, "emptyDir") is not None:
            tmpfs.append(path)
        for kind, source, label in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            if at(volume, source) is None:
                continue
            data = texts(view.held(kind, text_at(volume, f"{source}.{label}")) or {})
            chosen = {text_at(item, "key"): text_at(item, "path") for item in mappings_at(volume, f"{source}.items")}
            placed = {chosen.get(key, key): text for key, text in data.items() if not chosen or key in chosen}
            sub = text_at(mount, "subPath")
            if sub and sub in placed:
                files[path] = placed[sub].encode()
            elif not sub:
                files |= {f"{path.rstrip('/')}/{key}": text.encode() for key, text in placed.items()}
    return files, tuple(tmpfs)
