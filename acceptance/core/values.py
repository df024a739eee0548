"""Reads and changes a chart's values by dotted path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from acceptance.core.target import Target


def set_paths(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested `values` with each dotted path of `changes` set; missing mappings are created."""
    result = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *parents, last = path.split(".")
        mapping = result
        for parent in parents:
            if not isinstance(mapping.get(parent), dict):
                mapping[parent] = {}
            mapping = mapping[parent]
        mapping[last] = copy.deepcopy(value)
    return result


def values_by_path(target: Target, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return `known` by the paths in the target's `[values]`; names without a path are left out."""
    paths = target.values.model_dump()
    return {paths[name]: value for name, value in known.items() if paths[name]}


def merge_values(first: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values from left to right as Helm does: mappings key by key; null removes a key; others replace it."""
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
    """Return nested values with one value at a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    values: dict[str, Any] = value
    return values


ROUND_TRIP = {"ACCEPTANCE_TEXT": 'Grüße „今日“ – it\'s "quoted": #1, 100 % & {{ braces }} \\n'}
"""Extra ConfigMap entries that must reach the container unchanged (CFG-07)."""
