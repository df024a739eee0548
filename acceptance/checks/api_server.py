"""Rules that the API server enforces, judged on rendered objects without a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, object_ref, text_at
from acceptance.kube import api_rules, schema
from toolchain.console import ToolchainError

ACCEPTED = f"accepted by the API server of Kubernetes {schema.KUBERNETES_VERSION}"
PATH = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
"""A step of the server's paths: a key, or an item of a list or mapping in brackets."""
NAME_KEY = re.compile(r'name="([^"]*)"')
DISCOVERY = "Capabilities.APIVersions"
"""How a template asks which versions a cluster serves; without a cluster, Helm lists those that it knows."""


@check("CHT-09", "static")
def api_server_would_accept_each(view: ComponentView) -> Iterator[Violation]:
    """CHT-09: each object has the schema of its kind and follows the API server's rules."""
    if view.chart.rendering.error is not None:
        return  # CHT-09 reports it
    objects = list(api_rules.flattened(rendered_objects(view)))
    try:
        judged = api_rules.shared().judge(objects, view.snapshot.release_namespace)
    except ToolchainError as error:
        for item in objects:
            yield from schema_violations(item)
        raise Untested(f"the API server's own rules are not available: {error}") from error
    undecided = []
    for item, judgement in zip(objects, judged, strict=True):
        if not judgement.known:
            yield from schema_violations(item)
            group, _, _ = text_at(item, "apiVersion").rpartition("/")
            if "." not in group:  # Kubernetes demands one of a custom kind's group
                yield Violation(object_ref(item), "apiVersion", ACCEPTED, f"no such API group: {group or 'none'}")
        for refusal in judgement.refusals:
            if refusal.stage == "served" and is_chosen_by_cluster(view, item):
                undecided.append(f"{object_ref(item)}: the cluster decides on {text_at(item, 'apiVersion')}")
            elif refusal.stage == "type" and (violations := list(schema_violations(item))):
                yield from violations  # they name the field
            else:
                yield Violation(object_ref(item), by_names(item, refusal.field), ACCEPTED, refusal.message)
    if undecided:
        raise Untested("; ".join(undecided))


def rendered_objects(view: ComponentView) -> Iterator[Object]:
    """Yield every object of the rendering, then those that differ without HPA or with the Namespace."""
    objects = view.snapshot.objects
    yield from objects
    for other in (view.chart.autoscaler_off, view.chart.namespace_on):
        yield from (item for item in (other.objects if other else ()) if item not in objects)


def by_names(item: Object, field: str) -> str:
    """Return a path as findings write it, list items by their names: `spec.containers[backend].env[DEBUG].name`."""
    value: Any = item
    path = ""
    for key, bracket in PATH.findall(field):
        if key:
            path += f".{key}" if path else key
            value = at(value, key)
        elif isinstance(value, list) and bracket.isdigit() and int(bracket) < len(value):
            value = value[int(bracket)]
            path += f"[{text_at(value, 'name') or bracket}]"
        else:
            name = NAME_KEY.fullmatch(bracket)
            entries = value if isinstance(value, list) else []
            value = next((each for each in entries if name and at(each, "name") == name[1]), None)
            path += f"[{name[1] if name else bracket}]"
    return path


def schema_violations(item: Object) -> Iterator[Violation]:
    """Yield where the object does not fit the published schema of its kind."""
    for field, message in schema.errors(item) or []:
        yield Violation(object_ref(item), field, f"the schema of Kubernetes {schema.KUBERNETES_VERSION}", message)


def is_chosen_by_cluster(view: ComponentView, item: Object) -> bool:
    """Whether a template asks the cluster for the object's version: the rendering may differ on a real one."""
    texts = view.chart.templates.values()
    version = text_at(item, "apiVersion")
    return any(DISCOVERY in text for text in texts) and any(version in text for text in texts)
