"""What the static level asserts of changed values, of a chart that is altered in each of its renderings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acceptance.chart.renderer import USUAL, How, Renderer
from acceptance.chart.unused import unused_values
from acceptance.chart.value_changes import unnoticed_changes
from acceptance.checks.finding import Finding
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, mapping_at
from mutants.generated.changes import Change
from mutants.generated.objects import Mutant

HASHED = ("ConfigMap", "Secret")
CHECKSUM = "checksum/"


class AlteredRenderer(Renderer):
    """Alters the objects of another renderer's renderings as a mutant does."""

    def __init__(self, unmodified: Renderer, mutant: Mutant) -> None:
        super().__init__(unmodified.helm, unmodified.target, unmodified.chart)
        self.credentials = unmodified.credentials
        self._unmodified = unmodified
        self._mutant = mutant
        self._altered: dict[int, Rendering] = {}

    def of_chart(self, chart: Path) -> AlteredRenderer:
        """Return a renderer of another copy of the chart, which alters the objects too."""
        return AlteredRenderer(self._unmodified.of_chart(chart), self._mutant)

    def render(self, values: Mapping[str, Any], how: How = USUAL, *, use_cache: bool = True) -> Rendering:
        """Render the chart with `values`, and alter the objects."""
        rendering = self._unmodified.render(values, how, use_cache=use_cache)
        if id(rendering) not in self._altered:
            objects = self._mutant.alter(rendering.objects)
            if self._mutant.object.partition("/")[0] in HASHED:
                objects = _with_checksums(objects)
            self._altered[id(rendering)] = replace(rendering, objects=objects)
        return self._altered[id(rendering)]


def _with_checksums(objects: tuple[Object, ...]) -> tuple[Object, ...]:
    """Return the objects with checksums of the altered ConfigMaps and Secrets, as templates would make them."""
    data = [item for item in objects if item.get("kind") in HASHED]
    text = json.dumps(data, sort_keys=True, default=str)
    found = []
    for item in objects:
        annotations = mapping_at(item, "spec.template.metadata.annotations")
        for name in annotations:
            if name.startswith(CHECKSUM):
                item = Change("", text).apply(item, ("spec", "template", "metadata", "annotations", name))
        found.append(item)
    return tuple(found)


def _unnoticed(kind: str) -> Callable[[Renderer], list[Finding]]:
    return lambda renderer: unnoticed_changes(renderer, kind)


ASSERTIONS: tuple[Callable[[Renderer], list[Finding]], ...] = (
    unused_values,
    _unnoticed("ConfigMap"),
    _unnoticed("Secret"),
)


def prepare(renderer: Renderer) -> None:
    """Render what the assertions need, which find nothing of the unmodified chart."""
    assert not [each for ask in ASSERTIONS for each in ask(renderer)]


def finding(renderer: Renderer, mutant: Mutant) -> str | None:
    """Return what the assertions find first of a mutant of the renderer's chart."""
    altered = AlteredRenderer(renderer, mutant)
    return next((str(each) for ask in ASSERTIONS for each in ask(altered)), None)
