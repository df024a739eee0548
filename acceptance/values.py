"""Values of a chart by dotted path, and what a run gives a release beyond the shipped ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from acceptance.target import Target


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
