"""Values drawn from a chart's JSON Schema, for hypothesis: a few keys at a time, as its schema lets them through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from acceptance.checks.chart import resolve
from acceptance.core.fields import Object, list_at, mapping_at

MAX_KEYS = 5
MAX_LENGTH = 63
PRINTABLE = st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E)


def leaves(values: Any, schema: object, root: Object, path: str = "") -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    """Every key of the shipped values that a strategy can be told for, by dotted path."""
    body = resolve(schema, root)
    properties = mapping_at(body, "properties")
    if isinstance(values, dict) and properties:
        for key, value in values.items():
            if key in properties:
                yield from leaves(value, properties[key], root, f"{path}.{key}" if path else str(key))
    elif (drawn := strategy(body)) is not None:
        yield path, drawn


def strategy(body: Object) -> st.SearchStrategy[Any] | None:
    """Values of a schema without properties; None for keywords that say more than is known here."""
    if "const" in body:
        return st.just(body["const"])
    if "enum" in body:
        return st.sampled_from(list_at(body, "enum"))
    if {"not", "allOf", "anyOf", "oneOf", "if"} & set(body):
        return None
    kinds = body.get("type")
    chosen = [_of_type(kind, body) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    known = [each for each in chosen if each is not None]
    return st.one_of(known) if known else None


def _of_type(kind: object, body: Object) -> st.SearchStrategy[Any] | None:
    match kind:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(int(body.get("minimum", 0)), int(body.get("maximum", 1000)))
        case "number":
            return st.sampled_from([0.25, 0.5, 1, 2.5])
        case "string":
            most = min(int(body.get("maxLength", MAX_LENGTH)), MAX_LENGTH)
            drawn = st.from_regex(str(body.get("pattern", "^[ -~]*$")), alphabet=PRINTABLE)
            return drawn.filter(lambda text: int(body.get("minLength", 0)) <= len(text) <= most)
    return None


@st.composite
def changes(draw: st.DrawFn, values: Object, schema: Object) -> dict[str, Any]:
    """Up to `MAX_KEYS` keys by dotted path, and a value for each that its schema takes."""
    known = dict(leaves(values, schema, schema))
    paths = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=MAX_KEYS, unique=True))
    return {path: draw(known[path]) for path in paths}
