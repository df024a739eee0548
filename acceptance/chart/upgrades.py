"""What an upgrade can't change: the chart is rendered again with another version, appVersion and image tag."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding
from acceptance.core.fields import Object, at, format_value, mapping_at, object_ref, text_at
from acceptance.core.values import merge_values, nested
from acceptance.kube.hooks import HOOK

NEXT = "9.8.7"
IMMUTABLE: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "Pod": ("spec",),
    "Service": ("spec.clusterIP",),
    "Secret": ("type",),
    "PersistentVolumeClaim": ("spec.storageClassName", "spec.accessModes", "spec.volumeName", "spec.selector"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": ("value",),
    "IngressClass": ("spec.controller",),
}
"""Fields that the API server lets nobody change."""
LASTING = ("Namespace", "Deployment", "StatefulSet", "DaemonSet", "Service", "PersistentVolumeClaim")
"""Kinds whose objects an upgrade must not replace by others of another name."""
Key = tuple[str, str, str]


def upgrade_findings(renderer: Renderer) -> list[Finding]:
    """Return a finding for each object that the upgrade to another version can't be applied to, or would replace."""
    found: list[Finding] = []
    before = _objects(renderer.render(renderer.required()).objects)
    for change, objects in _changed(renderer):
        found += _differences(before, _objects(objects), change, advice=not renderer.target.strict)
    return found


def _changed(renderer: Renderer) -> Iterator[tuple[str, tuple[Object, ...]]]:
    """Yield each change, and the objects rendered with it."""
    for field in ("version", "appVersion"):
        with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
            copy = Path(folder) / renderer.chart.name
            shutil.copytree(renderer.chart, copy)
            metadata = {**renderer.metadata, field: NEXT}
            (copy / "Chart.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
            rendering = renderer.of_chart(copy).render(renderer.required())
        if rendering.error is None:
            yield f"Chart.yaml {field}", rendering.objects
    paths = [each.values.image_tag for each in renderer.target.components.values() if each.values.image_tag]
    if paths:
        tagged = merge_values(renderer.required(), *(nested(path, NEXT) for path in paths))
        rendering = renderer.render(tagged)
        if rendering.error is None:
            yield f"values {' and '.join(paths)}", rendering.objects


def _objects(objects: Iterable[Object]) -> dict[Key, Object]:
    """Return objects by kind, namespace and name, without hooks, which Helm creates anew."""
    return {
        (text_at(item, "kind"), text_at(item, "metadata.namespace"), text_at(item, "metadata.name")): item
        for item in objects
        if HOOK not in mapping_at(item, "metadata.annotations")
    }


def _differences(
    before: Mapping[Key, Object], after: Mapping[Key, Object], change: str, *, advice: bool
) -> Iterator[Finding]:
    def finding(item: Object, field: str, old: Any, new: Any) -> Finding:
        expected = f"as before an upgrade that changes {change}: {_shown(old)}"
        of_deployment = (text_at(item, "kind"), field) == ("Deployment", "spec.selector")
        rule = "DEP-04" if of_deployment else "CHT-17"
        return Finding(rule, object_ref(item), field, expected, _shown(new), advice)

    for key, item in before.items():
        other = after.get(key)
        if other is None:
            if key[0] in LASTING:
                yield finding(item, "metadata.name", key[2], "another name: the object is deleted and another made")
            continue
        if key[0] in ("ConfigMap", "Secret") and at(item, "immutable") is True and at(other, "immutable") is True:
            for field in ("data", "stringData", "binaryData"):
                if at(item, field) != at(other, field):
                    yield finding(item, field, "immutable", "changed")
        for field in IMMUTABLE.get(key[0], ()):
            if at(item, field) != at(other, field):
                yield finding(item, field, *_innermost(at(item, field), at(other, field)))


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
