"""`python -m acceptance init CHART`: a target file proposed from what a chart renders.

Roles are told by names, labels and ports; where a value goes is found by changing it and rendering again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.snapshot import ELSEWHERE, Rendering
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
PROBES = ("acceptance-probe", "staging", "http://acceptance-probe.example.com")
"""Words that a chart which checks its values may take: a name, an environment, an origin."""
Change = tuple[str, Any]


class InitError(Exception):
    """No target can be proposed; the message is one sentence with the cure."""


def propose(chart: Path, helm: Helm, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The target of a chart as its TOML document; paths are relative to `folder`. Raises `InitError`."""
    if not (chart / "Chart.yaml").is_file():
        raise InitError(f"{chart} is no chart: it has no Chart.yaml; name the chart's folder")
    bare = _bare(chart, folder, values)
    renderer = Renderer(helm, Target.model_validate({**bare, "root": folder}), chart.resolve())
    leaves = dict(_leaves(renderer.shipped))
    secrets = _secret_paths(leaves, renderer)
    document = merge_values(bare, {"values": secrets})
    renderer = Renderer(helm, Target.model_validate({**document, "root": folder}), chart.resolve())
    first = renderer.render(renderer.required())
    if first.error is not None:
        raise InitError(f"the chart does not render: {first.error}; give the values that it needs with --values FILE")
    document = merge_values(document, _described(first, renderer))
    changes = [change for path, value in leaves.items() for change in _changes(path, value)]
    found = _probed(first, changes, document, renderer)
    document = merge_values(document, found)
    switch = document["values"].get("hpa_enabled")
    if switch is None:
        return document
    # The component's own replicas show only while nothing scales it.
    off = renderer.render(merge_values(renderer.required(), nested(switch, False)))
    counts = [(path, value) for path, value in changes if type(value) is int]
    more = _probed(off, counts, document, renderer, nested(switch, False))
    replicas = {
        name: {"replicas": integer_at(item, "spec.replicas", 1)}
        for name, part in document["components"].items()
        for item in off.objects
        if (text_at(item, "kind"), name_of(item)) == ("Deployment", part["deployment"])
    }
    return merge_values(more, document, {"components": replicas})


