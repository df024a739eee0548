"""Further renderings of a chart that every static rule judges: what its users set first, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.config_map import ENVIRONMENTS
from acceptance.checks.renderings import Subject
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import at, mapping_at, name_of, text_at
from acceptance.core.target import Component, ComponentName, Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.pod_templates import image_reference

OTHER_NAME = "acceptance"
"""A name or namespace that no chart has as its default."""
OTHER_PORT = 8123
SUPPORTED_VERSIONS = ("1.36.0", "1.35.0")
"""Of the minor versions before KUBERNETES_VERSION that Kubernetes supports: the last three are."""
UNSUPPORTED = "which is incompatible with Kubernetes"
"""A part of Helm's message for a version that the chart's kubeVersion excludes."""
REGISTRY = "registry.example.com:5000/team"
OTHER_TAG = "1.10.2"
MODEL_URL = "http://model.example.com:8080/v1"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBacceptance\n-----END CERTIFICATE-----\n"
SMALL_PERCENTAGE = "10%"
"""Of the replicas, which round to no pod for maxUnavailable and to one for maxSurge."""


@dataclass(frozen=True)
class Variation:
    """One rendering.

    Attributes:
        name: Names it in findings.
        values: Set over the required ones.
        options: Of `Renderer.render`.
        stated: Returns the target as the values make it.
        renames: Whether objects have other names, which the target then states.
        must_render: Whether a refusal is a finding; otherwise a refused variation is left out.
        advisory: Whether its findings only advise on a target that is not strict.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    stated: Callable[[Target], Target] = lambda target: target
    renames: bool = False
    must_render: bool = False
    advisory: bool = False


def variations(target: Target, *, states_versions: bool) -> Iterator[Variation]:
    """Yield the variations that the target's paths allow.

    Args:
        target: What is under test.
        states_versions: Whether the chart says which versions of Kubernetes it supports.
    """
    if states_versions:
        for version in SUPPORTED_VERSIONS:
            yield Variation(f"Kubernetes {version}", options={"kubernetes": version}, must_render=True)
    paths = target.values
    if paths.hpa_enabled:
        yield Variation("the HPA off", nested(paths.hpa_enabled, False), must_render=True)
    if paths.environment:
        for environment in ENVIRONMENTS:
            yield Variation(f"the environment {environment}", nested(paths.environment, environment))
    if paths.debug:
        yield Variation("debugging on", nested(paths.debug, True))
    if paths.ca_certificate:
        yield Variation("a private CA", nested(paths.ca_certificate, CERTIFICATE))
    if paths.model_base_url:
        yield Variation("another model's URL", nested(paths.model_base_url, MODEL_URL))
    yield Variation("an upgrade", options={"upgrade": True}, must_render=True)
    yield from _names(target)
    for name, component in target.components.items():
        yield from _component(name, component)


def _names(target: Target) -> Iterator[Variation]:
    """Yield variations with another namespace, other names and another release name."""
    paths = target.values

    def elsewhere(stated: Target) -> Target:
        return stated.model_copy(update={"chart": stated.chart.model_copy(update={"namespace": OTHER_NAME})})

    if paths.namespace:
        yield Variation("another namespace", nested(paths.namespace, OTHER_NAME), stated=elsewhere)
    if paths.name_override:
        values = nested(paths.name_override, OTHER_NAME)
        yield Variation("another base name", values, renames=True)
    yield Variation(
        "another release name", options={"release": OTHER_NAME}, renames=True, must_render=True, advisory=True
    )


