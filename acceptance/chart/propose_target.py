"""`python -m acceptance init CHART`: proposes a target file for a chart from its rendering.

Components are recognised by names, labels and images. Value paths are found by changing one value at a time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Table

from acceptance.chart.renderer import Renderer
from acceptance.chart.value_paths import Change, changes_of, find_value_paths, settable_values
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, at, integer_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.helm import Helm
from acceptance.kube.pod_templates import Container, Pod, environment, image_reference, pod_of
from acceptance.kube.secrets import decoded

ROLES = {
    "backend": ("backend", "api", "server", "fastapi"),
    "frontend": ("frontend", "web", "ui", "client", "next"),
}
MAX_BYTES = {"backend": 200_000_000, "frontend": 500_000_000}
KEYS = {"database_url": "DATABASE_URL", "auth_secret": "BETTER_AUTH_SECRET", "model_key": "OPENAI_API_KEY"}
INLINE = ("labels", "probes")
"""Mappings of a component that are written as inline tables."""


class InitError(Exception):
    """No target can be proposed; the message is one sentence that says what to do."""


def propose(chart: Path, helm: Helm, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the proposed target of a chart as a TOML document.

    Args:
        chart: The chart's folder.
        helm: Renders the chart.
        values: Values that rendering needs beside the credentials.
        folder: The target file's folder, to which its paths are relative.

    Raises:
        InitError: The folder has no chart, or the chart does not render or has no known component.
    """
    if not (chart / "Chart.yaml").is_file():
        raise InitError(f"{chart} is not a chart: it has no Chart.yaml; name the chart's folder")
    document = _minimal_document(chart, folder, values)
    values_of = settable_values(_renderer(document, chart, helm, folder).shipped)
    secrets = _secret_paths(values_of, _renderer(document, chart, helm, folder))
    document = merge_values(document, {"values": secrets})
    renderer = _renderer(document, chart, helm, folder)
    rendering = renderer.render(renderer.required())
    if rendering.error is not None:
        raise InitError(f"the chart does not render: {rendering.error}; give the values it needs with --values FILE")
    document = merge_values(document, _describe(rendering, renderer))
    changes = [change for path, value in values_of.items() for change in changes_of(path, value)]
    document = merge_values(document, find_value_paths(rendering, changes, document, renderer))
    hpa_enabled = document["values"].get("hpa_enabled")
    if hpa_enabled is None:
        return document
    return _add_replicas(document, changes, renderer, nested(hpa_enabled, False))


def _renderer(document: Mapping[str, Any], chart: Path, helm: Helm, folder: Path) -> Renderer:
    return Renderer(helm, Target.model_validate({**document, "root": folder}), chart.resolve())


def _add_replicas(
    document: Mapping[str, Any], changes: Sequence[Change], renderer: Renderer, hpa_off: Mapping[str, Any]
) -> dict[str, Any]:
    """Add what only a rendering without the HPA shows: the replicas of each component and their value paths."""
    rendering = renderer.render(merge_values(renderer.required(), hpa_off))
    integers = [(path, value) for path, value in changes if type(value) is int]
    paths = find_value_paths(rendering, integers, document, renderer, hpa_off)
    replicas = {
        name: {"replicas": integer_at(item, "spec.replicas", 1)}
        for name, part in document["components"].items()
        for item in rendering.objects
        if (text_at(item, "kind"), name_of(item)) == ("Deployment", part["deployment"])
    }
    return merge_values(paths, document, {"components": replicas})


