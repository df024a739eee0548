"""Validates objects against the trimmed OpenAPI schema of Kubernetes in `spec/openapi/` (see `trim.py` there)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from acceptance.core.fields import Object, at, text_at
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
    return [
        (".".join(map(str, error.absolute_path)) or "object", _words(error, kind_of(item)))
        for error in validator.iter_errors(_plain(item))
    ]


def _words(error: ValidationError, kind: str) -> str:
    # The message quotes the value, which may be a Secret's; a long one may be anything.
    if kind == "v1/Secret" or len(error.message) > 160:
        return f"does not fit {error.validator} {error.validator_value}"[:160]
    return error.message


def _plain(value: Any) -> Any:
    """Return the value as the API server reads it: a null is an absent field."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value


def is_namespaced(item: Object, others: Iterable[Object] = ()) -> bool:
    """Return whether the object's kind is namespaced; for a custom kind, by its definition among `others`."""
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
    return False
