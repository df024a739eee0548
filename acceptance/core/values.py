"""Values of a chart: set by dotted path, nested, and merged as Helm merges them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from acceptance.core.fields import list_at
from acceptance.core.target import Target


def set_paths(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested `values` with each dotted path of `changes` set; missing mappings are created."""
    result = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for key in parents:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        place[last] = copy.deepcopy(value)
    return result


def values_by_path(target: Target, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known values by the target's paths; a value without a path can't be set and is left out."""
    paths = target.values.model_dump()
    return {paths[name]: value for name, value in known.items() if paths[name]}


def in_shipped_form(text: Any, shipped: Any) -> Any:
    """Return a text with commas as a list, or as a JSON list, where the chart ships such a one in its place."""
    if not isinstance(text, str):
        return text
    if isinstance(shipped, str) and shipped.strip().startswith("["):
        return json.dumps(text.split(","))
    return text.split(",") if isinstance(shipped, list) else text


def credential_values(target: Target, credentials: Mapping[str, str]) -> dict[str, Any]:
    """Return credentials as the chart is given them, by the target's paths; those without a path are left out."""
    return values_by_path(target, {name: target.secret.as_given(text) for name, text in credentials.items()})


def merge_values(first: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values from left to right as Helm does: mappings key by key; null removes; anything else replaces."""
    result = dict(first)
    for other in others:
        result = _merge(result, other)
    return result


def _merge(base: Any, override: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(override, Mapping):
        return override
    result = dict(base)
    for key, value in override.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value) if key in result else value
    return result


def without(values: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return nested values without the one at a dotted path."""
    key, _, rest = path.partition(".")
    result = dict(values)
    if not rest:
        result.pop(key, None)
    elif isinstance(result.get(key), Mapping):
        result[key] = without(result[key], rest)
    return result


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a value under a dotted path, nested as the chart's values are."""
    for key in reversed(path.split(".")):
        value = {key: value}
    nest: dict[str, Any] = value
    return nest


def with_entry(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a value under a dotted path; `.0.` in it leads into the first entry of a list, whose others are kept."""
    before, inside, key = path.rpartition(".0.")
    if not inside:
        return nested(path, value)
    first, *others = list_at(values, before)
    return nested(before, [merge_values(first, nested(key, value)), *others])


def leaves(values: Mapping[str, Any], parents: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (keys, value) for each value that is not a mapping with entries; `parents` are prepended to the keys."""
    for key, value in values.items():
        keys = (*parents, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, keys)
        else:
            yield keys, value


ROUND_TRIP = {"ACCEPTANCE_TEXT": 'Grüße „今日“ – it\'s "quoted": #1, 100 % & {braces} \\n'}
"""What the suite puts into the ConfigMap's free keys, and expects to arrive unchanged (CFG-07)."""
