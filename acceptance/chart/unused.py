"""Unused parts of a chart: templates and values that have no effect on any rendering.

Features are switched on before a part is called unused, and branches that mention it are taken whatever their
conditions say, unless these can't be met. A refused value says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from acceptance.chart.branches import VALUE
from acceptance.chart.optional_values import OPTIONAL_VALUES
from acceptance.chart.reachable import edited, texts_beside, with_branches_of, with_branches_on
from acceptance.chart.renderer import USUAL, WITH_NOTES, WORKERS, How, Renderer
from acceptance.checks.finding import Finding
from acceptance.checks.snapshot import ELSEWHERE
from acceptance.checks.values_schema import resolve
from acceptance.core.fields import at, list_at, mapping_at
from acceptance.core.values import leaves, merge_values, nested, set_paths
from acceptance.kube.manifests import parse_mapping, read_text_or_empty

API_VERSION = re.compile(r"APIVersions\.Has\s+[\"`]([\w./-]+)[\"`]")
ENTRY = {"name": "acceptance", "key": "acceptance", "host": "acceptance.example.com", "value": "1"}
"""An entry of a list whose entries' form is unknown."""
Way = tuple[Mapping[str, Any], How]
"""Values, and Helm's other options."""


def _usual_ways(renderer: Renderer) -> list[Way]:
    """Return ways to render: with notes, without secrets, as an upgrade, with each values file, Namespace, no HPA."""
    values, paths = renderer.required(), renderer.target.values
    ways: list[Way] = [(values, WITH_NOTES), (renderer.target.chart.values, USUAL), (values, How(upgrade=True))]
    ways += _shipped_ways(renderer)
    if paths.namespace_create:
        ways.append((merge_values(values, nested(paths.namespace_create, True)), How(namespace=ELSEWHERE)))
    if paths.hpa_enabled:
        ways.append((merge_values(values, nested(paths.hpa_enabled, False)), USUAL))
    return ways


def _shipped_ways(renderer: Renderer) -> list[Way]:
    target = renderer.target
    return [(renderer.required(), How(files=(target.root / path,))) for path in target.chart.values_files]


