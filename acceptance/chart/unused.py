"""What of a chart does nothing: template files that may be emptied, keys whose change changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer
from acceptance.checks.finding import Finding
from acceptance.checks.snapshot import ELSEWHERE
from acceptance.core.values import merge_values, nested


def _everything(renderer: Renderer) -> list[object]:
    """The chart in each way that the tests render it: its notes, both switches, and refused without secrets."""
    values, paths = renderer.required(), renderer.target.values
    made = [renderer.render(values, notes=True), renderer.render(renderer.target.chart.values)]
    if paths.namespace_create:
        made.append(renderer.render(merge_values(values, nested(paths.namespace_create, True)), namespace=ELSEWHERE))
    if paths.hpa_enabled:
        made.append(renderer.render(merge_values(values, nested(paths.hpa_enabled, False))))
    return list(made)


def unused_templates(renderer: Renderer, folder: Path) -> list[Finding]:
    """A finding for each template file of the chart's own that can be emptied without any effect."""
    files = sorted(path for path in (renderer.chart / "templates").rglob("*") if path.is_file())
    before = _everything(renderer)

    def without(path: Path) -> bool:
        copy = folder / path.name
        shutil.copytree(renderer.chart, copy)
        (copy / path.relative_to(renderer.chart)).write_text("", encoding="utf-8")
        emptied = Renderer(renderer.helm, renderer.target, copy)
        emptied.given = renderer.given
        return _everything(emptied) == before

    with ThreadPoolExecutor(WORKERS) as pool:
        idle = [path for path, same in zip(files, pool.map(without, files), strict=True) if same]
    return [
        _finding(renderer, "CHT-08", str(path.relative_to(renderer.chart)), "something of the release") for path in idle
    ]


def unused_values(renderer: Renderer) -> list[Finding]:
    """A finding for each key of values.yaml that can be changed without any effect, a refusal being one."""
    required, paths = renderer.required(), renderer.target.values
    off = nested(paths.hpa_enabled, False) if paths.hpa_enabled else {}
    # Some keys count only while the HPA is off, and some for the notes alone.
    ways: list[tuple[dict[str, Any], bool]] = [
        (required, False),
        (merge_values(required, off), False),
        (required, True),
    ]
    before = [renderer.render(values, notes=notes) for values, notes in ways]
    # Whether the cluster is local shows in what is refused: DEP-03's bounds.
    changes = [change for change in _changes(renderer.shipped) if change[0] != paths.local_cluster]

    def effect(change: tuple[str, Any]) -> bool:
        other = nested(*change)
        return any(
            renderer.render(merge_values(values, other), notes=notes) != base
            for (values, notes), base in zip(ways, before, strict=True)
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        reached: dict[str, bool] = {}
        for (path, _), changed in zip(changes, pool.map(effect, changes), strict=True):
            reached[path] = reached.get(path, False) or changed
    return [
        _finding(renderer, "CHT-10", path, "a key that changes the release")
        for path, live in reached.items()
        if not live
    ]


def _changes(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """For each key at the ends of the values, another value of its kind."""
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict) and value:
            yield from _changes(value, where)
        elif isinstance(value, bool):
            yield where, not value
        elif isinstance(value, (int, float)):
            yield where, value + 1
        elif isinstance(value, dict):
            yield where, {"acceptance": "1"}
        elif isinstance(value, list):
            yield where, [*value, *json.loads(json.dumps(value))] or [{"acceptance": "1"}]
        else:
            yield where, f"{value or ''}1"


def _finding(renderer: Renderer, rule: str, field: str, wanted: str) -> Finding:
    return Finding(rule, "chart", field, wanted, "no effect in any rendering", advice=not renderer.target.strict)
