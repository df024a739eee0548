"""What a changed value changes: reads each field that the target has a value path for, before and after."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acceptance.chart.proposal.roles import value_of, workloads
from acceptance.chart.proposal.trials import CERTIFICATE, Trial
from acceptance.chart.proposal.vocabulary import normalized, path_rank, rank
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import CREDENTIALS, ComponentName
from acceptance.kube.pod_templates import image_reference
from acceptance.kube.secrets import decoded

TEXT_MEANINGS = ("environment", "cors_origins", "model_base_url", "model", "public_url")
HPA = "HorizontalPodAutoscaler"


@dataclass(frozen=True)
class Effect:
    """A value path that sets a field: `component` is None for one of the release; the best `certainty` wins."""

    component: ComponentName | None
    name: str
    path: str
    certainty: int = 5
    encoded: bool = False
    """Whether a credential arrives only if it is given base64-encoded."""


@dataclass(frozen=True)
class Names:
    """The names of the components' objects, as the draft states them."""

    components: Mapping[ComponentName, Mapping[str, Any]]
    config_map: str
    secret: str
    autoscaler: str | None
    secret_keys: Mapping[str, str]

    def relevant(self, rendering: Rendering) -> list[Any]:
        """Return the objects of a rendering in which an effect would show."""
        deployments = {part["deployment"] for part in self.components.values()}
        services = {part["service"] for part in self.components.values()}
        kept: list[Any] = []
        for item in rendering.objects:
            kind, name = text_at(item, "kind"), name_of(item)
            if kind in ("Namespace", HPA, "Secret", "ConfigMap") or (kind == "Service" and name in services):
                own = not re.search(r"postgres|redis|kafka|mysql|mongo|grafana|prometheus", name)
                if own:
                    kept.append(item)
            elif kind == "Deployment" and name in deployments:
                kept.append(item)
        return [[name_of(item) for item in rendering.objects if text_at(item, "kind") == "Deployment"], kept]


def find(rendering: Rendering, kind: str, name: str | None) -> Object:
    """Return the object, or `{}` if it was not rendered."""
    return next((each for each in rendering.objects if text_at(each, "kind") == kind and name_of(each) == name), {})


def effects(before: Rendering, after: Rendering, trial: Trial, names: Names) -> Iterator[Effect]:
    """Yield the fields that have the tried value only after the change."""
    if isinstance(trial.value, bool):
        yield from _switches(before, after, trial, names)
    yield from _of_credentials(after, trial, names)
    yield from _of_release(before, after, trial, names)
    yield from _of_autoscaler(before, after, trial, names)
    for role in names.components:
        yield from _of_component(role, before, after, trial, names)
        yield from _of_variables(role, before, after, trial, names)


def _switches(before: Rendering, after: Rendering, trial: Trial, names: Names) -> Iterator[Effect]:
    """Yield the switches that a changed boolean turned: the backend's HPA, or the Namespace."""
    backend = names.components.get("backend", {}).get("deployment")

    def scaled(rendering: Rendering) -> bool:
        return any(
            text_at(item, "kind") == HPA and at(item, "spec.scaleTargetRef.name") == backend
            for item in rendering.objects
        )

    def namespaces(rendering: Rendering) -> bool:
        return any(text_at(item, "kind") == "Namespace" for item in rendering.objects)

    both = all(find(rendering, "Deployment", backend) for rendering in (before, after))
    if backend and both and scaled(before) != scaled(after):
        yield Effect(None, "hpa_enabled", trial.path)
    if namespaces(after) and not namespaces(before):
        yield Effect(None, "namespace_create", trial.path)


