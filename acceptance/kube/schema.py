"""Validates objects against the trimmed OpenAPI schema of Kubernetes in `spec/openapi/` (see `trim.py` there)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from acceptance.core.fields import Object, at, format_value, mapping_at, text_at
from acceptance.core.rules import ROOT

DOCUMENT = ROOT / "spec" / "openapi" / "kubernetes.json"
KUBERNETES_VERSION = "1.37.2"


@cache
def document() -> dict[str, Any]:
    """Return the trimmed schema document."""
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def kind_of(item: Object) -> str:
    """Return `apiVersion/kind`, the key of a kind in the document."""
    return f"{text_at(item, 'apiVersion')}/{text_at(item, 'kind')}"


@cache
def _validator(kind: str) -> Draft7Validator | None:
    entry = document()["kinds"].get(kind)
    if entry is None:
        return None
    definitions = document()["definitions"]
    return Draft7Validator({"$ref": f"#/definitions/{entry['definition']}", "definitions": definitions})


def errors(item: Object) -> list[tuple[str, str]] | None:
    """Return the schema errors of an object as (field, message).

    None for a kind that is not in the document: this version of Kubernetes does not serve it as stable.
    """
    validator = _validator(kind_of(item))
    if validator is None:
        return None
    plain = _plain(item)
    secret = text_at(item, "kind") == "Secret"
    return [
        (_path(plain, list(error.absolute_path)) or "object", _words(error, secret=secret))
        for error in validator.iter_errors(plain)
    ]


def _path(value: Any, keys: Sequence[str | int]) -> str:
    """Return a path as findings write it: `spec.containers[backend].image`, the items of a list by their names."""
    path = ""
    for key in keys:
        value = value[key]
        if isinstance(key, int):
            path += f"[{text_at(value, 'name') or key}]"
        else:
            path += f".{key}" if path else key
    return path


def _words(error: ValidationError, *, secret: bool) -> str:
    # Neither a Secret's values nor a long one.
    value = "the value" if secret else format_value(error.instance, 60)
    expected = format_value(error.validator_value, 60)
    match error.validator:
        case "type":
            return f"{value} is not of type {expected}"
        case "additionalProperties":
            return (
                f"unknown: {', '.join(sorted({*_mapping(error.instance)} - {*mapping_at(error.schema, 'properties')}))}"
            )
        case "required":
            return error.message.replace("'", "").replace(" is a required property", " is absent")
        case "enum":
            return f"{value} is not one of {expected}"
    return f"{value} does not fit {error.validator} {expected}"


def _mapping(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> Any:
    """Return the value as the API server reads it: a null is an absent field."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value


def is_namespaced(item: Object, others: Iterable[Object] = ()) -> bool:
    """Return whether the object's kind is namespaced.

    A custom kind is by its definition among `others`; without one it is if the object states a namespace, which the API
    server refuses of any other.
    """
    entry = document()["kinds"].get(kind_of(item))
    if entry is not None:
        return bool(entry["namespaced"])
    for definition in others:
        if (
            text_at(definition, "kind") == "CustomResourceDefinition"
            and at(definition, "spec.names.kind") == at(item, "kind")
            and text_at(item, "apiVersion").startswith(f"{at(definition, 'spec.group')}/")
        ):
            return bool(at(definition, "spec.scope") == "Namespaced")
    return bool(text_at(item, "metadata.namespace"))
