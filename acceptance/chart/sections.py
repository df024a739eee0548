"""Sections of the values: a component's section changes that component alone, and pull secrets reach every one.

The sections are found by the paths of the two components' image repositories, which differ in the section's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from acceptance.chart.renderer import Renderer
from acceptance.chart.value_changes import changed_values
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.target import Component
from acceptance.core.values import leaves, merge_values, nested
from acceptance.kube.pod_templates import pod_of

PULL_SECRETS = ("imagePullSecrets", "pullSecrets")
NAME = "acceptance-registry"
ADDRESSED = ("env", "envFrom", "command", "args")
"""Fields of a container that may name another component, and so change with its names and ports."""


def crossed_sections(renderer: Renderer) -> list[Finding]:
    """Return a finding for each workload that a value of the other component changes.

    Raises:
        Untested: The target has no paths of two images, or the components have no separate sections.
    """
    sections = _sections(renderer)
    changes = changed_values(renderer)
    found: dict[tuple[str, str], Finding] = {}
    for name, section in sections.items():
        other = next(each for each in sections if each != name)
        stated = renderer.target.components[other]  # type: ignore[index]
        for path, before, after in changes:
            if not path.startswith(f"{section}.") or _kinds(before) != _kinds(after):
                continue
            counterpart = f"{sections[other]}{path[len(section) :]}"
            own = [(one, two) for changed, one, two in changes if changed == counterpart]
            for owner, field in _differences(stated, before, after):
                if not any((owner, field) in _differences(stated, *each) for each in own):
                    expected = f"no change with {path}, a value of the {name}"
                    finding = Finding("CHT-19", owner, field, expected, "changed", not renderer.target.strict)
                    found.setdefault((owner, field), finding)
    return list(found.values())


def _sections(renderer: Renderer) -> dict[str, str]:
    """Return the path of each component's section: up to the key in which the two components' paths differ."""
    paths = {name: each.values.image_repository for name, each in renderer.target.components.items()}
    keys = [path.split(".") for path in paths.values() if path]
    if len(keys) != 2 or keys[0] == keys[1]:
        raise Untested("the target names no two values.image_repository")
    depth = next((index for index, pair in enumerate(zip(*keys, strict=False)) if len(set(pair)) == 2), None)
    if depth is None or any(len(each) <= depth for each in keys):
        raise Untested("the two components have no separate sections of values")
    return {str(name): ".".join(each[: depth + 1]) for name, each in zip(paths, keys, strict=True)}


def _kinds(rendering: Rendering) -> list[str]:
    return sorted(object_ref(item) for item in rendering.objects)


def _differences(component: Component, before: Rendering, after: Rendering) -> set[tuple[str, str]]:
    """Return object and field of what differs in a component's Deployment and autoscaler; not what may name others."""
    pairs = zip(_of(component, before), _of(component, after), strict=False)
    fields = ((object_ref(old), _comparable(old), _comparable(new)) for old, new in pairs)
    return {
        (owner, field)
        for owner, old, new in fields
        for field in old.keys() | new.keys()
        if old.get(field) != new.get(field)
    }


def _of(component: Component, rendering: Rendering) -> list[Object]:
    names = {"Deployment": "metadata.name", "HorizontalPodAutoscaler": "spec.scaleTargetRef.name"}
    return sorted(
        (
            item
            for item in rendering.objects
            if (path := names.get(text_at(item, "kind"))) and text_at(item, path) == component.deployment
        ),
        key=object_ref,
    )


def _comparable(item: Object) -> dict[str, Any]:
    """Return the fields that are the component's own, by path."""
    spec = {f"spec.{key}": value for key, value in mapping_at(item, "spec").items() if key != "template"}
    pod = pod_of(item)
    if pod is not None:
        own = {key: value for key, value in pod.spec.items() if key not in ("containers", "initContainers", "affinity")}
        spec |= {pod.path(f"spec.{key}"): value for key, value in own.items()}
        for container in pod.containers():
            rest = {key: value for key, value in container.body.items() if key not in ADDRESSED}
            spec |= {f"{container.field}.{key}": value for key, value in rest.items()}
    return spec


def pull_secrets_of_some(renderer: Renderer) -> list[Finding]:
    """Return a finding for each component whose pods lack the pull secrets that a value gives to another one."""
    found: dict[str, Finding] = {}
    sections = tuple(_sections_or_none(renderer))
    for keys, value in leaves(renderer.shipped):
        path = ".".join(keys)
        if keys[-1] not in PULL_SECRETS or value or path.startswith(sections):
            continue
        for entry in ({"name": NAME}, NAME):
            rendering = renderer.render(merge_values(renderer.required(), nested(path, [entry])))
            having, lacking = _pulling(renderer, rendering)
            if having:
                expected, advice = f"those of {path}, as {having[0]} has", not renderer.target.strict
                for owner, field in lacking:
                    found.setdefault(owner, Finding("CHT-19", owner, field, expected, "none", advice))
                break
    return list(found.values())


def _sections_or_none(renderer: Renderer) -> Iterator[str]:
    try:
        yield from (f"{section}." for section in _sections(renderer).values())
    except Untested:
        return


def _pulling(renderer: Renderer, rendering: Rendering) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the components' Deployments whose pods have the pull secret, and, with the field, those that have none.

    Where accounts have pull secrets, those of the pods do not say what is pulled.
    """
    if any(at(item, "imagePullSecrets") for item in rendering.objects if text_at(item, "kind") == "ServiceAccount"):
        return [], []
    names = {each.deployment for each in renderer.target.components.values()}
    having: list[str] = []
    lacking: list[tuple[str, str]] = []
    for item in rendering.objects:
        pod = pod_of(item)
        if pod is not None and text_at(item, "kind") == "Deployment" and name_of(item) in names:
            entries: list[Mapping[str, Any]] = mappings_at(pod.spec, "imagePullSecrets")
            if any(text_at(entry, "name") == NAME for entry in entries):
                having.append(pod.object)
            elif not entries:
                lacking.append((pod.object, pod.path("spec.imagePullSecrets")))
    return having, lacking
