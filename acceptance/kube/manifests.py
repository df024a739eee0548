"""YAML that charts hold: values files and manifests, read as Helm reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from acceptance.core.fields import Object


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml where PyYAML has it
    """YAML as Helm reads it: a key twice is an error, and a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own shape
        first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def documents(text: str) -> list[Object]:
    """Every object in a YAML stream, members of a List one by one; raises `yaml.YAMLError`."""
    found: list[Object] = []
    for document in yaml.load_all(text, Loader):
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
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def shipped(chart: Path) -> dict[str, Any]:
    """The chart's values.yaml; empty where it is missing or not a mapping."""
    return parse_mapping(read_text_or_empty(chart / "values.yaml"))


def parse_mapping(text: str) -> dict[str, Any]:
    try:
        loaded = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def values_of(path: Path) -> dict[str, Any]:
    """A values file of the user's; raises `OSError` where it can't be read."""
    return parse_mapping(path.read_text(encoding="utf-8"))