def _of_credentials(after: Rendering, trial: Trial, names: Names) -> Iterator[Effect]:
    """Yield the credentials that the tried text became, in the Secret or wherever a container reads them."""
    given = trial.value
    if isinstance(given, Mapping):
        text = str(given.get("ACCEPTANCE_PROBE", ""))
        for item in after.objects:
            if (
                text
                and text_at(item, "kind") == "Secret"
                and name_of(item) == names.secret
                and (raw := [mapping_at(item, part).get("ACCEPTANCE_PROBE") for part in ("data", "stringData")])
                != [None, None]
            ):
                for name in CREDENTIALS:
                    yield Effect(None, name, f"{trial.path}.{names.secret_keys[name]}", 1, encoded=raw[0] == text)
        return
    if not isinstance(given, str) or len(given) < 8:
        return
    for item in after.objects:
        kind = text_at(item, "kind")
        if kind not in ("Secret", "ConfigMap"):
            continue
        texts = decoded(item) if kind == "Secret" else {}
        raw_data = mapping_at(item, "data")
        for key in dict.fromkeys([*raw_data, *texts]):
            encoded = kind == "Secret" and raw_data.get(key) == given and key not in mapping_at(item, "stringData")
            rendered = given if encoded else texts.get(key) if kind == "Secret" else raw_data.get(key)
            if not isinstance(rendered, str) or not _arrived(given, rendered):
                continue
            own = kind == "Secret" and name_of(item) == names.secret
            for name in CREDENTIALS:
                fits = key == names.secret_keys[name] if own else rank(str(key), name) > 0
                if fits:
                    certainty = (8 if own else 3) + bool(path_rank(trial.path, name))
                    yield Effect(None, name, trial.path, certainty, encoded)
    for role in names.components:
        for variable, value in _variables(after, role, names).items():
            if _arrived(given, value):
                yield from (Effect(None, name, trial.path, 2) for name in CREDENTIALS if rank(variable, name))


def _arrived(given: str, rendered: str) -> bool:
    """Whether a rendered text is the given one, perhaps cut, trimmed, extended at its end, or encoded once more."""
    text, wanted = rendered.strip().strip("'\"").lower(), given.lower()
    twice = base64.b64encode(given.encode()).decode("ascii") == rendered.strip()
    return twice or text.startswith(wanted) or (len(text) >= 16 and wanted.startswith(text))


def _of_release(before: Rendering, after: Rendering, trial: Trial, names: Names) -> Iterator[Effect]:
    given = trial.value
    deployments = [part["deployment"] for part in names.components.values()]
    if isinstance(given, str) and deployments:
        if all(
            at(find(before, "Deployment", name), "metadata.namespace") != given
            and at(find(after, "Deployment", name), "metadata.namespace") == given
            for name in deployments
        ):
            yield Effect(None, "namespace", trial.path)
        renamed = [each.name for each in workloads(after.objects) if given in each.name]
        if len(renamed) >= len(deployments) and not any(find(after, "Deployment", name) for name in deployments):
            whole = re.search(r"full|prefix", trial.path, re.I)
            yield Effect(None, "name_override", trial.path, 6 if whole else 5)
    if (
        given == CERTIFICATE
        and CERTIFICATE.strip() in _all_texts(after)
        and CERTIFICATE.strip() not in _all_texts(before)
    ):
        yield Effect(None, "ca_certificate", trial.path)
    if isinstance(given, Mapping) and "ACCEPTANCE_PROBE" in given:
        data = mapping_at(find(after, "ConfigMap", names.config_map), "data")
        if data.get("ACCEPTANCE_PROBE") == given["ACCEPTANCE_PROBE"]:
            free = 6 if re.search(r"extra|additional|custom", trial.path, re.I) else 5
            yield Effect(None, "extra_config", trial.path, free)


def _all_texts(rendering: Rendering) -> str:
    parts = [
        json.dumps(list(decoded(item).values())) for item in rendering.objects if text_at(item, "kind") == "Secret"
    ]
    return "\n".join([*parts, json.dumps(rendering.objects, default=str)]).replace("\\n", "\n")


def _of_autoscaler(before: Rendering, after: Rendering, trial: Trial, names: Names) -> Iterator[Effect]:
    old, new = find(before, HPA, names.autoscaler), find(after, HPA, names.autoscaler)
    for name, field in (
        ("hpa_min", "spec.minReplicas"),
        ("hpa_max", "spec.maxReplicas"),
        ("hpa_metrics", "spec.metrics"),
    ):
        if at(old, field) != trial.value and at(new, field) == trial.value and new:
            yield Effect(None, name, trial.path)
    if new and at(old, "spec.behavior") != at(new, "spec.behavior"):
        keys = trial.path.split(".")
        place = next((index for index, key in enumerate(keys) if normalized(key).startswith("behav")), None)
        if place is not None:
            yield Effect(None, "hpa_behavior", ".".join(keys[: place + 1]))


