"""What a chart's values.schema.json says about the keys of its values."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.snapshot import ChartState
from acceptance.core.fields import Object, at, mapping_at

REFUSED = "values don't meet the specifications of the schema"


def resolve(schema: object, root: Object) -> Object:
    """Return the schema that a local `$ref` refers to."""
    for _ in range(8):
        ref = at(schema, "$ref")
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        schema = at(root, ref[2:].replace("/", "."))
    return schema if isinstance(schema, dict) else {}


def is_free(schema: Object) -> bool:
    """Whether a schema allows any key, as it lists none."""
    return "properties" not in schema and schema.get("additionalProperties") is not False


def refused_by_schema(error: str) -> bool:
    """Whether Helm's message is that the values do not fit the schema, rather than the chart's own."""
    return REFUSED in error


def unknown_keys(values: object, schema: object, root: Object, free: str | None, path: str = "") -> Iterator[str]:
    """Yield paths of mappings whose schema lists keys but allows others, and of keys that the schema does not list.

    The mapping at the path `free` may have any key.
    """
    body = resolve(schema, root)
    if isinstance(values, list):
        for index, entry in enumerate(values):
            yield from unknown_keys(entry, mapping_at(body, "items"), root, free, f"{path}[{index}]")
    if not isinstance(values, dict) or (path and (is_free(body) or path == free)):
        return
    if body.get("additionalProperties") is not False:
        yield path or "(top)"
        return
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if key == "global" and not path:
            continue  # defined by Helm
        if key not in mapping_at(body, "properties"):
            yield where
        else:
            yield from unknown_keys(value, mapping_at(body, "properties")[key], root, free, where)


def closed_mappings(chart: ChartState, free: str | None) -> Iterator[str]:
    """Yield paths of the mappings in the chart's values ('' is the root) whose schema lists their keys.

    The first entry of a list has the path `list.0`. The mapping at the path `free` may have any key.
    """
    root = chart.schema or {}

    def walk(values: object, schema: object, path: str) -> Iterator[str]:
        body = resolve(schema, root)
        if isinstance(values, list) and values:
            yield from walk(values[0], mapping_at(body, "items"), f"{path}.0")
        if not isinstance(values, dict) or (path and (is_free(body) or path == free)):
            return
        yield path
        for key, value in values.items():
            yield from walk(value, mapping_at(body, "properties").get(key), f"{path}.{key}" if path else str(key))

    yield from walk(chart.values, root, "")
