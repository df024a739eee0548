"""Mutants of `values.schema.json` and `_validation.tpl`: each constraint loosened or dropped, in a copy of the chart.

A mutant is killed if a value that must be refused (see `refused`) is rendered. A constraint of the schema that the
templates check as well is equivalent: the value is still refused. What a looser schema accepts and what the templates
render is asked for separately, because Helm validates all values before it renders them: so Helm renders each value
once, without the schema, for all mutants.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.core.values import merge_values
from mutants import charts
from mutants.charts import SCHEMA, VALIDATION
from mutants.generated import refused, validation
from mutants.generated.judge import Outcome

CASES = 3
"""How many accepted values are rendered for one mutant of the schema."""
NO_SCHEMA = "{}"
STILL_REFUSED = "the templates refuse the value too"
DROPPED = frozenset(
    {
        "$ref",
        "additionalProperties",
        "allOf",
        "const",
        "contains",
        "enum",
        "exclusiveMinimum",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "not",
        "pattern",
        "type",
    }
)
"""The keywords that constrain a value by themselves; what `properties` contains is loosened one by one."""
LOOSENED = {"minimum": -1, "exclusiveMinimum": -1, "minItems": -1, "minLength": -1}
LOOSENED |= {"maximum": 1, "maxItems": 1, "maxLength": 1, "maxProperties": 1}


@dataclass(frozen=True)
class SchemaMutant:
    """A schema with one constraint less, or a looser one."""

    id: str
    schema: dict[str, Any]
    place: tuple[str | int, ...]
    """The constraint's place in the schema."""


def schema_mutants(schema: dict[str, Any]) -> Iterator[SchemaMutant]:
    """Yield the mutants of every constraint of a schema."""
    for pointer, keyword, name, body in _looser(schema, ()):
        altered = copy.deepcopy(schema)
        place: Any = altered
        for step in pointer[:-1]:
            place = place[step]
        if pointer:
            place[pointer[-1]] = body
        else:
            altered = body
        yield SchemaMutant(
            f"schema {'/'.join(map(str, pointer)) or '(top)'} {keyword}: {name}", altered, (*pointer, keyword)
        )


Looser = tuple[tuple[str | int, ...], str, str, Any]


def _looser(body: Any, pointer: tuple[str | int, ...]) -> Iterator[Looser]:
    """Yield the place of each subschema, a keyword, what was done to it, and the looser subschema."""
    if isinstance(body, list):
        for index, each in enumerate(body):
            yield from _looser(each, (*pointer, index))
    if not isinstance(body, dict):
        return
    for keyword, value in body.items():
        if keyword in DROPPED and value is not True:
            yield pointer, keyword, "dropped", {key: each for key, each in body.items() if key != keyword}
        for name, looser in _weaker(keyword, value):
            yield pointer, keyword, name, {**body, keyword: looser}
        if keyword in ("properties", "definitions"):
            for key, each in value.items():
                yield from _looser(each, (*pointer, keyword, key))
        elif keyword in ("items", "contains", "allOf", "additionalProperties"):
            yield from _looser(value, (*pointer, keyword))


