"""Describes the release that a chart renders: the names, labels, ports and keys of the components' objects.

Names, ports and paths are the chart's own choice and are copied. Figures that the specification states are not copied,
so that a chart which differs is found out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from acceptance.chart.proposal.draft import AS_RENDERED, Draft, as_rendered
from acceptance.chart.proposal.handmade import (
    Keys,
    entry,
    is_made_by_controller,
    key_of,
    referenced_keys,
    template_of,
)
from acceptance.chart.proposal.roles import ADD_ONS, SERVICES, Workload, migrates, workloads
from acceptance.chart.proposal.vocabulary import (
    SPECIFIED,
    SPECIFIED_KEYS,
    best_named,
    credential_of,
    normalized,
    rank,
    words,
)
from acceptance.core.fields import Object, at, integer_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.near_miss import suggestion
from acceptance.core.target import CREDENTIALS, ComponentName
from acceptance.kube.env_files import is_env_file, variables_of_files
from acceptance.kube.pod_templates import EnvVar, environment, image_reference
from acceptance.kube.quantity import quantity

HEALTH = "/health"
MAX_BYTES = {"backend": 200_000_000, "frontend": 500_000_000}
PORTS = {"backend": 8000, "frontend": 3000}
REPLICAS = {"backend": 2, "frontend": 1}
RESOURCES = {"cpu": "500m", "memory": "512Mi"}
FIGURES = {"min_replicas": 2, "max_replicas": 5, "cpu_percent": 70}
CONFIG_KEYS = {"environment": "ENVIRONMENT", "debug": "DEBUG", "cors_origins": "CORS_ORIGINS"}
DATABASE_PART = re.compile(
    r".*(postgres|postgresql|pg|database|db|sql|neon).*(user|username|password|pass|host|port|name|db)"
)
"""Names of variables that hold a part of the database's URL."""
AUTH_URL = re.compile(r"(better|next)authur[li]")
"""Names of the variable with which libraries for sessions are told the frontend's own URL."""
VERSION_LABELS = frozenset({"helm.sh/chart", "app.kubernetes.io/version", "version", "chart", "pod-template-hash"})
"""Labels that follow the version; no selector should have them."""


def describe_component(draft: Draft, role: ComponentName, workload: Workload, objects: Sequence[Object]) -> None:
    """Add a component's section."""
    main, place = workload.main, ("components", role)
    service = next(iter(workload.services), None) or _service_named_like(workload, objects)
    serving, entry = _serving_port(workload, service, PORTS[role])
    port = serving or PORTS[role]
    ports = [entry, *(mappings_at(service, "spec.ports") if service else [])]
    service_port = next((number for each in ports if isinstance(number := at(each, "port"), int)), port)
    draft.set((*place, "deployment"), workload.name)
    draft.set((*place, "service"), name_of(service) if service else f"{workload.name}-service")
    if service is None:
        draft.note(f"Not found: the {role}'s Service, because none selects the pods of Deployment/{workload.name}.")
    draft.set((*place, "container"), main.name if main else role)
    init = [each for each in workload.pod.containers() if each.init and not each.sidecar]
    own = image_reference(main.image)[0] if main else None
    migrating = [each for each in init if migrates(each)] or [e for e in init if image_reference(e.image)[0] == own]
    if role == "backend" and migrating:
        draft.set((*place, "init_container"), migrating[-1].name)
    draft.set(
        (*place, "port"), port, as_rendered(port, PORTS[role]) if serving else f"the specification's; {role} names none"
    )
    draft.set((*place, "service_port"), service_port, as_rendered(service_port, PORTS[role]))
    selector = mapping_at(workload.pod.owner, "spec.selector.matchLabels") or workload.pod.labels
    labels = {str(key): str(value) for key, value in selector.items() if key not in VERSION_LABELS}
    draft.set((*place, "labels"), labels, AS_RENDERED)
    _replicas(draft, role, workload, objects)
    if role == "backend":
        figures = _container_resources(workload)
        draft.set(
            (*place, "resources"),
            {"requests": dict(RESOURCES), "limits": dict(RESOURCES)},
            "the specification's" + ("" if _same(figures) else f"; the chart renders {_listed(figures)}"),
        )
    _probes(draft, role, workload)
    repository = (image_reference(main.image)[0] if main else "") or f"todo-{role}"
    draft.set((*place, "image", "repository"), repository, as_rendered(repository.rpartition("/")[2], f"todo-{role}"))
    draft.set((*place, "image", "max_bytes"), MAX_BYTES[role])


