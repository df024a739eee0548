"""Reading fields of objects of unknown shape: what is missing, null or of another type reads as absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

Object = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as its JSON holds it."""


def at(value: Any, path: str) -> Any:
    """Return the value under a dotted path (`spec.template.spec`), or None."""
    for key in path.split("."):
        # Nearly always a dict; to ask for the abstract class takes several times as long.
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping_at(value: Any, path: str) -> Object:
    """Return the mapping under a path, or an empty one."""
    found = at(value, path)
    return found if isinstance(found, Mapping) else {}


def mappings_at(value: Any, path: str) -> list[Object]:
    """Return the mappings in the list under a path; members of another type are left out."""
    found = at(value, path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def list_at(value: Any, path: str) -> list[Any]:
    """Return the list under a path, or an empty one."""
    found = at(value, path)
    return found if isinstance(found, list) else []


def text_at(value: Any, path: str, default: str = "") -> str:
    """Return the string under a path, or the default."""
    found = at(value, path)
    return found if isinstance(found, str) else default


def integer_at(value: Any, path: str, default: int) -> int | None:
    """Return the integer under a path: the default where absent, None where it is of another type."""
    found = at(value, path)
    if found is None:
        return default
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def name_of(value: Object) -> str:
    """Return the object's name, or an empty string."""
    return text_at(value, "metadata.name")


def object_ref(value: Object) -> str:
    """Return `Kind/name`, as findings name an object."""
    return f"{text_at(value, 'kind') or 'object'}/{name_of(value) or '(unnamed)'}"


def format_value(value: Any, limit: int = 120) -> str:
    """Format a value as its author writes it: `absent`, `1Gi`, `true`, `[ALL]`; long values are cut at `limit`.

    A string is quoted where YAML would read the bare text as something else: `'true'` is a string, `true` is not.
    """
    text = "absent" if value is None else _as_yaml(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _as_yaml(value: Any) -> str:
    if isinstance(value, str) and ("\n" in value or value == "absent"):
        return json.dumps(value, ensure_ascii=False)
    try:
        text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=2**31)
    except yaml.YAMLError:
        return str(value)
    return text.removesuffix("\n").removesuffix("\n...")
