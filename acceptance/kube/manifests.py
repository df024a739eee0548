"""Reads the YAML of charts, values files and manifests, as Helm reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from acceptance.core.fields import Object, object_ref

SOURCE = re.compile(r"^# Source: (\S.*?)\s*$", re.M)
"""Helm's comment above each document."""
ANCHOR = re.compile(r"(?:^|[\s\[{,])&([^\s\[\]{},]+)", re.M)


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml where PyYAML has it
    """YAML loader with Helm's rules: of a duplicate key the last value counts, dates and times are strings.

    Numbers are those of Go's library, of which 1e3 is one.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's attribute
        first: [entry for entry in entries if entry[0].rpartition(":")[2] not in ("timestamp", "int", "float")]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, _pattern in (
    ("int", r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list("-+.0123456789"))


class RepeatingLoader(yaml.SafeLoader):
    """The same in Python for texts that define an anchor twice, which YAML allows: the last definition counts."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Forget an earlier definition of the next node's anchor."""
        if not self.check_event(yaml.AliasEvent):
            self.anchors.pop(self.peek_event().anchor, None)  # type: ignore[no-untyped-call] # PyYAML's
        return super().compose_node(parent, index)


def loader_of(text: str) -> type[Loader | RepeatingLoader]:
    """Return the loader for a text: PyYAML's own refuse what defines an anchor twice."""
    anchors = ANCHOR.findall(text)
    return Loader if len(set(anchors)) == len(anchors) else RepeatingLoader


@lru_cache(256)
def duplicate_keys(text: str) -> tuple[tuple[str, str], ...]:
    """Return (`Kind/name`, dotted path) of each key that a YAML stream's mappings have twice; of values, ("", path)."""
    return tuple(_duplicate_keys(text))


def _duplicate_keys(text: str) -> Iterator[tuple[str, str]]:
    loader = loader_of(text)(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            paths = list(_duplicates(node, ""))
            if paths:
                document = loader.construct_document(node)
                owner = object_ref(document) if isinstance(document, dict) and "kind" in document else ""
                yield from ((owner, path) for path in paths)
    except yaml.YAMLError:
        return  # reported where the text is used
    finally:
        loader.dispose()


def _duplicates(node: yaml.Node, path: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, f"{path}[{index}]")
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        where = f"{path}.{name}" if path else name
        if name in seen and key.tag != "tag:yaml.org,2002:merge":
            yield where
        seen.add(name)
        yield from _duplicates(value, where)


def sources(text: str) -> dict[str, str]:
    """Return the template of each object of `helm template`'s output by `Kind/name`, unless several define it."""
    found: dict[str, set[str]] = {}
    template = ""
    for document in re.split(r"^---.*$", text, flags=re.M):
        if named := SOURCE.search(document):
            template = named.group(1)
        for item in documents(document):
            found.setdefault(object_ref(item), set()).add(template)
    return {ref: templates.pop() for ref, templates in found.items() if len(templates) == 1 and "" not in templates}


def documents(text: str) -> list[Object]:
    """Return every object in a YAML stream, Lists expanded into their items; raises `yaml.YAMLError`."""
    found: list[Object] = []
    for document in yaml.load_all(text, loader_of(text)):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise yaml.YAMLError(f"a document is a {type(document).__name__}, not an object")
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            found += [item for item in document["items"] if isinstance(item, dict)]
        else:
            found.append(document)
    return found


def read_text_or_empty(path: Path) -> str:
    """Return a file's text; empty if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def shipped(chart: Path) -> dict[str, Any]:
    """Return the chart's values.yaml; empty if it is missing or not a mapping."""
    return parse_mapping(read_text_or_empty(chart / "values.yaml"))


def parse_mapping(text: str) -> dict[str, Any]:
    """Parse a YAML mapping; empty if the text is not one."""
    try:
        loaded = yaml.load(text, loader_of(text))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
