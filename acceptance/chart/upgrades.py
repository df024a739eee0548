"""Upgrades of a release, as far as renderings show them: what can't be changed later, and which changes reach the pods.

Each compares the rendering of the defaults with one of a later version or of other values.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from acceptance.chart.renderer import WORKERS, Renderer, new_credentials
from acceptance.chart.unused import other_values, value_schema
from acceptance.chart.variations import ENVIRONMENTS
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.snapshot import Rendering, Snapshot
from acceptance.core.fields import Object, at, format_value, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.values import leaves, merge_values, nested
from acceptance.kube.pod_templates import Container, Pod, pod_of

OTHER_VERSION = "99.9.9"
OTHER_TAG = "acceptance-99"
IMMUTABLE: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"),
    "Job": ("spec.selector", "spec.template", "spec.completions", "spec.completionMode"),
    "Service": ("spec.clusterIP",),
    "Secret": ("type",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PersistentVolumeClaim": ("spec.storageClassName", "spec.accessModes", "spec.volumeName", "spec.selector"),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": ("value", "preemptionPolicy"),
    "IngressClass": ("spec.controller",),
}
"""Fields that the API server lets nobody change, by kind: the `Validate*Update` functions of Kubernetes."""
SERVING = ("Deployment", "StatefulSet", "DaemonSet", "Service", "PersistentVolumeClaim")
"""Kinds that an upgrade deletes and creates anew where their names change: an outage, or lost data."""
NIL_MESSAGES = ("nil pointer", "untyped nil", "can't evaluate field", "wrong type for value")
"""Parts of Helm's messages about a template that reads a value of a section which is absent."""
RELOADER = "reloader"
"""A part of the annotations with which a controller restarts pods whose configuration has changed."""


