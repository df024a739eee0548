"""Hypothesis strategies that draw valid values from a chart's JSON Schema, a few keys at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from acceptance.checks.chart import resolve
from acceptance.core.fields import Object, list_at, mapping_at

MAX_KEYS = 5
MAX_LENGTH = 63
PRINTABLE = st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E)


def leaf_strategies(
    values: Any, schema: object, root: Object, path: str = ""
) -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    """Yield (dotted path, strategy) for each leaf of the shipped values whose schema `strategy` supports."""
    body = resolve(schema, root)
    properties = mapping_at(body, "properties")
    if isinstance(values, dict) and properties:
        for key, value in values.items():
            if key in properties:
                yield from leaf_strategies(value, properties[key], root, f"{path}.{key}" if path else str(key))
    elif (supported := strategy(body)) is not None:
        yield path, supported


def strategy(body: Object) -> st.SearchStrategy[Any] | None:
    """Return a strategy for a schema without properties, or None if the schema uses an unsupported keyword."""
    if "const" in body:
        return st.just(body["const"])
    if "enum" in body:
        return st.sampled_from(list_at(body, "enum"))
    if {"not", "allOf", "anyOf", "oneOf", "if"} & set(body):
        return None
    types = body.get("type")
    strategies = [_of_type(name, body) for name in (types if isinstance(types, list) else [types])]
    supported = [each for each in strategies if each is not None]
    return st.one_of(supported) if supported else None


def _of_type(name: object, body: Object) -> st.SearchStrategy[Any] | None:
    """Return a strategy for a schema of the given type, or None for `null`, arrays and objects."""
    match name:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(int(body.get("minimum", 0)), int(body.get("maximum", 1000)))
        case "number":
            return st.sampled_from([0.25, 0.5, 1, 2.5])
        case "string":
            longest = min(int(body.get("maxLength", MAX_LENGTH)), MAX_LENGTH)
            text = st.from_regex(str(body.get("pattern", "^[ -~]*$")), alphabet=PRINTABLE)
            return text.filter(lambda drawn: int(body.get("minLength", 0)) <= len(drawn) <= longest)
    return None


@st.composite
def changes(draw: st.DrawFn, values: Object, schema: Object) -> dict[str, Any]:
    """Draw up to `MAX_KEYS` leaves by dotted path, each with a value that its schema accepts."""
    strategies = dict(leaf_strategies(values, schema, schema))
    paths = draw(st.lists(st.sampled_from(sorted(strategies)), min_size=1, max_size=MAX_KEYS, unique=True))
    return {path: draw(strategies[path]) for path in paths}
