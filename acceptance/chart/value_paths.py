"""Finds the value paths of a chart: changes one value at a time and compares the renderings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.snapshot import ELSEWHERE, Rendering
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.values import leaves, merge_values, nested
from acceptance.kube.pod_templates import image_reference

TEXTS = ("acceptance-probe", "staging", "http://acceptance-probe.example.com")
"""Texts that pass the validation of a name, an environment and an origin."""
Change = tuple[str, Any]
"""A dotted path and its new value."""
Getter = Callable[[Object], Any]
"""Reads a field of an object."""


def settable_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of the values by dotted path, without keys that contain dots or spaces."""
    return {
        ".".join(keys): value
        for keys, value in leaves(values)
        if all(key and not any(c in key for c in ". ") for key in keys)
    }


def find_value_paths(
    unaltered: Rendering,
    changes: Sequence[Change],
    document: Mapping[str, Any],
    renderer: Renderer,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the `values` of the target and of its components, as found by rendering each change.

    Args:
        unaltered: The rendering without a change.
        changes: The changes to render.
        document: The target document with the names of the objects.
        renderer: Renders the chart.
        others: Further values to set in each rendering.
    """

    def render(change: Change) -> Rendering:
        values = merge_values(renderer.required(), others or {}, nested(*change))
        # The chart can only create a Namespace other than the release namespace.
        return renderer.render(values, namespace=ELSEWHERE if isinstance(change[1], bool) else None)

    with ThreadPoolExecutor(WORKERS) as pool:
        rendered = list(pool.map(render, changes))
    found: dict[str, Any] = {"values": {}, "components": {}}
    for (path, value), rendering in zip(changes, rendered, strict=True):
        if rendering.error is not None:
            continue
        for component, name in _effects(unaltered, rendering, value, document):
            owner = found["components"].setdefault(component, {}).setdefault("values", {}) if component else None
            (found["values"] if owner is None else owner).setdefault(name, path)
    return found


def changes_of(path: str, value: Any) -> Iterator[Change]:
    """Yield the changes to try for a value of this type."""
    if isinstance(value, bool):
        yield path, not value
    elif isinstance(value, int):
        yield path, value + 1
        yield path, value - 1
    elif isinstance(value, str):
        for text in TEXTS:
            yield path, text


def _effects(
    before: Rendering, after: Rendering, value: Any, document: Mapping[str, Any]
) -> Iterator[tuple[str | None, str]]:
    """Yield (component, name of the value path) for each field that has the new value only after the change."""
    if isinstance(value, bool):
        yield from ((None, name) for name in _switches(before, after))
        return
    for component, name, kind, owner, get in _fields(document):
        if get(_find(before, kind, owner)) != value and get(_find(after, kind, owner)) == value:
            yield component, name
    deployments = [part["deployment"] for part in document["components"].values()]
    if all(
        at(_find(before, "Deployment", name), "metadata.namespace") != value
        and at(_find(after, "Deployment", name), "metadata.namespace") == value
        for name in deployments
    ):
        yield None, "namespace"


def _switches(before: Rendering, after: Rendering) -> Iterator[str]:
    """Yield the switches that a changed boolean turned: the HPA off, or the Namespace on."""
    kinds_before, kinds_after = ({text_at(item, "kind") for item in each.objects} for each in (before, after))
    if "HorizontalPodAutoscaler" in kinds_before - kinds_after:
        yield "hpa_enabled"
    if "Namespace" in kinds_after - kinds_before:
        yield "namespace_create"


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str | None, str, str, str, Getter]]:
    """Yield (component, name of the value path, kind, object's name, getter) for each field with a value path."""
    if hpa := (document.get("autoscaler") or {}).get("name"):
        yield None, "hpa_min", "HorizontalPodAutoscaler", hpa, lambda item: at(item, "spec.minReplicas")
        yield None, "hpa_max", "HorizontalPodAutoscaler", hpa, lambda item: at(item, "spec.maxReplicas")
    config_map = document["config_map"]["name"]
    yield None, "environment", "ConfigMap", config_map, lambda item: mapping_at(item, "data").get("ENVIRONMENT")
    yield None, "cors_origins", "ConfigMap", config_map, lambda item: mapping_at(item, "data").get("CORS_ORIGINS")
    for component, part in document["components"].items():
        yield from _component_fields(component, part)


def _component_fields(component: str, part: Mapping[str, Any]) -> Iterator[tuple[str | None, str, str, str, Getter]]:
    deployment, service = part["deployment"], part["service"]

    def main(item: Object) -> Object:
        containers = mappings_at(item, "spec.template.spec.containers")
        return next((each for each in containers if text_at(each, "name") == part["container"]), {})

    def image(item: Object) -> tuple[str, str | None]:
        repository, tag, *_ = image_reference(text_at(main(item), "image"))
        return repository, tag

    yield component, "replicas", "Deployment", deployment, lambda item: at(item, "spec.replicas")
    yield component, "image_repository", "Deployment", deployment, lambda item: image(item)[0]
    yield component, "image_tag", "Deployment", deployment, lambda item: image(item)[1]
    yield (
        component,
        "container_port",
        "Deployment",
        deployment,
        lambda item: at(_first(main(item), "ports"), "containerPort"),
    )
    yield component, "service_port", "Service", service, lambda item: at(_first(item, "spec.ports"), "port")


def _find(rendering: Rendering, kind: str, name: str) -> Object:
    """Return the object, or `{}` if it was not rendered."""
    return next((each for each in rendering.objects if text_at(each, "kind") == kind and name_of(each) == name), {})


def _first(item: Object, path: str) -> Object:
    """Return the first mapping of a list, or `{}`."""
    return next(iter(mappings_at(item, path)), {})