def _minimal_document(chart: Path, folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target document that is sufficient for rendering the chart."""
    path = chart.resolve()
    base = folder.resolve()
    relative = path.relative_to(base) if path.is_relative_to(base) else path
    stated: dict[str, Any] = {"path": str(relative)}
    if values:
        stated["values"] = dict(values)
    return {
        "chart": stated,
        "values": {},
        "config_map": {"name": "todo-chatbot-config"},
        "secret": {"name": "todo-chatbot-secrets"},
        "components": {},
    }


def _normalized(word: str) -> str:
    """Return only letters and digits, in lower case."""
    return "".join(filter(str.isalnum, word)).lower()


def _secret_paths(values: Mapping[str, Any], renderer: Renderer) -> dict[str, str]:
    """Return the value paths whose last key is a Secret key in any spelling and whose value is rendered."""
    found: dict[str, str] = {}
    for name, key in KEYS.items():
        for path, value in values.items():
            if _normalized(path.rpartition(".")[2]) == _normalized(key) and isinstance(value, (str, type(None))):
                credential = renderer.credentials[key]
                rendering = renderer.render(nested(path, credential))
                if rendering.error is not None or _contains(rendering, credential):
                    found.setdefault(name, path)
    return found


def _contains(rendering: Rendering, text: str) -> bool:
    """Tell whether a Secret or any other object contains the text."""
    return any(
        text in decoded(item).values() for item in rendering.objects if text_at(item, "kind") == "Secret"
    ) or text in json.dumps(rendering.objects, default=str)


def _role(pod: Pod) -> str | None:
    """Return `backend` or `frontend` by the words in the workload's name, labels, containers and images."""
    words = [name_of(pod.owner), *map(str, pod.labels.values())]
    words += [word for each in pod.containers() if not each.init for word in (each.name, each.image)]
    text = " ".join(words).lower()
    scores = {role: sum(text.count(word) for word in names) for role, names in ROLES.items()}
    best = max(scores, key=lambda role: scores[role])
    return best if scores[best] and len({*scores.values()}) > 1 else None


def _describe(rendering: Rendering, renderer: Renderer) -> dict[str, Any]:
    """Return the names, labels, ports and figures of a rendering.

    Raises:
        InitError: No Deployment is recognised as a component.
    """
    objects = rendering.objects
    metadata = renderer.metadata
    stated = {
        key: str(metadata[field])
        for key, field in (("name", "name"), ("version", "version"), ("app_version", "appVersion"))
        if metadata.get(field) is not None
    }
    document: dict[str, Any] = {"chart": stated, "components": {}}
    namespaces = [text_at(item, "metadata.namespace") for item in objects if text_at(item, "kind") == "Deployment"]
    if named := next(filter(None, namespaces), None):
        document["chart"]["namespace"] = named
    for item in objects:
        pod = pod_of(item) if text_at(item, "kind") == "Deployment" else None
        role = _role(pod) if pod else None
        if pod and role and role not in document["components"]:
            document["components"][role] = _component(role, pod, objects)
    if not document["components"]:
        raise InitError("the chart renders no Deployment that looks like the backend or the frontend; write its target")
    document |= _config_map_and_secret(objects)
    backend = document["components"].get("backend", {})
    for item in objects:
        scaled = text_at(item, "kind") == "HorizontalPodAutoscaler" and at(item, "spec.scaleTargetRef.name")
        if scaled and scaled == backend.get("deployment"):
            document["autoscaler"] = _autoscaler(item)
    return document


def _component(role: str, pod: Pod, objects: tuple[Object, ...]) -> dict[str, Any]:
    """Return the component's section; the main container is the first one with a port."""
    containers = [each for each in pod.containers() if not each.init]
    main = next((each for each in containers if each.ports()), containers[0] if containers else None)
    service = _service(pod, objects)
    port = next(iter(main.ports().values()), None) if main else None
    service_port = next(iter(mappings_at(service, "spec.ports")), {}) if service else {}
    selector = mapping_at(pod.owner, "spec.selector.matchLabels") or pod.labels
    described: dict[str, Any] = {
        "deployment": pod.name,
        "service": name_of(service) if service else f"{pod.name}-service",
        "container": main.name if main else role,
        "port": port or (8000 if role == "backend" else 3000),
        "service_port": at(service_port, "port") or port or (8000 if role == "backend" else 3000),
        "labels": {str(key): str(value) for key, value in selector.items()},
        "replicas": integer_at(pod.owner, "spec.replicas", 1) or 1,
        "image": {
            "repository": image_reference(main.image)[0] if main else f"todo-{role}",
            "max_bytes": MAX_BYTES[role],
        },
    }
    limit = integer_at(pod.owner, "spec.revisionHistoryLimit", 10)
    if limit and limit != 10:
        described["revision_history_limit"] = limit
    init = [each for each in pod.containers() if each.init and not each.sidecar]
    if init:
        described["init_container"] = init[0].name
    if main:
        described |= _describe_main_container(main, objects)
    return described


def _describe_main_container(main: Container, objects: tuple[Object, ...]) -> dict[str, Any]:
    """Return the HTTP probes' paths and the Secret keys in the environment."""
    found: dict[str, Any] = {}
    paths = {kind: text_at(main.body, f"{kind}Probe.httpGet.path") for kind in ("liveness", "readiness", "startup")}
    if probes := {kind: path for kind, path in paths.items() if path.startswith("/")}:
        found["probes"] = probes
    keys: dict[tuple[str, str], list[str]] = {
        (kind, name_of(item)): [str(k) for field in ("data", "stringData") for k in mapping_at(item, field)]
        for item in objects
        for kind in ("ConfigMap", "Secret")
        if text_at(item, "kind") == kind
    }
    secret = dict.fromkeys(variable.key for variable in environment(main, keys) if variable.source == "Secret")
    if secret:
        found["secret_keys"] = [key for key in secret if key]
    return found


def _service(pod: Pod, objects: tuple[Object, ...]) -> Object | None:
    """Return the Service that selects the pod."""
    for item in objects:
        selector = dict(mapping_at(item, "spec.selector"))
        if text_at(item, "kind") == "Service" and selector and selector.items() <= dict(pod.labels).items():
            return item
    return None


def _config_map_and_secret(objects: tuple[Object, ...]) -> dict[str, Any]:
    """Return the names of the ConfigMap and the Secret with the most keys of the specification."""
    specified = {
        "ConfigMap": ("config_map", ("ENVIRONMENT", "DEBUG", "CORS_ORIGINS")),
        "Secret": ("secret", tuple(KEYS.values())),
    }
    found: dict[str, Any] = {}
    for kind, (section, keys) in specified.items():
        candidates = [item for item in objects if text_at(item, "kind") == kind]
        scores = [(sum(k in _keys(item) for k in keys), name_of(item)) for item in candidates]
        if scores:
            found[section] = {"name": max(scores, key=lambda pair: pair[0])[1]}
    return found


def _keys(item: Object) -> set[str]:
    """Return the keys of a ConfigMap or a Secret."""
    return {str(key) for field in ("data", "stringData") for key in mapping_at(item, field)}


def _autoscaler(item: Object) -> dict[str, Any]:
    """Return the HPA's name and figures."""
    minimum, maximum = integer_at(item, "spec.minReplicas", 1), at(item, "spec.maxReplicas")
    cpu = next(
        (
            at(metric, "resource.target.averageUtilization")
            for metric in mappings_at(item, "spec.metrics")
            if at(metric, "resource.name") == "cpu"
        ),
        None,
    )
    figures = {"min_replicas": minimum, "max_replicas": maximum, "cpu_percent": cpu}
    return {"name": name_of(item), **{key: value for key, value in figures.items() if isinstance(value, int)}}


def toml(document: Mapping[str, Any]) -> str:
    """Return the document as TOML, with small mappings as inline tables."""
    written = tomlkit.document()
    written.add(tomlkit.comment("Proposed from the chart's rendering: review it, and complete what is missing."))
    for key, value in document.items():
        if value:
            written.add(tomlkit.nl())
            written.add(key, _table(value, inline=("values",) if key == "chart" else INLINE))
    return tomlkit.dumps(written)


def _table(content: Mapping[str, Any], inline: tuple[str, ...]) -> Table:
    """Return a TOML table; a table with tables only has no header of its own."""
    table = tomlkit.table(is_super_table=all(isinstance(value, Mapping) for value in content.values()))
    for key, value in content.items():
        if not isinstance(value, Mapping):
            table.add(key, value)
        elif key in inline:
            table.add(key, _inline(value))
    for key, value in content.items():
        if isinstance(value, Mapping) and key not in inline and value:
            table.add(key, _table(value, inline))
    return table


def _inline(value: Any) -> Any:
    """Return a value for use in a table: mappings as inline tables, without nulls, which TOML does not have."""
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, entry in value.items():
            if entry is not None:
                table.add(str(key), _inline(entry))
        return table
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        for entry in value:
            array.append(_inline(entry))
        return array
    return value
