"""Copies of a chart in which one branch of a template is taken, whatever its conditions say, if they can be met."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from acceptance.chart.branches import LITERAL, Branch, branches, depends_on
from acceptance.chart.renderer import Renderer
from acceptance.checks.values_schema import resolve
from acceptance.core.fields import mapping_at

DEFINITION = re.compile(r"{{-?\s*define\s+\"(?P<name>[^\"]+)\"\s*-?}}(?P<body>.*?)(?={{-?\s*define\s|\Z)", re.DOTALL)
"""A named template."""


@contextmanager
def edited(renderer: Renderer, texts: Mapping[str, str]) -> Iterator[Renderer]:
    """Yield a renderer of a copy of the chart with other texts of files, by path."""
    with tempfile.TemporaryDirectory(prefix="edited-") as folder:
        copy = Path(folder) / renderer.chart.name
        shutil.copytree(renderer.chart, copy)
        for path, text in texts.items():
            (copy / path).write_text(text, encoding="utf-8")
        yield renderer.of_chart(copy)


def with_branches_of(renderer: Renderer, template: str) -> Iterator[Renderer]:
    """Yield a copy for each branch of a template file, and for each one that includes what it defines."""
    names = [match["name"] for match in DEFINITION.finditer(renderer.templates[template])]
    yield from _with_branches(renderer, lambda file, branch: file == template or _includes(branch.content, names))


def with_branches_on(renderer: Renderer, key: str) -> Iterator[Renderer]:
    """Yield copies for each branch that mentions a key of the values or depends on one, or includes what does."""
    names = [
        match["name"]
        for text in renderer.templates.values()
        for match in DEFINITION.finditer(text)
        if _mentions(match["body"], key)
    ]

    def concerns(_: str, branch: Branch) -> bool:
        texts = (branch.content, *branch.conditions)
        return any(_mentions(each, key) for each in texts) or _includes(branch.content, names)

    yield from _with_branches(renderer, concerns)


def texts_beside(renderer: Renderer, key: str) -> list[str]:
    """Return the texts in the conditions that mention a key of the values, which may be compared with it."""
    conditions = (
        each for text in renderer.templates.values() for branch in branches(text) for each in branch.conditions
    )
    found = (text[1:-1] for each in conditions if _mentions(each, key) for text in LITERAL.findall(each))
    return list(dict.fromkeys(found))


def _mentions(text: str, key: str) -> bool:
    return re.search(rf"\b{re.escape(key)}\b", text) is not None


def _includes(content: str, names: list[str]) -> bool:
    return any(f'"{name}"' in content for name in names)


def _with_branches(renderer: Renderer, chosen: Callable[[str, Branch], bool]) -> Iterator[Renderer]:
    """Yield copies for each branch that is chosen, given its file, and whose conditions can be met."""
    for file, text in renderer.templates.items():
        if not (renderer.chart / file).is_file():
            continue  # in the archive of a subchart
        for branch in branches(text):
            if chosen(file, branch) and all(_can_be_met(renderer, file, each) for each in branch.conditions):
                for taken in branch.taken:
                    with edited(renderer, {file: taken}) as copy:
                        yield copy


def _can_be_met(renderer: Renderer, file: str, condition: str) -> bool:
    """Whether a condition depends on more than constants, and values that the schema refuses."""
    paths = depends_on(condition)
    if paths is None or file.startswith("charts/"):
        return paths != set()
    return any(_is_allowed(renderer, path) for path in paths)


def _is_allowed(renderer: Renderer, path: str) -> bool:
    """Whether the schema allows a value; Helm allows `global` always."""
    root = renderer.schema or {}
    body = resolve(root, root)
    for key in path.split("."):
        properties = mapping_at(body, "properties")
        if key not in properties and body.get("additionalProperties") is False:
            return path.startswith("global.")
        body = resolve(properties.get(key), root)
    return True
