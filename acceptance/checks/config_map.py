"""Rules of the ConfigMap."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import in_namespace, keys, mutable, named, present, sized
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, mapping_at, object_ref
from acceptance.core.urls import origin_error
from acceptance.core.values import ROUND_TRIP
from acceptance.kube.secrets import decode

ENVIRONMENTS = ("development", "staging", "production")


def stated_keys(subject: ComponentView) -> list[str]:
    names = subject.target.config_map
    return [names.environment, names.debug, names.cors_origins]


def value_bytes(item: Object) -> dict[str, int]:
    sizes = {str(key): len(str(value).encode()) for key, value in mapping_at(item, "data").items()}
    for key, value in mapping_at(item, "binaryData").items():
        sizes[str(key)] = len(str(value)) * 3 // 4
    return sizes


named("CFG-01", lambda s: s.config_map, lambda s: s.target.config_map.name)
in_namespace("CFG-02", lambda s: s.config_map)
keys("CFG-06", lambda s: s.config_map)
sized("CFG-08", lambda s: s.config_map, value_bytes)
mutable("CFG-09", lambda s: s.config_map)
present("CFG-11", lambda s: s.config_map, stated_keys)


def value(subject: ComponentView, key: str) -> object:
    """The value of a key; `Untested` where the key is absent."""
    data = mapping_at(subject.config_map, "data")
    if key not in data:
        raise Untested(f"the ConfigMap has no {key} (CFG-11)")
    return data[key]


@check("CFG-03")
def environment_is_known(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.config_map.environment
    if (found := value(subject, key)) not in ENVIRONMENTS:
        yield Violation(
            object_ref(subject.config_map), f"data.{key}", f"one of {', '.join(ENVIRONMENTS)}", format_value(found)
        )


@check("CFG-04")
def debug_is_a_string(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.config_map.debug
    found = value(subject, key)
    if not isinstance(found, str) or found not in ("true", "false"):
        wanted = "the string 'true' or 'false'"
        yield Violation(object_ref(subject.config_map), f"data.{key}", wanted, format_value(found))


@check("CFG-05")
def origins_are_origins(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.config_map.cors_origins
    found = value(subject, key)
    for origin in found.split(",") if isinstance(found, str) else [found]:
        wrong = origin_error(origin.strip()) if isinstance(origin, str) else "not a string"
        if wrong:
            wanted = "comma-separated origins without a path"
            yield Violation(object_ref(subject.config_map), f"data.{key}", wanted, f"{format_value(origin)}, {wrong}")


@check("CFG-07")
def values_are_text(subject: ComponentView) -> Iterator[Violation]:
    item = subject.config_map
    for key, found in mapping_at(item, "data").items():
        if not isinstance(found, str):
            yield Violation(object_ref(item), f"data.{key}", "a string", format_value(found))
        elif "\ufffd" in found:
            yield Violation(object_ref(item), f"data.{key}", "UTF-8 text", format_value(found))
    for key, found in mapping_at(item, "binaryData").items():
        if decode(found) is None:
            yield Violation(object_ref(item), f"binaryData.{key}", "base64 of UTF-8 text", "other bytes")


@check("CFG-07", "live")
def text_survives(subject: ComponentView) -> Iterator[Violation]:
    """The run's own text, quotes and all, is in the object and in each container that gets it."""
    if not ROUND_TRIP.items() <= subject.snapshot.injected_values.items():
        raise Untested("the target names no values.extra_config to send text through")
    if subject.cluster.facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    for key, wanted in ROUND_TRIP.items():
        places = [(object_ref(subject.config_map), mapping_at(subject.config_map, "data").get(key))]
        for view in subject.for_each_component():
            for pod in view.pods:
                for container in pod.containers():
                    facts = subject.cluster.facts.get((pod.name, container.name))
                    given = any(g.key == key for g in view.environment(container))
                    if facts is not None and given:
                        places.append((f"{pod.object} {container.name}", facts.environment.get(key)))
        if len(places) == 1:
            yield Violation(places[0][0], f"data.{key}", "given to a container", "to none that runs")
        for owner, found in places:
            if found != wanted:
                yield Violation(owner, key, format_value(wanted), format_value(found))


@check("CFG-10", "live")
def containers_see_the_values(subject: ComponentView) -> Iterator[Violation]:
    facts = subject.cluster.facts
    if facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    seen = 0
    for pod in subject.pods:
        for container in pod.containers():
            process = facts.get((pod.name, container.name))
            if process is None:
                continue
            # The last of a name wins, as in the kubelet.
            final = {given.name: given for given in subject.environment(container)}
            for name, given in final.items():
                if given.source != "ConfigMap" or given.source_name != at(subject.config_map, "metadata.name"):
                    continue
                seen += 1
                wanted = subject.value_of(given)
                if process.environment.get(name) != wanted:
                    field = f"{container.name} {name}"
                    yield Violation(
                        pod.object, field, format_value(wanted), format_value(process.environment.get(name))
                    )
    if not seen:
        yield Violation(object_ref(subject.deployment), "env", "variables from the ConfigMap", "none")
