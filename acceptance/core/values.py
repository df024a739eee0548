"""Values of a chart by dotted path, and what a run gives a release beyond the shipped ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from acceptance.core.target import Target


def set_paths(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested `values` with each dotted path of `changes` set; what is no folder on the way becomes one."""
    result = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *folders, last = path.split(".")
        place = result
        for folder in folders:
            if not isinstance(place.get(folder), dict):
                place[folder] = {}
            place = place[folder]
        place[last] = copy.deepcopy(value)
    return result


def values_by_path(target: Target, known: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by path for what the target's `[values]` has a path for; what it has none for can't be set."""
    paths = target.values.model_dump()
    return {paths[name]: value for name, value in known.items() if paths[name]}


def merge_values(first: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Values merged from left to right as Helm does: mappings key by key, null removes, all else replaces."""
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


def nested(path: str, value: Any) -> dict[str, Any]:
    """A value under a dotted path, as the chart's values nest it."""
    for key in reversed(path.split(".")):
        value = {key: value}
    nest: dict[str, Any] = value
    return nest


ROUND_TRIP = {"ACCEPTANCE_TEXT": 'Grüße „今日“ – it\'s "quoted": #1, 100 % & {{ braces }} \\n'}
"""What the suite puts into the ConfigMap's free keys to see it arrive unchanged (CFG-07)."""