def _weaker(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield looser values of a keyword, each with its name."""
    if keyword in LOOSENED:
        yield f"{value + LOOSENED[keyword]}", value + LOOSENED[keyword]
    elif keyword == "required":
        yield from ((f"without {name}", [each for each in value if each != name]) for name in value)
    elif keyword == "enum":
        yield "one more", [*value, refused.OTHER]
    elif keyword == "type" and isinstance(value, str):
        yield "or another", [value, "string" if value in ("integer", "boolean", "object", "array") else "integer"]
    elif keyword == "pattern":
        if value.startswith("^"):
            yield "without its start", value[1:]
        if value.endswith("$"):
            yield "without its end", value[:-1]
    elif keyword == "allOf":
        yield from ((f"without {index}", value[:index] + value[index + 1 :]) for index in range(len(value)))
    elif keyword == "patternProperties":
        for pattern, each in value.items():
            yield "any key", {".*": each}
            yield "any value", {pattern: {}}
            for _, inner, name, body in _looser(each, ()):
                yield f"{inner} {name}", {pattern: body}


class Chart:
    """The unmodified chart, and what its mutants render."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.schema: dict[str, Any] = json.loads((renderer.chart / SCHEMA).read_text(encoding="utf-8"))
        self.validation = (renderer.chart / VALIDATION).read_text(encoding="utf-8")
        base = merge_values(renderer.shipped, renderer.required())
        validator = Draft7Validator(self.schema)
        self.by_schema: list[tuple[refused.Case, dict[str, Any], set[tuple[str | int, ...]]]] = []
        """The cases that the schema refuses, all values of each as the schema sees them, and what refuses them."""
        self.by_templates: list[refused.Case] = []
        self.rendered: set[str] = set()
        """The names of cases that the templates render."""
        for case in refused.every():
            values = _without_nulls(merge_values(base, *case.overrides))
            if errors := list(validator.iter_errors(values)):
                self.by_schema.append((case, values, {place for each in errors for place in self._places(each)}))
            else:
                self.by_templates.append(case)

    def _places(self, error: ValidationError) -> Iterator[tuple[str | int, ...]]:
        """Yield the places in the schema that lead to an error, references followed."""
        body: Any = self.schema
        place: tuple[str | int, ...] = ()
        for step in error.absolute_schema_path:
            while "$ref" in body:
                yield (*place, "$ref")
                place = tuple(body["$ref"].removeprefix("#/").split("/"))
                body = self.schema
                for name in place:
                    body = body[str(name)]
            place = (*place, step)
            body = body[step]
            yield place

    def concerned(self, mutant: SchemaMutant) -> list[tuple[refused.Case, dict[str, Any]]]:
        """Return the cases that the mutant's constraint refuses, with their values."""
        *parents, last = place = mutant.place
        wanted = {place}
        if last == "patternProperties":
            wanted.add((*parents, "additionalProperties"))
        if "contains" in place:  # the error is of the whole keyword
            wanted.add(place[: place.index("contains") + 1])
        return [(case, values) for case, values, places in self.by_schema if wanted & places]

    @contextmanager
    def edited(self, file: str, text: str) -> Iterator[Renderer]:
        """Yield a renderer of a copy of the chart in which a file has another text."""

        def edit(chart: Path) -> None:
            (chart / file).write_text(text, encoding="utf-8")

        with charts.Mutant("CHT-10", "", (edit,)).applied(self.renderer.chart) as copied:
            yield self.renderer.of_chart(copied)

    def error(self, case: refused.Case, renderer: Renderer) -> str | None:
        """Return the error of a copy of the chart for a case's values; None if it renders them."""
        return renderer.render(merge_values(self.renderer.required(), *case.overrides)).error

    def judge_schema(self, mutant: SchemaMutant, without_schema: Renderer) -> Outcome:
        """Return the outcome of a mutant of the schema."""
        validator = Draft7Validator(mutant.schema)
        accepted = [case for case, values in self.concerned(mutant) if validator.is_valid(values)]
        accepted.sort(key=lambda case: case.name not in self.rendered)
        found = next((case for case in accepted[:CASES] if self._renders(case, without_schema)), None)
        return Outcome(
            mutant.id, found.finding if found else None, STILL_REFUSED if accepted and found is None else None
        )

    def _renders(self, case: refused.Case, without_schema: Renderer) -> bool:
        if self.error(case, without_schema) is not None:
            return False
        self.rendered.add(case.name)
        return True

    @cached_property
    def statements(self) -> list[tuple[refused.Case, set[int]]]:
        """The cases that the templates refuse, each with the lines of the statements that report it."""
        numbered = validation.numbered(self.validation)
        with self.edited(VALIDATION, numbered) as renderer, ThreadPoolExecutor(WORKERS) as pool:
            errors = list(pool.map(lambda case: self.error(case, renderer) or "", self.by_templates))
        return [
            (case, {int(line) for line in re.findall(r"#(\d+)#", error)})
            for case, error in zip(self.by_templates, errors, strict=True)
        ]

    def judge_validation(self, mutant: validation.Mutant) -> Outcome:
        """Return the outcome of a mutant of the validation template."""
        lines = validation.concerned(mutant, self.validation)
        cases = [case for case, reported in self.statements if reported & lines]
        with self.edited(VALIDATION, mutant.text) as renderer:
            found = next((case for case in cases if self.error(case, renderer) is None), None)
        return Outcome(mutant.id, found.finding if found else None)


def outcomes(renderer: Renderer) -> Iterator[Outcome]:
    """Yield the outcome of every mutant of the schema, then of the validation template."""
    chart = Chart(renderer)
    assert chart.statements
    with chart.edited(SCHEMA, NO_SCHEMA) as without_schema, ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(lambda each: chart.judge_schema(each, without_schema), schema_mutants(chart.schema))
        yield from pool.map(chart.judge_validation, validation.every(chart.validation))


def _without_nulls(values: Any) -> Any:
    """Return the values without the keys that Helm removes."""
    if not isinstance(values, dict):
        return values
    return {key: _without_nulls(value) for key, value in values.items() if value is not None}