def _component(name: ComponentName, component: Component) -> Iterator[Variation]:
    """Yield variations of one component: other ports, another image, and percentages in its strategy."""
    paths = component.values

    def stating(**changes: Any) -> Callable[[Target], Target]:
        return lambda target: target.model_copy(
            update={
                "components": {**target.components, name: target.components[name].model_copy(update=changes)},
            }
        )

    if paths.service_port:
        values = nested(paths.service_port, OTHER_PORT)
        yield Variation(f"another port of the {name}'s Service", values, stated=stating(service_port=OTHER_PORT))
    if paths.container_port:
        values = nested(paths.container_port, OTHER_PORT)
        yield Variation(f"another port of the {name}'s container", values, stated=stating(port=OTHER_PORT))
    if paths.image_repository and paths.image_tag:
        repository = f"{REGISTRY}/{image_reference(component.image.repository)[0].rpartition('/')[2]}"
        values = merge_values(nested(paths.image_repository, repository), nested(paths.image_tag, OTHER_TAG))
        yield Variation(f"the {name}'s image from a registry", values)
    if paths.max_surge and paths.max_unavailable:
        values = merge_values(
            nested(paths.max_surge, SMALL_PERCENTAGE), nested(paths.max_unavailable, SMALL_PERCENTAGE)
        )
        yield Variation(f"percentages in the {name}'s strategy", values)


def varied(renderer: Renderer, base: Snapshot) -> list[Subject]:
    """Return each variation that renders, and each one that must, with the target as it fits it."""

    def render(variation: Variation) -> Subject | None:
        snapshot = renderer.with_values(base, variation.values, **variation.options)
        assert snapshot.chart is not None
        error = snapshot.chart.rendering.error
        if error is not None and (UNSUPPORTED in error or not variation.must_render):
            return None
        target = variation.stated(renderer.target)
        if variation.renames:
            target = renamed(target, base, snapshot)
        # Whether the HPA can be switched off is judged once, on what ships.
        chart = replace(snapshot.chart, autoscaler_off=None)
        return replace(snapshot, variant=variation.name, advisory=variation.advisory, chart=chart), target

    with ThreadPoolExecutor(WORKERS) as pool:
        states_versions = "kubeVersion" in renderer.metadata
        rendered = pool.map(render, variations(renderer.target, states_versions=states_versions))
        return [each for each in rendered if each is not None]


def renamed(target: Target, before: Snapshot, after: Snapshot) -> Target:
    """Return the target with the names and label values that the same objects have in another rendering.

    Objects correspond by their kinds and their order, in which Helm keeps them.
    """
    names = dict(_corresponding(before, after))
    labels = dict(_label_values(before, after))

    def name(kind: str, old: str) -> str:
        return names.get((kind, old), old)

    components = {
        part: component.model_copy(
            update={
                "deployment": name("Deployment", component.deployment),
                "service": name("Service", component.service),
                "labels": {
                    key: labels.get((component.deployment, key), value) for key, value in component.labels.items()
                },
            }
        )
        for part, component in target.components.items()
    }
    changes: dict[str, Any] = {
        "components": components,
        "config_map": target.config_map.model_copy(update={"name": name("ConfigMap", target.config_map.name)}),
        "secret": target.secret.model_copy(update={"name": name("Secret", target.secret.name)}),
    }
    if target.autoscaler is not None:
        scaler = name("HorizontalPodAutoscaler", target.autoscaler.name)
        changes["autoscaler"] = target.autoscaler.model_copy(update={"name": scaler})
    return target.model_copy(update=changes)


def _corresponding(before: Snapshot, after: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ((kind, name), name in the other rendering) where both have as many objects of the kind."""
    for kind in dict.fromkeys(text_at(item, "kind") for item in before.objects):
        old, new = before.of_kind(kind), after.of_kind(kind)
        if len(old) == len(new):
            yield from (((kind, name_of(one)), name_of(other)) for one, other in zip(old, new, strict=True))


def _label_values(before: Snapshot, after: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ((Deployment, label), value in the other rendering)."""
    old, new = before.of_kind("Deployment"), after.of_kind("Deployment")
    if len(old) != len(new):
        return
    for one, other in zip(old, new, strict=True):
        for key, value in mapping_at(other, "spec.template.metadata.labels").items():
            if at(one, "spec.template.metadata.labels") is not None and isinstance(value, str):
                yield (name_of(one), str(key)), value
