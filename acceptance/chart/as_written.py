"""Values that lose their text because they are not quoted: `tag: 1.10` is the number 1.1 to YAML, `0022` is 18.

A value is judged where its text, given as a string, changes a string of the rendered objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from acceptance.chart.renderer import USUAL, How, Renderer
from acceptance.checks.finding import Finding, Place
from acceptance.core.fields import mapping_at, object_ref
from acceptance.core.secret_scan import strings
from acceptance.core.values import merge_values, nested
from acceptance.kube.manifests import loader_of, read_text_or_empty

TEXTS = re.compile(
    r"(?P<float>[-+]?\d+\.\d*0)|(?P<octal>0[0-7]+|0o[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)|(?P<underscore>\d[\d_]*_\d+)"
    r"|(?P<exponent>\d+e\d+)"
)
"""Plain scalars that YAML reads as something else than their text."""
VERSION = re.compile(r"tag|version|release|revision", re.IGNORECASE)
"""Keys whose values are texts even if they look like decimals: elsewhere 0.70 and 0.7 are the same."""


def unquoted_texts(renderer: Renderer) -> list[Finding]:
    """Return a finding for each unquoted value of a values file whose text does not arrive as it is written."""
    found: list[Finding] = []
    target = renderer.target
    files = [("values.yaml", renderer.chart / "values.yaml", USUAL)]
    files += [(path.name, target.root / path, How(files=(target.root / path,))) for path in target.chart.values_files]
    for name, file, how in files:
        for path, text, line in plain_texts(file):
            found += _lost(renderer, how, name, path, text, line)
    return found


def plain_texts(file: Path) -> Iterator[tuple[str, str, int]]:
    """Yield path, text and line of each unquoted value of a values file that YAML reads as another text."""
    try:
        text = read_text_or_empty(file)
        root = yaml.compose(text, loader_of(text))
    except yaml.YAMLError:
        return  # CHT-09 reports it
    yield from _plain(root, "")


def _plain(node: yaml.Node | None, path: str) -> Iterator[tuple[str, str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        where = f"{path}.{key.value}" if path else str(key.value)
        if isinstance(value, yaml.ScalarNode):
            kind = TEXTS.fullmatch(value.value)
            plain = not value.style and kind is not None and value.tag != "tag:yaml.org,2002:str"
            if plain and kind is not None and (kind.lastgroup != "float" or VERSION.search(str(key.value))):
                yield where, value.value, value.start_mark.line + 1
        else:
            yield from _plain(value, where)


def _lost(renderer: Renderer, how: How, file: str, path: str, text: str, line: int) -> Iterator[Finding]:
    required = renderer.required()
    before = renderer.render(required, how)
    after = renderer.render(merge_values(required, nested(path, text)), how)
    if before.error is not None or after.error is not None:
        return
    quoted = {(object_ref(item), field): value for item in after.objects for field, value in strings(item)}
    for item in before.objects:
        for field, value in strings(item):
            other = quoted.get((object_ref(item), field), value)
            if other == value or text not in other or text in value or _is_checksum(item, value):
                continue
            of_image = field.endswith("image")
            rule = "IMG-02" if of_image else "CHT-09"
            yield Finding(
                rule,
                object_ref(item),
                field,
                f"{text}, as {path} is written in {file} (to YAML it is no text unless it is quoted)",
                _around(value, other, text),
                advice=not renderer.target.strict and not of_image,
                place=Place(file, line, path),
            )
            return


def _around(value: str, other: str, text: str) -> str:
    """Return what is rendered in place of the text."""
    start = other.index(text)
    rest = len(other) - start - len(text)
    return value[start : len(value) - rest] or value


def _is_checksum(item: Any, value: str) -> bool:
    return value in mapping_at(item, "spec.template.metadata.annotations").values()