def _service_named_like(workload: Workload, objects: Sequence[Object]) -> Object | None:
    """Return the Service that has the Deployment's name, though it does not select its pods."""
    names = [workload.name, f"{workload.name}-service", f"{workload.name}-svc"]
    return next((item for name in names for item in objects if _is(item, "Service", name)), None)


def _serving_port(workload: Workload, service: Object | None, usual: int) -> tuple[int | None, Object]:
    """Return the port at which the main container serves, and the Service's port for it.

    Of several targets of the Service it is the usual one, else the first; without any the first declared port.
    """
    declared = workload.main.ports() if workload.main else {}
    entries = mappings_at(service, "spec.ports") if service else []
    served = [
        (declared[target], each)
        for each in entries
        if (target := at(each, "targetPort") or at(each, "port")) in declared
    ]
    if served:
        return next((each for each in served if each[0] == usual), served[0])
    if declared:
        return next(iter(declared.values())), {}
    target = at(next(iter(entries), {}), "targetPort")
    return (target if isinstance(target, int) else None), {}


def _replicas(draft: Draft, role: ComponentName, workload: Workload, objects: Sequence[Object]) -> None:
    scaled = any(_scales(item, workload.name) for item in objects)
    rendered = at(workload.pod.owner, "spec.replicas")
    comment = None
    if isinstance(rendered, int) and rendered != REPLICAS[role] and not scaled:
        comment = f"the specification's; the chart renders {rendered}"
    draft.set(("components", role, "replicas"), REPLICAS[role], comment)


def _scales(item: Object, deployment: str) -> bool:
    return text_at(item, "kind") == "HorizontalPodAutoscaler" and at(item, "spec.scaleTargetRef.name") == deployment


def _container_resources(workload: Workload) -> Mapping[str, Any]:
    return mapping_at(workload.main.body, "resources") if workload.main else {}


def _same(figures: Mapping[str, Any]) -> bool:
    return all(
        quantity(at(figures, f"{part}.{name}")) == quantity(value)
        for part in ("requests", "limits")
        for name, value in RESOURCES.items()
    )


def _listed(figures: Mapping[str, Any]) -> str:
    parts = [
        f"{part} {' and '.join(str(value) for value in mapping_at(figures, part).values())}"
        for part in ("requests", "limits")
        if mapping_at(figures, part)
    ]
    return ", ".join(parts) or "none"


def _probes(draft: Draft, role: ComponentName, workload: Workload) -> None:
    if workload.main is None:
        return
    body = workload.main.body
    paths = {kind: text_at(body, f"{kind}Probe.httpGet.path") for kind in ("liveness", "readiness", "startup")}
    found = {kind: path for kind, path in paths.items() if path.startswith("/")}
    if found:
        plain = {kind: path.partition("?")[0].rstrip("/") for kind, path in found.items()}
        if HEALTH in plain.values():
            for kind, path in plain.items():
                # The application answers /health: a path like it is a slip, and one of its own may be meant.
                if path != HEALTH and suggestion(path, [HEALTH]):
                    found[kind] = HEALTH
                    draft.note(f"{kind} probe of the {role}: {paths[kind]} as rendered, {HEALTH} as the others ask.")
        same = set(found.values()) == {HEALTH}
        draft.set(
            ("components", role, "probes"),
            found,
            AS_RENDERED if same else f"{AS_RENDERED}; the specification says {HEALTH}",
        )


