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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
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
        self.rendered_without_schema: set[str] = set()
        self.refused_without_schema: set[str] = set()
        self._lock = Lock()
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

    def error(self, case: refused.Case, edit: charts.Edit) -> str | None:
        """Return the error of a copy of the chart with this edit for a case's values; None if it renders them."""
        with charts.Mutant("CHT-10", "", (edit,)).applied(self.renderer.chart) as copied:
            renderer = Renderer(self.renderer.helm, self.renderer.target, copied)
            renderer.credentials = self.renderer.credentials
            return renderer.render(merge_values(self.renderer.required(), *case.overrides)).error

    def judge_schema(self, mutant: SchemaMutant) -> Outcome:
        """Return the outcome of a mutant of the schema."""
        validator = Draft7Validator(mutant.schema)
        accepted = [case for case, values in self.concerned(mutant) if validator.is_valid(values)]
        accepted.sort(key=lambda case: case.name not in self.rendered_without_schema)
        rendered = next((case for case in accepted[:CASES] if self._renders_without_schema(case)), None)
        finding = rendered.finding if rendered else None
        return Outcome(mutant.id, finding, STILL_REFUSED if accepted and not rendered else None)

    def _renders_without_schema(self, case: refused.Case) -> bool:
        with self._lock:
            if case.name in self.rendered_without_schema:
                return True
            if case.name in self.refused_without_schema:
                return False
        rendered = self.error(case, _write(SCHEMA, NO_SCHEMA)) is None
        with self._lock:
            (self.rendered_without_schema if rendered else self.refused_without_schema).add(case.name)
        return rendered

    @cached_property
    def statements(self) -> list[tuple[refused.Case, set[int]]]:
        """The cases that the templates refuse, each with the lines of the statements that report it."""
        edit = _write(VALIDATION, validation.numbered(self.validation))
        with ThreadPoolExecutor(WORKERS) as pool:
            errors = list(pool.map(lambda case: self.error(case, edit) or "", self.by_templates))
        return [
            (case, {int(line) for line in re.findall(r"#(\d+)#", error)})
            for case, error in zip(self.by_templates, errors, strict=True)
        ]

    def judge_validation(self, mutant: validation.Mutant) -> Outcome:
        """Return the outcome of a mutant of the validation template."""
        lines = validation.concerned(mutant, self.validation)
        cases = [case for case, reported in self.statements if reported & lines]
        return Outcome(mutant.id, self._rendered(cases, _write(VALIDATION, mutant.text)))

    def _rendered(self, cases: list[refused.Case], edit: charts.Edit) -> str | None:
        """Return a finding on the first case that the edited chart renders."""
        found = (case for case in cases if self.error(case, edit) is None)
        return next((case.finding for case in found), None)


def outcomes(renderer: Renderer) -> Iterator[Outcome]:
    """Yield the outcome of every mutant of the schema, then of the validation template."""
    chart = Chart(renderer)
    assert chart.statements
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(chart.judge_schema, schema_mutants(chart.schema))
        yield from pool.map(chart.judge_validation, validation.every(chart.validation))


def _without_nulls(values: Any) -> Any:
    """Return the values without the keys that Helm removes."""
    if not isinstance(values, dict):
        return values
    return {key: _without_nulls(value) for key, value in values.items() if value is not None}


def _write(file: str, text: str) -> charts.Edit:
    def edit(chart: Path) -> None:
        (chart / file).write_text(text, encoding="utf-8")

    return edit
