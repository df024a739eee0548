"""Values drawn from a chart's JSON Schema, a few keys at a time: each set is rejected with a key's path, or renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acceptance import checks
from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.checks.values_schema import resolve
from acceptance.core.fields import Object, format_value, list_at, mapping_at, text_at
from acceptance.core.target import Target
from acceptance.core.values import merge_values, set_paths

EXAMPLES = 40
"""How many sets of values are drawn: each takes one rendering."""
MAX_KEYS = 5
"""How many values are changed together at most: of more, most sets would be refused for one of them."""
MAX_LENGTH = 63
"""The longest text that is drawn where a schema permits longer ones: that of a DNS label."""
# Rules that hold for any values; the others expect figures, names and ports that the target states.
SOUND = {
    "POD-04", "POD-05", "POD-07", "POD-13", "DEP-04", "DEP-07", "SVC-03", "SVC-08", "CFG-03", "CFG-04",
    "CFG-05", "CFG-06", "CFG-08", "SEC-03", "SEC-04", "SEC-05", "SEC-06", "SEC-07", "HPA-05", "HPA-06", "HPA-07",
    "HPA-11", "CHT-09", "CHT-10", "REL-05", "PER-02", "STA-06", "SCY-01", "SCY-02", "SCY-03", "SCY-05", "SCY-09",
}  # fmt: skip
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
            least = int(body.get("minimum", min(0, int(body.get("maximum", 0)))))
            return st.integers(least, int(body.get("maximum", least + 1000)))
        case "number":
            return st.sampled_from([0.25, 0.5, 1, 2.5])
        case "string":
            longest = min(int(body.get("maxLength", MAX_LENGTH)), MAX_LENGTH)
            try:
                pattern = re.compile(str(body.get("pattern", "^[ -~]*$")))
            except re.error:
                return None  # ECMAScript's, which Python does not know
            text = st.from_regex(pattern, alphabet=PRINTABLE)
            return text.filter(lambda drawn: int(body.get("minLength", 0)) <= len(drawn) <= longest)
    return None


@st.composite
def changes(draw: st.DrawFn, values: Object, schema: Object) -> dict[str, Any]:
    """Draw up to `MAX_KEYS` leaves by dotted path, each with a value that its schema accepts."""
    strategies = dict(leaf_strategies(values, schema, schema))
    paths = draw(st.lists(st.sampled_from(sorted(strategies)), min_size=1, max_size=MAX_KEYS, unique=True))
    return {path: draw(strategies[path]) for path in paths}


def drawn(renderer: Renderer, schema: Object) -> list[dict[str, Any]]:
    """Return the sets of values that are tried, by dotted path: the same each time."""
    sets: list[dict[str, Any]] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(changes(renderer.shipped, schema))
    def draw(values: dict[str, Any]) -> None:
        sets.append(values)

    draw()
    return sets


class GeneratedValues:
    """A chart rendered with values that its schema accepts.

    Attributes:
        rendered: The drawn values, and the chart as rendered with them.
        refused: Drawn values, and the message that they were refused with.
    """

    def __init__(self, renderer: Renderer, base: Snapshot) -> None:
        """Draw and render; raises `Untested` if the chart has no schema or does not render."""
        assert base.chart is not None
        if base.chart.schema is None:
            raise Untested("the chart has no values.schema.json (CHT-10)")
        if base.chart.rendering.error is not None:
            raise Untested("the chart does not render (CHT-09)")
        self._renderer = renderer
        self._base = base
        schema = base.chart.schema
        self._paths = [path for path, _ in leaf_strategies(renderer.shipped, schema, schema)]
        sets = drawn(renderer, schema) if self._paths else []
        with ThreadPoolExecutor(WORKERS) as pool:
            snapshots = list(pool.map(self._snapshot, sets))
        self.rendered: list[tuple[dict[str, Any], Snapshot]] = []
        self.refused: list[tuple[dict[str, Any], str]] = []
        for values, snapshot in zip(sets, snapshots, strict=True):
            assert snapshot.chart is not None
            if (error := snapshot.chart.rendering.error) is not None:
                self.refused.append((values, error))
            else:
                self.rendered.append((values, snapshot))

    def _snapshot(self, values: dict[str, Any]) -> Snapshot:
        # The secrets are the run's; the rest is generated.
        snapshot = self._renderer.with_values(
            self._base, merge_values(set_paths({}, values), self._renderer.required())
        )
        shown = ", ".join(f"{path} {format_value(value, 40)}" for path, value in values.items())
        return replace(snapshot, variant=f"values {shown}")

    def subjects(self) -> list[tuple[Snapshot, Target]]:
        """Return each rendering with the target as it fits it: objects follow the drawn namespace."""
        return [(snapshot, self._stated(snapshot)) for _, snapshot in self.rendered]

    def _stated(self, snapshot: Snapshot) -> Target:
        target = self._renderer.target
        services = snapshot.of_kind("Service")
        namespace = text_at(services[0], "metadata.namespace") if services else ""
        chart = target.chart.model_copy(update={"namespace": namespace or target.chart.namespace})
        return target.model_copy(update={"chart": chart})

    def findings(self) -> list[Finding]:
        """Return the CHT-10 findings: a refusal without a key's path and, as advice, accepted values that break rules.

        On a strict target the rules themselves report what accepted values break.

        Raises:
            Untested: Every set of values was rejected.
        """
        target = self._renderer.target
        found = [
            Finding("CHT-10", "values", ", ".join(values), "rejected with a key's path", error, not target.strict)
            for values, error in self.refused
            if not any(all(word in error for word in path.split(".")) for path in self._paths)
        ]
        if not self.rendered and not found:
            raise Untested("no set of values drawn from the schema was accepted")
        return found if target.strict else [*found, *self._advice()]

    def _advice(self) -> list[Finding]:
        """Return advice for each key whose drawn value alone breaks a rule, though the schema accepts it."""
        usual = {each.rule for each in self._broken(self._base)}
        blamed: dict[str, Finding] = {}
        for values, snapshot in self.rendered:
            if values.keys() & blamed.keys() or not {each.rule for each in self._broken(snapshot)} - usual:
                continue
            for path, value in values.items():
                broken = [each for each in self._broken(self._snapshot({path: value})) if each.rule not in usual]
                if broken:
                    actual = f"accepts {format_value(value, 40)}, which breaks {broken[0].rule}: {broken[0].object}"
                    expected = "a schema that accepts only values that the rules allow"
                    blamed[path] = Finding(
                        "CHT-10", "values.schema.json", path, expected, f"{actual} {broken[0].field}", advice=True
                    )
                    break
        return list(blamed.values())

    def _broken(self, snapshot: Snapshot) -> list[Finding]:
        assert snapshot.chart is not None
        if snapshot.chart.rendering.error is not None:
            return []
        chosen = [each for each in checks.for_level("static") if each.rule in SOUND]
        found = checks.run_checks(snapshot, self._stated(snapshot), chosen).findings
        return [each for each in found if not each.advice]