def describe_config_map(
    draft: Draft, backend: Workload | None, frontend: Workload | None, objects: Sequence[Object]
) -> None:
    """Add the ConfigMap that the backend's containers use, and its keys by the variables that they feed."""
    name = _most_fitting("ConfigMap", CONFIG_KEYS, backend, frontend, objects)
    draft.set(("config_map", "name"), name or "todo-chatbot-config")
    if name is None:
        draft.note("Not found: the ConfigMap, because no container of the components uses one.")
        return
    keys = _keys_by_meaning("ConfigMap", name, CONFIG_KEYS, backend, frontend, objects)
    for meaning, key in keys.items():
        if key != CONFIG_KEYS[meaning]:
            draft.set(("config_map", meaning), key, AS_RENDERED)
    files = {
        key: file for item in objects if _is(item, "ConfigMap", name) for key, file in variables_of_files(item).items()
    }
    for meaning in CONFIG_KEYS:
        if meaning not in keys:
            where = f"; its file {file} has such a line" if (file := files.get(CONFIG_KEYS[meaning])) else ""
            why = f"because ConfigMap/{name} has none that reads like it{where}"
            draft.note(f"Not found: the key for {CONFIG_KEYS[meaning]}, {why}.")


def describe_secret(
    draft: Draft,
    backend: Workload | None,
    frontend: Workload | None,
    objects: Sequence[Object],
    said: Callable[[str], Keys] = lambda _: {},
) -> None:
    """Add the Secret that the backend's containers use, its keys, and the keys that each component needs.

    Args:
        draft: The draft.
        backend: The backend's Deployment.
        frontend: The frontend's.
        objects: The rendered objects.
        said: Returns the keys that the project names of a Secret which the chart does not create.
    """
    name = _most_fitting("Secret", SPECIFIED_KEYS, backend, frontend, objects)
    draft.set(("secret", "name"), name or "todo-chatbot-secrets")
    keys: dict[str, str] = {}
    handmade: Keys = {}
    if name is None:
        draft.note("Not found: the Secret, because no container of the components uses one.")
    else:
        keys = _keys_by_meaning("Secret", name, SPECIFIED_KEYS, backend, frontend, objects)
        if is_handmade(name, objects):
            handmade = said(name)
            for meaning in CREDENTIALS:
                if meaning not in keys and (key := key_of(meaning, list(handmade), backend or frontend)) is not None:
                    keys[meaning] = key
        elif not any(_is(item, "Secret", name) for item in objects):
            draft.note(f"Secret/{name} is used, and the chart does not create it with these values.")
    literals = [each.name for each in (backend.main_variables if backend else []) if each.source == "literal"]
    for meaning in CREDENTIALS:
        if name is None and (literal := best_named(literals, meaning)) is not None:
            keys[meaning] = literal
        key = keys.get(meaning, SPECIFIED_KEYS[meaning])
        if key != SPECIFIED_KEYS[meaning]:
            where = f"as {handmade[key]} has it: check it" if key in handmade else AS_RENDERED
            draft.set(("secret", meaning), key, where)
        if name is not None and meaning not in keys:
            others = sorted(_elsewhere(meaning, name, backend))
            found = f"; {others[0]} has one, but the target names one Secret" if others else ""
            why = f"because Secret/{name} has none that reads like it{found}"
            draft.note(f"Not found: the key for {SPECIFIED_KEYS[meaning]}, {why}.")
    for role, workload in (("backend", backend), ("frontend", frontend)):
        if workload is not None:
            _secret_keys(draft, role, workload, keys)
    _existing_secrets(draft, name, keys, objects, said)


def _existing_secrets(
    draft: Draft, main: str | None, keys: Mapping[str, str], objects: Sequence[Object], said: Callable[[str], Keys]
) -> None:
    """Add the Secrets that pods use and nothing of the chart makes, and say what must be checked of them.

    Args:
        draft: The draft.
        main: The Secret with the credentials.
        keys: Its key for each credential.
        objects: The rendered objects.
        said: As for `describe_secret`.
    """
    found = workloads(objects)
    used = dict.fromkeys(name for each in found for name in each.used("Secret") if is_handmade(name, objects))
    entries = []
    for name in used:
        referenced = referenced_keys(name, found)
        own = {key: f"{{{meaning}}}" for meaning, key in keys.items()} if name == main else {}
        others = {key: template_of(key) for key in {**said(name), **referenced} if key not in own}
        # Such as another provider's key, of which one is enough.
        data = own | {key: text for key, text in others.items() if key in referenced or text not in own.values()}
        if not data and name != main:
            continue
        entries.append(entry(name, data, own if len(own) == len(CREDENTIALS) else {}))
        empty = [key for key, text in data.items() if not text]
        if name == main and (backend := draft.document["components"].get("backend")):
            backend["secret_keys"] += [key for key in empty if key not in backend["secret_keys"]]
        draft.note(
            f"Secret/{name} must exist before the chart is installed, as the run makes it: check its keys in "
            "[[existing_secrets]]" + (f", of which {', '.join(empty)} got no text." if empty else ".")
        )
    if entries:
        draft.set(("existing_secrets",), entries)