def _bare(chart: Path, folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """A target that rendering can begin with."""
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


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping, by dotted path; keys that have dots themselves can't be told and are left out."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            if isinstance(key, str) and key and not any(c in key for c in ". "):
                yield from _leaves(value, f"{path}.{key}" if path else key)
    elif path:
        yield path, values


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


def _secret_paths(leaves: Mapping[str, Any], renderer: Renderer) -> dict[str, str]:
    """Value paths whose last word is a Secret key's, written in any way."""
    found: dict[str, str] = {}
    for name, key in KEYS.items():
        for path, value in leaves.items():
            if _plain(path.rpartition(".")[2]) == _plain(key) and isinstance(value, (str, type(None))):
                rendering = renderer.render(nested(path, renderer.credentials[key]))
                if rendering.error is None and not _holds(rendering, renderer.credentials[key]):
                    continue
                found.setdefault(name, path)
    return found


def _holds(rendering: Rendering, text: str) -> bool:
    return any(
        text in decoded(item).values() for item in rendering.objects if text_at(item, "kind") == "Secret"
    ) or text in json.dumps(rendering.objects, default=str)


def _role(pod: Pod) -> str | None:
    """backend or frontend, by the words in the workload's name, labels, containers and images."""
    words = [name_of(pod.owner), *map(str, pod.labels.values())]
    words += [word for each in pod.containers() if not each.init for word in (each.name, each.image)]
    text = " ".join(words).lower()
    scores = {role: sum(text.count(word) for word in names) for role, names in ROLES.items()}
    best = max(scores, key=lambda role: scores[role])
    return best if scores[best] and len({*scores.values()}) > 1 else None


def _described(rendering: Rendering, renderer: Renderer) -> dict[str, Any]:
    """Names, labels, ports and figures as they were rendered."""
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
    document |= _keyed(objects)
    backend = document["components"].get("backend", {})
    for item in objects:
        scaled = text_at(item, "kind") == "HorizontalPodAutoscaler" and at(item, "spec.scaleTargetRef.name")
        if scaled and scaled == backend.get("deployment"):
            document["autoscaler"] = _autoscaler(item)
    return document


def _component(role: str, pod: Pod, objects: tuple[Object, ...]) -> dict[str, Any]:
    served = [each for each in pod.containers() if not each.init]
    main = next((each for each in served if each.ports()), served[0] if served else None)
    service = _service(pod, objects)
    port = next(iter(main.ports().values()), None) if main else None
    first = next(iter(mappings_at(service, "spec.ports")), {}) if service else {}
    selector = mapping_at(pod.owner, "spec.selector.matchLabels") or pod.labels
    described: dict[str, Any] = {
        "deployment": pod.name,
        "service": name_of(service) if service else f"{pod.name}-service",
        "container": main.name if main else role,
        "port": port or (8000 if role == "backend" else 3000),
        "service_port": at(first, "port") or port or (8000 if role == "backend" else 3000),
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
        described |= _of_main(main, objects)
    return described


def _of_main(main: Container, objects: tuple[Object, ...]) -> dict[str, Any]:
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
    secret = dict.fromkeys(given.key for given in environment(main, keys) if given.source == "Secret")
    if secret:
        found["secret_keys"] = [key for key in secret if key]
    return found


def _service(pod: Pod, objects: tuple[Object, ...]) -> Object | None:
    for item in objects:
        selector = dict(mapping_at(item, "spec.selector"))
        if text_at(item, "kind") == "Service" and selector and selector.items() <= dict(pod.labels).items():
            return item
    return None


def _keyed(objects: tuple[Object, ...]) -> dict[str, Any]:
    """The ConfigMap and the Secret that hold most of the specification's keys."""
    wanted = {
        "ConfigMap": ("config_map", ("ENVIRONMENT", "DEBUG", "CORS_ORIGINS")),
        "Secret": ("secret", tuple(KEYS.values())),
    }
    found: dict[str, Any] = {}
    for kind, (section, keys) in wanted.items():
        candidates = [item for item in objects if text_at(item, "kind") == kind]
        held = [(sum(k in _keys(item) for k in keys), name_of(item)) for item in candidates]
        if held:
            found[section] = {"name": max(held, key=lambda pair: pair[0])[1]}
    return found


def _keys(item: Object) -> set[str]:
    return {str(key) for field in ("data", "stringData") for key in mapping_at(item, field)}


def _autoscaler(item: Object) -> dict[str, Any]:
    least, most = integer_at(item, "spec.minReplicas", 1), at(item, "spec.maxReplicas")
    cpu = next(
        (
            at(metric, "resource.target.averageUtilization")
            for metric in mappings_at(item, "spec.metrics")
            if at(metric, "resource.name") == "cpu"
        ),
        None,
    )
    figures = {"min_replicas": least, "max_replicas": most, "cpu_percent": cpu}
    return {"name": name_of(item), **{key: value for key, value in figures.items() if isinstance(value, int)}}


# --- where values go


def _probed(
    first: Rendering,
    changes: Sequence[Change],
    document: Mapping[str, Any],
    renderer: Renderer,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Value paths found by changing one value at a time and looking at what it changed from `first`."""

    def render(change: Change) -> Rendering:
        values = merge_values(renderer.required(), others or {}, nested(*change))
        # A chart's own Namespace can't be the one that its release is in.
        return renderer.render(values, namespace=ELSEWHERE if isinstance(change[1], bool) else None)

    with ThreadPoolExecutor(WORKERS) as pool:
        rendered = list(pool.map(render, changes))
    found: dict[str, Any] = {"values": {}, "components": {}}
    for (path, value), rendering in zip(changes, rendered, strict=True):
        if rendering.error is not None:
            continue
        for component, name in _effects(first, rendering, value, document):
            owner = found["components"].setdefault(component, {}).setdefault("values", {}) if component else None
            (found["values"] if owner is None else owner).setdefault(name, path)
    return found


def _changes(path: str, value: Any) -> Iterator[Change]:
    if isinstance(value, bool):
        yield path, not value
    elif isinstance(value, int):
        yield path, value + 1
        yield path, value - 1
    elif isinstance(value, str):
        for text in PROBES:
            yield path, text


Look = Callable[[Object], Any]


def _effects(
    before: Rendering, after: Rendering, value: Any, document: Mapping[str, Any]
) -> Iterator[tuple[str | None, str]]:
    """(component, name of the value) for each place that the target knows and that shows the new value."""
    scaler = (document.get("autoscaler") or {}).get("name")
    config = document["config_map"]["name"]

    def one(rendering: Rendering, kind: str, name: str | None) -> Object:
        objects = (o for o in rendering.objects if text_at(o, "kind") == kind and name_of(o) == name)
        return next(objects, {})

    def became(kind: str, name: str | None, look: Look, wanted: Any) -> bool:
        return bool(look(one(before, kind, name)) != wanted and look(one(after, kind, name)) == wanted)

    if isinstance(value, bool):
        kinds = [{text_at(item, "kind") for item in each.objects} for each in (before, after)]
        for kind, name, there in (
            ("HorizontalPodAutoscaler", "hpa_enabled", False),
            ("Namespace", "namespace_create", True),
        ):
            if (kind in kinds[0]) != (kind in kinds[1]) and (kind in kinds[1]) is there:
                yield None, name
        return
    if scaler:
        for field, name in (("minReplicas", "hpa_min"), ("maxReplicas", "hpa_max")):
            if became("HorizontalPodAutoscaler", scaler, lambda o, f=field: at(o, f"spec.{f}"), value):  # type: ignore[misc]
                yield None, name
    deployments = [part["deployment"] for part in document["components"].values()]
    if all(became("Deployment", name, lambda o: at(o, "metadata.namespace"), value) for name in deployments):
        yield None, "namespace"
    for key, name in (("ENVIRONMENT", "environment"), ("CORS_ORIGINS", "cors_origins")):
        if became("ConfigMap", config, lambda o, k=key: mapping_at(o, "data").get(k), value):  # type: ignore[misc]
            yield None, name
    for component, part in document["components"].items():
        deployment, service = part["deployment"], part["service"]
        container = part["container"]

        def main(item: Object, container: str = container) -> Object:
            all_containers = mappings_at(item, "spec.template.spec.containers")
            return next((c for c in all_containers if text_at(c, "name") == container), {})

        looks: list[tuple[str, str, str, Look]] = [
            ("replicas", "Deployment", deployment, lambda o: at(o, "spec.replicas")),
            ("image_repository", "Deployment", deployment, lambda o: image_reference(text_at(main(o), "image"))[0]),
            ("image_tag", "Deployment", deployment, lambda o: image_reference(text_at(main(o), "image"))[1]),
            ("container_port", "Deployment", deployment, lambda o: at(_first(main(o), "ports"), "containerPort")),
            ("service_port", "Service", service, lambda o: at(_first(o, "spec.ports"), "port")),
        ]
        for name, kind, owner, look in looks:
            if became(kind, owner, look, value):
                yield component, name


def _first(item: Object, path: str) -> Object:
    return next(iter(mappings_at(item, path)), {})


# --- TOML


def toml(document: Mapping[str, Any]) -> str:
    """The document as TOML: tables by sections, small mappings inline."""
    lines = ["# Proposed from what the chart renders: read it, and complete what it can't tell."]
    _table(document, "", lines)
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any], path: str, lines: list[str]) -> None:
    inline = ("labels", "probes") if path.startswith("components.") else ("values",) if path == "chart" else ()
    simple = {k: v for k, v in table.items() if not isinstance(v, Mapping) or k in inline}
    if path and simple:
        lines += ["", f"[{path}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in simple.items()]
    for key, value in table.items():
        if key not in simple and value:
            _table(value, f"{path}.{_key(key)}" if path else _key(key), lines)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)
