"""Rules of the ConfigMap."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import (
    check_keys,
    check_keys_present,
    check_mutable,
    check_name,
    check_namespace,
    check_size,
)
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, mapping_at, object_ref
from acceptance.core.urls import origin_error
from acceptance.core.values import ROUND_TRIP
from acceptance.kube.secrets import decode

ENVIRONMENTS = ("development", "staging", "production")


def stated_keys(view: ComponentView) -> list[str]:
    """Return the keys of the ConfigMap that the target names."""
    names = view.target.config_map
    return [names.environment, names.debug, names.cors_origins]


def value_bytes(item: Object) -> dict[str, int]:
    """Return the size of each value in bytes, binary data decoded."""
    sizes = {str(key): len(str(value).encode()) for key, value in mapping_at(item, "data").items()}
    for key, value in mapping_at(item, "binaryData").items():
        sizes[str(key)] = len(str(value)) * 3 // 4
    return sizes


check_name("CFG-01", lambda view: view.config_map, lambda view: view.target.config_map.name)
check_namespace("CFG-02", lambda view: view.config_map)
check_keys("CFG-06", lambda view: view.config_map)
check_size("CFG-08", lambda view: view.config_map, value_bytes)
check_mutable("CFG-09", lambda view: view.config_map)
check_keys_present("CFG-11", lambda view: view.config_map, stated_keys)


def value(view: ComponentView, key: str) -> object:
    """Return the value of a key; raise `Untested` if the key is absent."""
    data = mapping_at(view.config_map, "data")
    if key not in data:
        raise Untested(f"the ConfigMap has no {key} (CFG-11)")
    return data[key]


@check("CFG-03")
def environment_is_known(view: ComponentView) -> Iterator[Violation]:
    """CFG-03: ENVIRONMENT is development, staging or production."""
    key = view.target.config_map.environment
    if (actual := value(view, key)) not in ENVIRONMENTS:
        yield Violation(
            object_ref(view.config_map), f"data.{key}", f"one of {', '.join(ENVIRONMENTS)}", format_value(actual)
        )


@check("CFG-04")
def debug_is_a_string(view: ComponentView) -> Iterator[Violation]:
    """CFG-04: DEBUG is the string true or false."""
    key = view.target.config_map.debug
    actual = value(view, key)
    if not isinstance(actual, str) or actual not in ("true", "false"):
        expected = "the string 'true' or 'false'"
        yield Violation(object_ref(view.config_map), f"data.{key}", expected, format_value(actual))


@check("CFG-05")
def origins_are_valid(view: ComponentView) -> Iterator[Violation]:
    """CFG-05: CORS_ORIGINS is a comma-separated list of origins."""
    key = view.target.config_map.cors_origins
    actual = value(view, key)
    if isinstance(actual, str) and actual.lstrip().startswith("["):
        expected = "comma-separated origins without a path"
        yield Violation(object_ref(view.config_map), f"data.{key}", expected, f"a JSON list, {format_value(actual)}")
        return
    for origin in actual.split(",") if isinstance(actual, str) else [actual]:
        error = origin_error(origin.strip()) if isinstance(origin, str) else "not a string"
        if error:
            expected = "comma-separated origins without a path"
            yield Violation(object_ref(view.config_map), f"data.{key}", expected, f"{format_value(origin)}, {error}")


@check("CFG-07")
def values_are_text(view: ComponentView) -> Iterator[Violation]:
    """CFG-07: every value is UTF-8 text."""
    item = view.config_map
    for key, actual in mapping_at(item, "data").items():
        if not isinstance(actual, str):
            yield Violation(object_ref(item), f"data.{key}", "a string", format_value(actual))
        elif "\ufffd" in actual:
            yield Violation(object_ref(item), f"data.{key}", "UTF-8 text", format_value(actual))
    for key, actual in mapping_at(item, "binaryData").items():
        if decode(actual) is None:
            yield Violation(object_ref(item), f"binaryData.{key}", "base64 of UTF-8 text", "other bytes")


@check("CFG-07", "live")
def text_round_trips(view: ComponentView) -> Iterator[Violation]:
    """CFG-07: the suite's text with quotes is unchanged in the ConfigMap and in each container that uses it."""
    if not ROUND_TRIP.items() <= view.snapshot.injected_values.items():
        raise Untested("the target names no values.extra_config to send text through")
    if view.cluster.facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    for key, expected in ROUND_TRIP.items():
        places = [(object_ref(view.config_map), mapping_at(view.config_map, "data").get(key))]
        for component_view in view.for_each_component():
            for pod in component_view.pods:
                for container in pod.containers():
                    facts = view.cluster.facts.get((pod.name, container.name))
                    used = any(variable.key == key for variable in component_view.environment(container))
                    if facts is not None and used:
                        places.append((f"{pod.object} {container.name}", facts.environment.get(key)))
        if len(places) == 1:
            yield Violation(places[0][0], f"data.{key}", "used by a running container", "by none")
        for owner, actual in places:
            if actual != expected:
                yield Violation(owner, key, format_value(expected), format_value(actual))


@check("CFG-10", "live")
def containers_see_the_values(view: ComponentView) -> Iterator[Violation]:
    """CFG-10: containers' environments have the ConfigMap's values."""
    facts = view.cluster.facts
    if facts is None:
        raise Untested("the environment of containers is read on the node, which this cluster does not allow")
    compared = 0
    for pod in view.pods:
        for container in pod.containers():
            process = facts.get((pod.name, container.name))
            if process is None:
                continue
            # The last variable of a name wins, as in the kubelet.
            final = {variable.name: variable for variable in view.environment(container)}
            for name, variable in final.items():
                if variable.source != "ConfigMap" or variable.source_name != at(view.config_map, "metadata.name"):
                    continue
                compared += 1
                expected = view.value_of(variable)
                if process.environment.get(name) != expected:
                    field = f"{container.name} {name}"
                    yield Violation(
                        pod.object, field, format_value(expected), format_value(process.environment.get(name))
                    )
    if not compared and view.component_name == "frontend":
        raise Untested("the frontend uses no key of the ConfigMap")
    if not compared:
        yield Violation(object_ref(view.deployment), "env", "variables from the ConfigMap", "none")