def _elsewhere(meaning: str, name: str, backend: Workload | None) -> set[str]:
    """Return the other Secrets from which a variable of this meaning comes."""
    return {
        f"Secret/{each.source_name}"
        for each in (backend.all_variables if backend else [])
        if each.source == "Secret" and each.source_name != name and rank(each.name, meaning)
    }


def _secret_keys(draft: Draft, role: str, workload: Workload, keys: Mapping[str, str]) -> None:
    """Add the keys that a component needs: a backend all, a frontend those that it uses, never the model's.

    A frontend with the URL of Better Auth or NextAuth keeps sessions itself, and needs the database and the key for it.
    """
    variables = [each for each in workload.all_variables if each.source == "Secret"]
    if not variables:  # a literal's name is the key that it is to come from
        literals = [each for each in workload.main_variables if each.source == "literal"]
        variables = [replace(each, key=each.name) for each in literals if credential_of(each.name) is not None]
    names = {**SPECIFIED_KEYS, **keys}
    rendered = {meaning for meaning in CREDENTIALS if any(_feeds(each, meaning, names[meaning]) for each in variables)}
    parts: list[str] = []
    if role == "backend":
        needed = [name for name in CREDENTIALS if name in keys] or list(CREDENTIALS)
        if "database_url" not in needed:
            parts = sorted({str(each.key) for each in variables if DATABASE_PART.fullmatch(normalized(each.name))})
    else:
        signs_in = any(AUTH_URL.fullmatch(normalized(each.name)) for each in workload.main_variables)
        needed = [name for name in CREDENTIALS[:2] if signs_in or name in rendered]
        # It may have a key of its own, such as a URL for another driver.
        names |= {meaning: own for meaning in needed if (own := _own_key(variables, meaning, names[meaning]))}
    comment = None
    taken = [source for each in workload.pod.containers() for source in mappings_at(each.body, "envFrom")]
    named = [text_at(source, "secretRef.name") for source in taken]
    whole = [name for name in named if name and is_handmade(name, workload.objects)]
    if rendered != set(needed) and whole:
        comment = f"of Secret/{whole[0]}, whose keys the chart does not name"
    elif rendered != set(needed):
        listed = ", ".join(names[each] for each in CREDENTIALS if each in rendered) or "none"
        comment = f"the specification's; the chart renders {listed}"
    draft.set(("components", role, "secret_keys"), [*(names[name] for name in needed), *parts], comment)


def describe_further_keys(draft: Draft, components: Mapping[ComponentName, Workload]) -> None:
    """Add the keys beside the credentials that components are given, such as those of another provider.

    Args:
        draft: The draft.
        components: The components as they are without values that the chart does not need.
    """
    secret = draft.document["secret"]
    credentials = {secret.get(name, key) for name, key in SPECIFIED_KEYS.items()}
    for role, workload in components.items():
        place = ("components", role, "secret_keys")
        stated = draft.document["components"][role]["secret_keys"]
        if further := sorted(_given_keys(role, workload, secret["name"]) - {*stated, *credentials}):
            draft.set(place, [*stated, *further], draft.comments.get(place, AS_RENDERED))


def _given_keys(role: ComponentName, workload: Workload, secret: str) -> set[str]:
    """Return the keys of a Secret that a component is given: a frontend those that it names, but no model's."""
    if role == "backend":
        variables = workload.all_variables
    else:
        named = [each for container in workload.pod.containers() for each in environment(container, {})]
        variables = [each for each in named if not rank(each.name, "model_key")]
    return {each.key for each in variables if (each.source, each.source_name) == ("Secret", secret)}


