"""What an upgrade can't change: the chart is rendered again with another version, appVersion and image tag.

The API server's own code says what it refuses to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from acceptance.chart.reachable import edited
from acceptance.chart.renderer import Renderer
from acceptance.chart.value_changes import changed_values
from acceptance.checks.api_server import by_names
from acceptance.checks.finding import Finding, Untested
from acceptance.core.fields import Object, at, format_value, mapping_at, object_ref, text_at
from acceptance.core.values import merge_values, nested
from acceptance.kube import api_rules
from acceptance.kube.api_rules import flattened
from acceptance.kube.hooks import HOOK
from acceptance.kube.pod_templates import WORKLOADS
from toolchain.console import ToolchainError

NEXT = "9.8.7"
NAMING = re.compile(r"name|label|partof|component", re.I)
"""The last part of the path of a value that names or labels objects."""
REVISION = re.compile(r"(?:\$[\w.]*|(?:\.\w+)*)\.Release\.Revision\b")
LASTING = ("Namespace", "Deployment", "StatefulSet", "DaemonSet", "Service", "PersistentVolumeClaim")
"""Kinds whose objects an upgrade must not replace by others of another name."""
Key = tuple[str, str, str]


def upgrade_findings(renderer: Renderer) -> list[Finding]:
    """Return a finding for each object that the upgrade to another version can't be applied to, or would replace.

    Raises:
        Untested: Nothing is replaced, and the API server's rules are not available.
    """
    found: list[Finding] = []
    before = renderer.render(renderer.required()).objects
    namespace, advice = renderer.target.chart.namespace, not renderer.target.strict
    reason: ToolchainError | None = None
    for change, after in _changed(renderer):
        found += _replaced(before, after, change, advice=advice)
        try:
            found += _refused(before, after, namespace, change, advice=advice)
        except ToolchainError as error:
            reason = error
    found += _reselected(before, renderer, advice=advice)
    if reason is not None and not found:
        raise Untested(f"the API server's own rules are not available: {reason}") from reason
    return found


def _changed(renderer: Renderer) -> Iterator[tuple[str, tuple[Object, ...]]]:
    """Yield each change, and the objects rendered with it."""
    for field in ("version", "appVersion"):
        with edited(renderer, {"Chart.yaml": yaml.safe_dump({**renderer.metadata, field: NEXT})}) as other:
            rendering = other.render(renderer.required())
        if rendering.error is None:
            yield f"Chart.yaml {field}", rendering.objects
    yield from _revised(renderer)
    paths = [each.values.image_tag for each in renderer.target.components.values() if each.values.image_tag]
    if paths:
        tagged = merge_values(renderer.required(), *(nested(path, NEXT) for path in paths))
        rendering = renderer.render(tagged)
        if rendering.error is None:
            yield f"values {' and '.join(paths)}", rendering.objects


def _revised(renderer: Renderer) -> Iterator[tuple[str, tuple[Object, ...]]]:
    """Yield the objects of the release's next revision, if a template uses the revision: Helm renders 1 by itself."""
    using = {
        path: text
        for path, text in renderer.templates.items()
        if REVISION.search(text) and (renderer.chart / path).is_file()  # not of a subchart's archive
    }
    if not using:
        return
    with edited(renderer, {path: REVISION.sub("2", text) for path, text in using.items()}) as other:
        rendering = other.render(renderer.required())
    if rendering.error is None:
        yield "the release's revision", rendering.objects


def _objects(objects: Iterable[Object]) -> dict[Key, Object]:
    """Return objects by kind, namespace and name, without hooks, which Helm creates anew."""
    return {_key(item): item for item in objects if HOOK not in mapping_at(item, "metadata.annotations")}


def _key(item: Object) -> Key:
    return text_at(item, "kind"), text_at(item, "metadata.namespace"), text_at(item, "metadata.name")


def _finding(item: Object, field: str, change: str, old: Any, new: Any, *, advice: bool) -> Finding:
    of_selector = text_at(item, "kind") == "Deployment" and field.startswith("spec.selector")
    expected = f"as before an upgrade that changes {change}: {_shown(old)}"
    return Finding("DEP-04" if of_selector else "CHT-17", object_ref(item), field, expected, _shown(new), advice)


def _replaced(before: Iterable[Object], after: Iterable[Object], change: str, *, advice: bool) -> Iterator[Finding]:
    """Yield a finding for each lasting object that the upgrade replaces by one of another name."""
    kept = _objects(after)
    for key, item in _objects(before).items():
        if key not in kept and key[0] in LASTING:
            new = "another name: the object is deleted and another made"
            yield _finding(item, "metadata.name", change, key[2], new, advice=advice)


def _reselected(before: Iterable[Object], renderer: Renderer, *, advice: bool) -> Iterator[Finding]:
    """Yield a finding for each selector that a setting changes: the API server refuses every later change of it.

    Names and labels are no settings: whoever changes them means other objects; but further labels may be added.
    """
    old = {key: item for key, item in _objects(before).items() if key[0] in WORKLOADS}
    found = set()
    for path, _, after in changed_values(renderer):
        if NAMING.search(path.rpartition(".")[2]) and at(renderer.shipped, path) != {}:
            continue
        for key, item in _objects(after.objects).items():
            if key in old and key not in found:
                was, now = at(old[key], "spec.selector"), at(item, "spec.selector")
                if was != now:
                    found.add(key)
                    yield _finding(item, "spec.selector", path, *_innermost(was, now), advice=advice)


def _refused(
    before: Iterable[Object], after: Iterable[Object], namespace: str, change: str, *, advice: bool
) -> Iterator[Finding]:
    """Yield a finding for each field that the API server does not let the upgrade change."""
    rules, old, new = api_rules.shared(), _objects(flattened(before)), list(flattened(after))
    for item, refusal in rules.update_refusals(old.values(), new, namespace):
        (alone,) = rules.judge([item], namespace)
        if refusal in alone.refusals:
            continue  # CHT-09 reports it
        field, previous = by_names(item, refusal.field), old[_key(item)]
        if text_at(item, "kind") in ("ConfigMap", "Secret"):
            yield _finding(item, field, change, "immutable", refusal.message, advice=advice)
        else:
            values = _innermost(at(previous, field), at(item, field))
            yield _finding(
                item, field, change, *(values if values[0] != values[1] else ("", refusal.message)), advice=advice
            )


def _innermost(old: Any, new: Any) -> tuple[Any, Any]:
    """Return the first values that differ within two values of one shape."""
    while isinstance(old, Mapping) and isinstance(new, Mapping):
        key = next((key for key in old if old[key] != new.get(key)), None)
        if key is None:
            break
        old, new = old[key], new.get(key)
    return old, new


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else format_value(value, 80)
