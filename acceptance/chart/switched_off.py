"""The chart with each switch off, each other mode and each other name: nothing refers to objects that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding
from acceptance.checks.references import find, given_names, of_object
from acceptance.checks.relationships import maker_without_key, may_be_made
from acceptance.checks.service_addresses import addresses, resolve
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object, at, format_value, name_of, object_ref
from acceptance.core.values import leaves, merge_values, nested

COMPARED = re.compile(r"\b(?:eq|ne)\s+(?:\(\s*)?\$?\.Values\.([\w.]+)\s*\)?\s+\"([\w-]+)\"")
"""A value that a template compares with a text."""
SWITCHES = ("enabled", "enable", "create", "deploy", "install", "installed")
"""The last key of a value that decides whether a part of the chart is installed."""
NAMES_OBJECTS = re.compile(r"(?:^n|[a-z]N)ame$")
"""The last key of a value that names an object; overrides of all names are variations."""
OTHER_NAME = "acceptance-name"
CREATED_BY_USERS = ("ConfigMap", "Secret")
"""Kinds that a user may create instead of the chart, under the same name."""


def dangling_references(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return a finding for each reference to an object that the defaults render, and a changed value does not.

    A rendering without one of the components is not judged: users may run that component elsewhere.
    """
    found: dict[tuple[str, str], Finding] = {}
    for path, value in (*((path, False) for path in _switches(renderer)), *_modes(renderer), *_other_names(renderer)):
        state = f"{path} {format_value(value)}"
        snapshot = renderer.with_values(base, nested(path, value), variant=state, hpa_off=False)
        assert snapshot.chart is not None
        if snapshot.chart.rendering.error is None and _has_components(renderer, snapshot):
            advice = not renderer.target.strict
            for owner, field, what, actual in _dangling(base, snapshot, renderer, path):
                finding = Finding("REL-05", owner, field, f"{what} where {state}", actual, advice)
                found.setdefault((owner, field), finding)
            for owner in _unscaled(base, snapshot, renderer):
                expected = f"stated where {state}: no autoscaler sets the number"
                found.setdefault((owner, ""), Finding("DEP-03", owner, "spec.replicas", expected, "absent", advice))
    return list(found.values())


def _modes(renderer: Renderer) -> Iterator[tuple[str, str]]:
    """Yield each value that the templates compare with texts, with each text that is not the shipped one."""
    compared: dict[str, set[str]] = {}
    for text in renderer.templates.values():
        for path, literal in COMPARED.findall(text):
            compared.setdefault(path, set()).add(literal)
    for path, literals in compared.items():
        shipped = at(renderer.shipped, path)
        if isinstance(shipped, str) and shipped and renderer.target.values.environment != path:
            yield from ((path, literal) for literal in sorted(literals - {shipped}))


def _other_names(renderer: Renderer) -> Iterator[tuple[str, str]]:
    """Yield each value that names an object, with another name: a reference may have the old one hard-coded."""
    values = renderer.target.values
    own = {values.namespace, values.name_override, *renderer.target.secret_paths.values()}
    own |= {each.values.image_repository for each in renderer.target.components.values()}
    for keys, value in leaves(renderer.shipped):
        path = ".".join(keys)
        if isinstance(value, str) and NAMES_OBJECTS.search(keys[-1]) and path not in own:
            yield path, OTHER_NAME


def _unscaled(before: Snapshot, after: Snapshot, renderer: Renderer) -> Iterator[str]:
    """Yield each component's Deployment that has neither its autoscaler any more nor a number of replicas."""
    for component in renderer.target.components.values():
        scaled = [_scalers(each, component.deployment) for each in (before, after)]
        for item in after.of_kind("Deployment"):
            named = name_of(item) == component.deployment
            if named and scaled[0] and not scaled[1] and at(item, "spec.replicas") is None and component.replicas > 1:
                yield object_ref(item)


def _scalers(snapshot: Snapshot, name: str) -> list[Object]:
    return [
        item
        for item in snapshot.of_kind("HorizontalPodAutoscaler", "ScaledObject")
        if at(item, "spec.scaleTargetRef.name") == name
    ]


def _switches(renderer: Renderer) -> Iterator[str]:
    """Yield the path of each switch that ships on."""
    every = merge_values(renderer.shipped, renderer.target.chart.values)
    known = (renderer.target.values.namespace_create, renderer.target.values.hpa_enabled)
    for keys, value in leaves(every):
        path = ".".join(keys)
        if value is True and keys[-1] in SWITCHES and path not in known:
            yield path


def _has_components(renderer: Renderer, snapshot: Snapshot) -> bool:
    names = {name_of(item) for item in snapshot.of_kind("Deployment")}
    return all(each.deployment in names for each in renderer.target.components.values())


def _dangling(before: Snapshot, after: Snapshot, renderer: Renderer, path: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield each reference that no longer resolves, as object, field, expected and actual."""
    gone, new = ({object_ref(item) for item in each.objects} for each in (before, after))
    gone, new = gone - new, new - gone
    if not new and all(each.partition("/")[0] in CREATED_BY_USERS for each in gone):
        return  # the user creates it instead
    given = given_names(_values(after)) | {str(each) for each in _beside(renderer.shipped, path) if each}
    if any(object_ref(item) in new for item in after.custom_objects):
        given = set()  # a custom object's controller may create it instead
    view = ComponentView(after, renderer.target, None)
    for item in after.objects:
        for ref in of_object(item, after.namespace_of(item)):
            concerned = f"{ref.kind}/{ref.name}" in gone or object_ref(item) in new
            if not concerned or ref.built_in or find(ref, after.by_identity) is not None:
                continue
            if may_be_made(view, ref):
                if (maker := maker_without_key(view, ref)) is not None:
                    yield ref.object, ref.field, f"a key that {object_ref(maker)} makes", f"no {ref.key}"
            elif not (ref.name in given and object_ref(item) not in new):
                yield ref.object, ref.field, "an object of the release", f"no {ref.kind}/{ref.name}"
    once, now = (ComponentView(each, renderer.target, None) for each in (before, after))
    written = [value for _, value in leaves(renderer.shipped) if isinstance(value, str)]
    for address in addresses(now):
        service = resolve(once, address).service
        if any(address.host in text for text in written):
            continue  # the address is a value, which users set together with the switch
        if service is not None and object_ref(service) in gone and resolve(now, address).service is None:
            actual = f"no Service/{name_of(service)}"
            yield address.setting.object, address.setting.field, "an object of the release", actual


def _values(snapshot: Snapshot) -> Mapping[str, Any]:
    return snapshot.chart.values if snapshot.chart else {}


def _beside(values: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Yield the texts beside a switch in the values: with `create: false` the `name` may be that of a user's object."""
    inside: Any = values
    for key in path.split(".")[:-1]:
        inside = inside.get(key) if isinstance(inside, Mapping) else None
    if isinstance(inside, Mapping):
        own = path.rpartition(".")[2]
        yield from (value for key, value in inside.items() if isinstance(value, str) and key != own)