def _own_key(variables: Sequence[EnvVar], meaning: str, key: str) -> str | None:
    """Return the key from which a component's variable of a meaning comes, unless one comes from the usual key."""
    if any(each.key == key for each in variables):
        return None
    return next((str(each.key) for each in variables if each.key and rank(each.name, meaning)), None)


def _feeds(variable: EnvVar, meaning: str, key: str) -> bool:
    return variable.key == key or rank(variable.name, meaning) > 0


def is_handmade(name: str, objects: Sequence[Object]) -> bool:
    """Whether neither the chart nor a controller that it asks makes a Secret of this name."""
    return not any(_is(item, "Secret", name) for item in objects) and not is_made_by_controller(name, objects)


def _is(item: Object, kind: str, name: str) -> bool:
    return text_at(item, "kind") == kind and name_of(item) == name


def _keys_of(item: Object) -> list[str]:
    return [str(key) for part in ("data", "stringData") for key in mapping_at(item, part)]


def _most_fitting(
    kind: str,
    meanings: Mapping[str, str],
    backend: Workload | None,
    frontend: Workload | None,
    objects: Sequence[Object],
) -> str | None:
    """Return the ConfigMap or Secret that the backend (else the frontend) uses, the one with the most known keys."""
    for workload in (backend, frontend):
        used = workload.used(kind) if workload else []
        used = [name for name in used if any(_is(item, kind, name) for item in objects)] or used
        if used:
            counts = {name: len(_keys_by_meaning(kind, name, meanings, backend, frontend, objects)) for name in used}
            return max(used, key=lambda name: counts[name])
    rendered = [
        item
        for item in objects
        if text_at(item, "kind") == kind and not set(words(name_of(item))) & (ADD_ONS | SERVICES)
    ]
    scores = [
        (sum(best_named(_keys_of(item), each) is not None for each in meanings), name_of(item)) for item in rendered
    ]
    best = max(scores, key=lambda pair: pair[0], default=(0, ""))
    return best[1] if best[0] else None


def _keys_by_meaning(
    kind: str,
    name: str,
    meanings: Mapping[str, str],
    backend: Workload | None,
    frontend: Workload | None,
    objects: Sequence[Object],
) -> dict[str, str]:
    """Return the object's key for each meaning: the specified one, else what feeds the variable of that name."""
    variables = [
        each
        for workload in (backend, frontend)
        if workload is not None
        for each in workload.all_variables
        if each.source == kind and each.source_name == name
    ]
    held = [item for item in objects if _is(item, kind, name)]
    files = {key for item in held for key, text in mapping_at(item, "data").items() if is_env_file(str(key), text)}
    variables = [each for each in variables if each.key not in files]
    keys = [key for item in held for key in _keys_of(item) if key not in files]
    found: dict[str, str] = {}
    for meaning in meanings:
        variable = best_named([each.name for each in variables], meaning)
        fed = next((each.key for each in variables if each.name == variable), None)
        named = best_named(keys, meaning)
        used = fed is None or named in {each.key for each in variables}  # rather than by another Deployment alone
        specified = named if named is not None and used and rank(named, meaning) >= SPECIFIED else None
        if key := specified or fed or named:
            found[meaning] = key
    return found


def describe_autoscaler(draft: Draft, item: Object) -> None:
    """Add the HPA of the backend's Deployment with the specification's figures."""
    draft.set(("autoscaler", "name"), name_of(item))
    cpu = next(
        (
            at(metric, f"{kind}.target.averageUtilization")
            for metric in mappings_at(item, "spec.metrics")
            for kind in ("resource", "containerResource")
            if at(metric, f"{kind}.name") == "cpu"
        ),
        at(item, "spec.targetCPUUtilizationPercentage"),
    )
    rendered = {
        "min_replicas": integer_at(item, "spec.minReplicas", 1),
        "max_replicas": at(item, "spec.maxReplicas"),
        "cpu_percent": cpu,
    }
    for key, value in FIGURES.items():
        found = rendered[key]
        draft.set(
            ("autoscaler", key),
            value,
            None
            if found == value
            else f"the specification's; the chart renders {found if found is not None else 'none'}",
        )