def later_version(renderer: Renderer) -> Rendering:
    """Render the chart with another version, appVersion and, where the target names paths for them, image tags."""
    paths = [part.values.image_tag for part in renderer.target.components.values() if part.values.image_tag]
    values = merge_values(renderer.required(), *(nested(path, OTHER_TAG) for path in paths))
    with tempfile.TemporaryDirectory(prefix="later-") as folder:
        copy = Path(folder) / renderer.chart.name
        shutil.copytree(renderer.chart, copy)
        metadata = {**renderer.metadata, "version": OTHER_VERSION, "appVersion": OTHER_VERSION}
        (copy / "Chart.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
        return renderer.of_chart(copy).render(values)


def is_hook(item: Object) -> bool:
    """Whether Helm deletes the object and creates it anew in each upgrade."""
    return "helm.sh/hook" in mapping_at(item, "metadata.annotations")


def _by_identity(objects: tuple[Object, ...]) -> dict[tuple[str, str], Object]:
    return {(text_at(item, "kind"), name_of(item)): item for item in objects if not is_hook(item)}


def upgrade_findings(renderer: Renderer, base: Snapshot, rule: str) -> list[Finding]:
    """Return what an upgrade to a later version of the chart would be refused for, or delete.

    Args:
        renderer: Renders the target's chart.
        base: A snapshot of the chart's defaults.
        rule: DEP-04 for the selectors of Deployments, or CHT-13 for everything else.

    Raises:
        Untested: The chart does not render.
    """
    _require_rendered(base)
    strict = renderer.target.strict
    rendering = later_version(renderer)
    if rendering.error is not None:
        if rule != "CHT-13":
            raise Untested("the chart does not render with another version (CHT-13)")
        return [Finding(rule, "Chart.yaml", "version", "renders with another version", rendering.error, not strict)]
    before, after = _by_identity(base.objects), _by_identity(rendering.objects)
    found: list[Finding] = []

    def add(item: Object, field: str, expected: str, actual: str) -> None:
        of_selector = (text_at(item, "kind"), field) == ("Deployment", "spec.selector")
        if rule == ("DEP-04" if of_selector else "CHT-13"):
            found.append(Finding(rule, object_ref(item), field, expected, actual, not strict))

    for identity, item in before.items():
        kind, name = identity
        if (later := after.get(identity)) is None:
            others = sorted(other for of_kind, other in after if of_kind == kind and (kind, other) not in before)
            if kind in SERVING and others:
                add(item, "metadata.name", f"{name} in a later version too", f"another one, {', '.join(others)}")
            continue
        for field in (*IMMUTABLE.get(kind, ()), *(("data",) if at(item, "immutable") is True else ())):
            if at(item, field) != at(later, field):
                expected = f"the same in a later version: {format_value(at(item, field))}"
                add(item, field, expected, format_value(at(later, field)))
    return found


def _require_rendered(base: Snapshot) -> None:
    assert base.chart is not None
    if base.chart.rendering.error is not None:
        raise Untested("the chart does not render (CHT-09)")


# ------------------------------------------------------------------ changed values


def changed_values(renderer: Renderer) -> list[tuple[str, Rendering]]:
    """Return a rendering for each value that alone is another one, by dotted path; what is refused is left out."""
    paths, names = renderer.target.values, renderer.target.secret
    other = new_credentials(renderer.target)
    credentials = {
        paths.database_url: names.database_url,
        paths.auth_secret: names.auth_secret,
        paths.model_key: names.model_key,
    }

    def candidates(keys: tuple[str, ...], value: Any) -> Iterator[Any]:
        if (path := ".".join(keys)) in credentials:
            yield names.as_given(other[credentials[path]])
        else:
            yield from other_values(value, value_schema(renderer, keys))
            yield from ENVIRONMENTS if path == paths.environment else ()

    def render(keys: tuple[str, ...], value: Any) -> Rendering | None:
        path = ".".join(keys)
        for candidate in candidates(keys, value):
            rendering = renderer.render(merge_values(renderer.required(), nested(path, candidate)))
            if rendering.error is None:
                return rendering
        return None

    every = dict(leaves(renderer.shipped)) | {tuple(path.split(".")): "" for path in credentials if path is not None}
    with ThreadPoolExecutor(WORKERS) as pool:
        renderings = pool.map(render, every, every.values())
        return [(".".join(keys), each) for keys, each in zip(every, renderings, strict=True) if each is not None]


def rollout_findings(renderer: Renderer, base: Snapshot, rule: str, component: str) -> list[Finding]:
    """Return a finding if changed values reach a ConfigMap (CFG-10) or Secret (SEC-11) but not the component's pods.

    Raises:
        Untested: The chart does not render, or has no Deployment of the component.
    """
    _require_rendered(base)
    deployment = ComponentView(base, renderer.target, component).deployment
    template = pod_of(deployment)
    assert template is not None
    if any(RELOADER in key for item in (deployment, template.body) for key in mapping_at(item, "metadata.annotations")):
        return []
    kind = {"CFG-10": "ConfigMap", "SEC-11": "Secret"}[rule]
    before = used_data(template, base.objects, kind)
    kept = []
    for path, rendering in changed_values(renderer):
        same = next((item for item in rendering.objects if object_ref(item) == object_ref(deployment)), None)
        later = pod_of(same) if same is not None else None
        if later is not None and later.body == template.body and used_data(later, rendering.objects, kind) != before:
            kept.append(path)
    if not kept:
        return []
    expected = f"a change, and so new pods, whenever a value of the {kind} that they use at their start changes"
    field = template.path("metadata.annotations")
    actual = f"none for {', '.join(kept)}"
    return [Finding(rule, object_ref(deployment), field, expected, actual, not renderer.target.strict)]


def used_data(pod: Pod, objects: tuple[Object, ...], kind: str) -> dict[tuple[str, str], Any]:
    """Return what a pod reads of ConfigMaps or Secrets only when it starts: variables, and files mounted by subPath."""
    data = {
        name_of(item): {**mapping_at(item, "data"), **mapping_at(item, "stringData"), **mapping_at(item, "binaryData")}
        for item in objects
        if text_at(item, "kind") == kind
    }
    used: dict[tuple[str, str], Any] = {}
    for name, key in _read_at_start(pod, kind):
        values = data.get(name, {})
        used |= {(name, each): values.get(each) for each in ([key] if key else values)}
    return used


def _read_at_start(pod: Pod, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (name, key) of each object that a container reads at its start; an empty key means all of them."""
    reference = {"ConfigMap": "configMap", "Secret": "secret"}[kind]
    volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
    for container in pod.containers():
        yield from _variables(container, reference)
        for mount in mappings_at(container.body, "volumeMounts"):
            volume = mapping_at(volumes.get(text_at(mount, "name")), reference)
            if (file := at(mount, "subPath")) and volume:
                keys = {at(item, "path"): text_at(item, "key") for item in mappings_at(volume, "items")}
                yield text_at(volume, "name") or text_at(volume, "secretName"), keys.get(file, str(file))


def _variables(container: Container, reference: str) -> Iterator[tuple[str, str]]:
    for source in mappings_at(container.body, "envFrom"):
        if name := text_at(source, f"{reference}Ref.name"):
            yield name, ""
    for variable in mappings_at(container.body, "env"):
        selected = mapping_at(variable, f"valueFrom.{reference}KeyRef")
        if selected:
            yield text_at(selected, "name"), text_at(selected, "key")


# ---------------------------------------------------------- values of older releases


def missing_section_findings(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return a finding for each section of the values without which a template fails on a nil pointer.

    `helm upgrade --reuse-values` uses the values of the release's earlier chart, which may lack a section.

    Raises:
        Untested: The chart does not render.
    """
    _require_rendered(base)
    required, strict = renderer.required(), renderer.target.strict
    sections = [key for key, value in renderer.shipped.items() if isinstance(value, dict) and key != "global"]
    values = [{**required, key: None} for key in sections]
    return [
        Finding("CHT-17", "values.yaml", key, "rendered without it, or refused in words", error, not strict)
        for key, error in zip(sections, (each.error for each in renderer.render_all(values)), strict=True)
        if error is not None and any(words in error for words in NIL_MESSAGES)
    ]