def _of_component(
    role: ComponentName, before: Rendering, after: Rendering, trial: Trial, names: Names
) -> Iterator[Effect]:
    part, value = names.components[role], trial.value
    old, new = (find(each, "Deployment", part["deployment"]) for each in (before, after))
    old_service, new_service = (find(each, "Service", part["service"]) for each in (before, after))
    old_main, new_main = _main(old, part), _main(new, part)
    if not new_main or isinstance(value, bool):
        return
    pairs: dict[str, Sequence[Any]] = {
        "replicas": (at(old, "spec.replicas"), at(new, "spec.replicas")),
        "container_port": (_port(old_main, "ports", "containerPort"), _port(new_main, "ports", "containerPort")),
        "service_port": (_port(old_service, "spec.ports", "port"), _port(new_service, "spec.ports", "port")),
        "max_surge": tuple(at(each, "spec.strategy.rollingUpdate.maxSurge") for each in (old, new)),
        "max_unavailable": tuple(at(each, "spec.strategy.rollingUpdate.maxUnavailable") for each in (old, new)),
        "image_tag": (_image(old_main)[1], _image(new_main)[1]),
    }
    for name, (was, is_now) in pairs.items():
        if was != value and (is_now == value or (is_now is not None and str(is_now) == str(value))):
            yield Effect(role, name, trial.path)
    was_repository, repository = _image(old_main)[0], _image(new_main)[0]
    if (
        was_repository != repository
        and isinstance(value, str)
        and repository.rpartition("/")[2] == value.rpartition("/")[2]
    ):
        yield Effect(role, "image_repository", trial.path, 6 if repository == value else 4)
    if at(old_main, "resources") != (resources := at(new_main, "resources")) and resources:
        if isinstance(value, Mapping):
            whole = re.sub(r"\.(requests|limits)$", "", trial.path)
            yield Effect(role, "resources", whole, 5 if whole == trial.path else 4)
        elif match := re.fullmatch(r"(.+)\.(requests|limits)\.(cpu|memory)", trial.path):
            yield Effect(role, "resources", match[1], 4)
    for field in ("failureThreshold", "periodSeconds", "timeoutSeconds"):
        probe = f"startupProbe.{field}"
        if trial.path.endswith(f".{field}") and at(old_main, probe) != value and at(new_main, probe) == value:
            yield Effect(role, "startup_probe", trial.path.rpartition(".")[0])
    was_hook, hook = (json.dumps(at(each, "lifecycle.preStop")) for each in (old_main, new_main))
    if was_hook != hook and re.search(rf"\b{re.escape(str(value))}\b", hook):
        yield Effect(role, "pre_stop_seconds", trial.path)


def _of_variables(
    role: ComponentName, before: Rendering, after: Rendering, trial: Trial, names: Names
) -> Iterator[Effect]:
    """Yield what the main container's variables show: texts, the debug switch, and the time to drain."""
    old, new = (_variables(each, role, names) for each in (before, after))
    value = trial.value
    for variable, text in new.items():
        if old.get(variable) == text:
            continue
        same = text == _as_text(value)
        if same and isinstance(value, (str, list)):
            for meaning in TEXT_MEANINGS:
                own = role == ("frontend" if meaning == "public_url" else "backend")
                # Of the other component, NODE_ENV and the like say nothing.
                if (points := rank(variable, meaning) - (0 if own else 4)) > 0:
                    yield Effect(None, meaning, trial.path, points)
        if text.lower() in ("true", "false") and (points := rank(variable, "debug")):
            yield Effect(None, "debug", trial.path, points)
        if same and "drain" in normalized(variable):
            yield Effect(role, "drain_seconds", trial.path)


def _as_text(value: Any) -> str:
    """Return what a variable has of a value: a list's items are joined by commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _variables(rendering: Rendering, role: ComponentName, names: Names) -> dict[str, str]:
    """Return the variables of a component's main container, with what they come to."""
    part = names.components[role]
    for workload in workloads(rendering.objects):
        if workload.name == part["deployment"]:
            container = next((c for c in workload.pod.containers() if c.name == part["container"]), None)
            variables = workload.variables(container) if container else []
            return {each.name: text for each in variables if (text := value_of(each, rendering.objects)) is not None}
    return {}


def _main(deployment: Object, part: Mapping[str, Any]) -> Object:
    containers = mappings_at(deployment, "spec.template.spec.containers")
    return next((each for each in containers if text_at(each, "name") == part["container"]), {})


def _image(container: Object) -> tuple[str, str]:
    return image_reference(text_at(container, "image"))[:2]


def _port(item: Object, path: str, field: str) -> Any:
    return at(next(iter(mappings_at(item, path)), {}), field)
