"""Objects that users add by a value, such as `extraObjects`: each of several is rendered as it is given."""

from __future__ import annotations

import re
from typing import Any

import yaml

from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding
from acceptance.core.fields import name_of
from acceptance.core.values import leaves, merge_values, nested

OBJECTS = re.compile(r"(?i)(extra|additional|raw|custom)(k8s|kubernetes)?(objects|deploy|manifests|resources|list)")
"""The last key of a value that lists whole objects."""
NAMES = ("acceptance-one", "acceptance-two")


def lost_objects(renderer: Renderer) -> list[Finding]:
    """Return a finding for each value that takes one object, as a mapping or a text, but not two of them."""
    found = []
    for keys, value in leaves(renderer.shipped):
        if value != [] or not OBJECTS.fullmatch(keys[-1]):
            continue
        path = ".".join(keys)
        for as_text in (False, True):
            if _rendered(renderer, path, NAMES[:1], as_text=as_text) != 1:
                continue
            count = _rendered(renderer, path, NAMES, as_text=as_text)
            if count != len(NAMES):
                actual = "refused" if count is None else f"{count} of {len(NAMES)}"
                advice = not renderer.target.strict
                found.append(Finding("CHT-09", "chart", path, "each of two objects rendered", actual, advice))
            break
    return found


def _rendered(renderer: Renderer, path: str, names: tuple[str, ...], *, as_text: bool) -> int | None:
    """Return how many of some ConfigMaps are rendered as given, or None if the chart does not render."""
    given = [_config_map(name) for name in names]
    values: list[Any] = [yaml.safe_dump(each) for each in given] if as_text else list(given)
    rendering = renderer.render(merge_values(renderer.required(), nested(path, values)))
    if rendering.error is not None:
        return None
    data = {name_of(item): item.get("data") for item in rendering.objects}
    return len([each for each in given if data.get(name_of(each)) == each["data"]])


def _config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"name": name}}
