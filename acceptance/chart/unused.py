"""Unused parts of a chart: templates and values that have no effect on any rendering."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.finding import Finding
from acceptance.checks.snapshot import ELSEWHERE, Rendering
from acceptance.core.values import leaves, merge_values, nested


def _all_renderings(renderer: Renderer) -> list[Rendering]:
    """Render the chart with notes, without the secrets, with its Namespace, and without its HPA."""
    values, paths = renderer.required(), renderer.target.values
    renderings = [renderer.render(values, notes=True), renderer.render(renderer.target.chart.values)]
    if paths.namespace_create:
        renderings.append(
            renderer.render(merge_values(values, nested(paths.namespace_create, True)), namespace=ELSEWHERE)
        )
    if paths.hpa_enabled:
        renderings.append(renderer.render(merge_values(values, nested(paths.hpa_enabled, False))))
    return renderings


def unused_templates(renderer: Renderer) -> list[Finding]:
    """Return a finding for each template file of the chart that can be emptied without any effect."""
    files = sorted(path for path in (renderer.chart / "templates").rglob("*") if path.is_file())
    unaltered = _all_renderings(renderer)

    def is_unused(path: Path) -> bool:
        with tempfile.TemporaryDirectory(prefix="unused-") as folder:
            copy = Path(folder) / renderer.chart.name
            shutil.copytree(renderer.chart, copy)
            (copy / path.relative_to(renderer.chart)).write_text("", encoding="utf-8")
            emptied = Renderer(renderer.helm, renderer.target, copy)
            emptied.credentials = renderer.credentials
            return _all_renderings(emptied) == unaltered

    with ThreadPoolExecutor(WORKERS) as pool:
        unused = [path for path, result in zip(files, pool.map(is_unused, files), strict=True) if result]
    return [
        _finding(renderer, "CHT-08", str(path.relative_to(renderer.chart)), "a part of the release") for path in unused
    ]


def unused_values(renderer: Renderer) -> list[Finding]:
    """Return a finding for each key of values.yaml whose change has no effect; a failed rendering is an effect."""
    required, paths = renderer.required(), renderer.target.values
    hpa_off = nested(paths.hpa_enabled, False) if paths.hpa_enabled else {}
    # Some keys have an effect only while the HPA is off, and some only on the notes.
    variants: list[tuple[dict[str, Any], bool]] = [
        (required, False),
        (merge_values(required, hpa_off), False),
        (required, True),
    ]
    unaltered = [renderer.render(values, notes=notes) for values, notes in variants]
    # local_cluster only changes which replica counts are refused: DEP-03's bounds cover it.
    changes = [change for change in _changes(renderer.shipped) if change[0] != paths.local_cluster]

    def has_effect(change: tuple[str, Any]) -> bool:
        changed = nested(*change)
        return any(
            renderer.render(merge_values(values, changed), notes=notes) != rendering
            for (values, notes), rendering in zip(variants, unaltered, strict=True)
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        used: dict[str, bool] = {}
        for (path, _), result in zip(changes, pool.map(has_effect, changes), strict=True):
            used[path] = used.get(path, False) or result
    return [
        _finding(renderer, "CHT-10", path, "a key that changes the release")
        for path, is_used in used.items()
        if not is_used
    ]


def _changes(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, another value of the same type) for each leaf of the values."""
    for keys, value in leaves(values):
        yield ".".join(keys), another(value)


def another(value: Any) -> Any:
    """Return another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case dict():
            return {"acceptance": "1"}
        case list():
            return [*value, *value] or [{"acceptance": "1"}]
        case _:
            return f"{value or ''}1"


def _finding(renderer: Renderer, rule: str, field: str, expected: str) -> Finding:
    return Finding(rule, "chart", field, expected, "no effect in any rendering", advice=not renderer.target.strict)