def unused_templates(renderer: Renderer) -> list[Finding]:
    """Return a finding for each template file of the chart that can be emptied without any effect."""
    every = (path for path in (renderer.chart / "templates").rglob("*") if path.is_file())
    files = sorted(path for path in every if read_text_or_empty(path).strip())  # not such as .gitkeep

    def is_unused(path: Path) -> bool:
        usual = _usual_ways(renderer)
        switched = [way for way in _switched_on(renderer, path) if renderer.render(*way).error is None]
        emptied = {str(path.relative_to(renderer.chart)): ""}
        if _changes(renderer, emptied, [*usual, *switched]):
            return False
        return not any(
            _changes(other, emptied, [usual[0], *switched]) for other in with_branches_of(renderer, *emptied)
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        unused = [path for path, result in zip(files, pool.map(is_unused, files), strict=True) if result]
    return [
        _finding(renderer, "CHT-08", str(path.relative_to(renderer.chart)), "a part of the release") for path in unused
    ]


def _changes(renderer: Renderer, texts: Mapping[str, str], ways: list[Way]) -> bool:
    """Whether the chart renders differently with other texts of files."""
    with edited(renderer, texts) as other:
        return any(renderer.render(*way) != other.render(*way) for way in ways)


def _switched_on(renderer: Renderer, template: Path) -> list[Way]:
    """Return ways to render with everything switched on that a template asks for, and with every switch on."""
    text = read_text_or_empty(template)
    paths = dict.fromkeys(match[1].lstrip(".") for match in VALUE.finditer(text))
    asked = {path: _truthy(at(renderer.shipped, path)) for path in paths if not at(renderer.shipped, path)}
    how = How(api_versions=tuple(dict.fromkeys(API_VERSION.findall(text))))
    values = renderer.required()
    off = {".".join(keys): True for keys, value in leaves(renderer.shipped) if value is False}
    ways = [merge_values(set_paths({}, asked), values), merge_values(set_paths({}, off | asked), values)]
    return [(way, how) for way in ways] if asked or how.api_versions or off else []


def _truthy(value: object) -> Any:
    match value:
        case list():
            return [ENTRY]
        case dict():
            return {"acceptance": "1"}
        case str():
            return "acceptance"
        case int() | float() if not isinstance(value, bool):
            return 1
    return True


def unused_values(renderer: Renderer) -> list[Finding]:
    """Return a finding for each key of values.yaml that can be changed without any effect.

    So is each key of a shipped values file that values.yaml lacks. A key without an accepted change is not judged.
    """
    required, paths = renderer.required(), renderer.target.values
    ways: list[Way] = [(required, USUAL)]
    # Some keys have an effect only while the HPA is off, and some only on the notes.
    if paths.hpa_enabled:
        ways.append((merge_values(required, nested(paths.hpa_enabled, False)), USUAL))
    ways += [(required, WITH_NOTES), *_shipped_ways(renderer)]
    found = _unused(renderer, list(leaves(renderer.shipped)), ways)
    for path in renderer.target.chart.values_files:
        file = renderer.target.root / path
        written = leaves(parse_mapping(read_text_or_empty(file)))
        unknown = [(keys, value) for keys, value in written if value is not None and not _is_known(renderer, keys)]
        own: list[Way] = [(required, How(files=(file,))), (required, How(files=(file,), notes=True))]
        found += [f"{each}, which {path.name} sets" for each in _unused(renderer, unknown, own)]
    return [_finding(renderer, "CHT-10", path, "a key that changes the release") for path in found]


def _is_known(renderer: Renderer, keys: tuple[str, ...]) -> bool:
    """Whether values.yaml has a key, or a mapping without entries around it."""
    inside: Any = renderer.shipped
    for key in keys:
        if not isinstance(inside, Mapping) or not inside:
            return True
        if key not in inside:
            return False
        inside = inside[key]
    return True


def _unused(renderer: Renderer, found: list[tuple[tuple[str, ...], Any]], ways: list[Way]) -> list[str]:
    """Return the keys without an effect, of mappings in which nothing is used the topmost."""

    def is_unused(keys: tuple[str, ...], value: Any) -> bool:
        path = ".".join(keys)
        if path == renderer.target.values.local_cluster:
            return False  # only changes which replica counts are refused: DEP-03's bounds cover it
        others, switched = alternatives(renderer, keys, value), list(_with_switches(renderer, keys))
        if _has_effect(renderer, path, others, [*ways, *switched]) is not False:
            return False
        if any(_has_effect(renderer, path, [text], ways) for text in texts_beside(renderer, keys[-1])):
            return False
        copies = with_branches_on(renderer, keys[-1])
        return not any(_has_effect(other, path, others, [ways[0], *switched]) for other in copies)

    with ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(lambda leaf: is_unused(*leaf), found)
        unused = {keys for (keys, _), result in zip(found, results, strict=True) if result}
    every = [keys for keys, _ in (*leaves(renderer.shipped), *found)]
    return list(dict.fromkeys(_group(keys, unused, every) for keys in every if keys in unused))


def _has_effect(renderer: Renderer, path: str, others: list[Any], ways: list[Way]) -> bool | None:
    """Whether another value of a key changes any rendering; None if none of the values is accepted."""
    accepted: bool | None = None
    for values, how in ways:
        unaltered = renderer.render(values, how)
        if unaltered.error is not None:
            continue
        for other in others:
            altered = renderer.render(merge_values(values, nested(path, other)), how)
            if altered.error is None:
                accepted = False
                if altered != unaltered:
                    return True
                break  # other values say the same of this way
    return accepted


def _group(keys: tuple[str, ...], unused: set[tuple[str, ...]], every: list[tuple[str, ...]]) -> str:
    """Return the topmost mapping around a key in which nothing is used, or the key itself."""
    for depth in range(1, len(keys)):
        if all(each in unused for each in every if each[:depth] == keys[:depth]):
            return ".".join(keys[:depth])
    return ".".join(keys)


def _with_switches(renderer: Renderer, keys: tuple[str, ...]) -> Iterator[Way]:
    """Yield ways to render with the switches around a key on, then with every switch that the chart has."""
    off = {each: True for each, value in leaves(renderer.shipped) if value is False and each != keys}
    near = {each: True for each in off if each[:-1] == keys[: len(each) - 1]}
    apis = tuple(dict.fromkeys(api for text in renderer.templates.values() for api in API_VERSION.findall(text)))
    for switches in (near, off):
        if switches:
            on = set_paths({}, {".".join(each): True for each in switches})
            yield merge_values(on, renderer.required()), How(notes=True, api_versions=apis)


def _schema(renderer: Renderer, keys: tuple[str, ...]) -> Mapping[str, Any]:
    root = renderer.schema or {}
    body = resolve(root, root)
    for key in keys:
        body = resolve(mapping_at(body, "properties").get(key), root)
    return body


def alternatives(renderer: Renderer, keys: tuple[str, ...], value: Any) -> list[Any]:
    """Return other values to try for a key, the likeliest to be accepted first."""
    usual = OPTIONAL_VALUES.get(keys[-1])
    given = at(renderer.required(), ".".join(keys))
    read = _read_below(renderer, keys) if value in (None, {}) else []
    value = value if given is None else given  # the target's own values may have switched it already
    first = [usual] if usual and not value else []
    first += [set_paths({}, dict.fromkeys(read, "acceptance"))] if read else []
    return [*first, *_others(value, _schema(renderer, keys))]


def _read_below(renderer: Renderer, keys: tuple[str, ...]) -> list[str]:
    """Return the paths below a key that the templates read though no value is there."""
    above = "".join(f".{key}" for key in keys) + "."
    texts = renderer.templates.values()
    return sorted({path[len(above) :] for text in texts for path in VALUE.findall(text) if path.startswith(above)})


def _others(value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield other values, first of all those that the schema lists."""
    yield from (each for each in list_at(schema, "enum") if each != value)
    match value:
        case bool():
            yield not value
        case int() | float():
            yield from (value + 1, value - 1)
        case dict():
            yield {"acceptance": "1"}
        case list():
            yield from ([*value, each] for each in (*value[-1:], ENTRY, {"name": "acceptance"}, "acceptance"))
            yield from ([*value, {"key": "acceptance"}], *([[]] if value else []))
        case None:
            yield from ("acceptance", True, 1, {"acceptance": "1"}, ["acceptance"], [ENTRY])
        case _:
            yield f"{value or ''}1"
            yield from ("acceptance", "1", "acceptance.example.com")
            yield from ("https://acceptance.example.com", "1Mi", "https://acceptance.example.org")


def _finding(renderer: Renderer, rule: str, field: str, expected: str) -> Finding:
    return Finding(rule, "chart", field, expected, "no effect in any rendering", advice=not renderer.target.strict)
