"""Trim Kubernetes' own OpenAPI document to what validating an object needs.

    python spec/openapi/trim.py SWAGGER_JSON > spec/openapi/kubernetes.json

SWAGGER_JSON is `api/openapi-spec/swagger.json` of the Go module `k8s.io/kubernetes` at the pinned version:
`$(go env GOMODCACHE)/k8s.io/kubernetes@v1.37.2/api/openapi-spec/swagger.json`.

What is written, as JSON Schema:
- `definitions`: every definition that an object of a stable API version (`v1`, `v2`) reaches, without prose;
  a field that the definition does not know is an error, as under the API server's strict field validation;
- `kinds`: `apiVersion/kind` to its definition, its path in the API, and whether it is namespaced.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STABLE = re.compile(r"v\d+")
KEPT = ("type", "format", "enum", "required", "minimum", "maximum", "pattern", "items")
REF = "#/definitions/"
INT_OR_STRING = {"type": ["integer", "string"]}
QUANTITY = {"type": ["number", "string"]}  # the API reads a bare number as a quantity
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
}


def trimmed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without prose, closed where it lists its properties."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    kept: dict[str, Any] = {key: schema[key] for key in KEPT if key in schema}
    if isinstance(kept.get("items"), dict):
        kept["items"] = trimmed(kept["items"])
    if "properties" in schema:
        kept["properties"] = {name: trimmed(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            kept["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = trimmed(schema["additionalProperties"])
    return kept


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(REF)
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def kinds(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every stable kind that can be created, by `apiVersion/kind`."""
    found: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        create = operations.get("post")
        kind = (create or {}).get("x-kubernetes-group-version-kind")
        body = next((p for p in (create or {}).get("parameters", []) if p.get("in") == "body"), None)
        if not kind or not body or not STABLE.fullmatch(kind["version"]):
            continue
        definition = body["schema"]["$ref"].removeprefix(REF)
        if not definition.endswith(f".{kind['kind']}"):  # a subresource such as pods/eviction
            continue
        version = "/".join(filter(None, (kind["group"], kind["version"])))
        found[f"{version}/{kind['kind']}"] = {
            "definition": definition,
            "namespaced": "{namespace}" in path,
            "path": path,
        }
    return dict(sorted(found.items()))


def trim(document: dict[str, Any]) -> dict[str, Any]:
    """The whole trimmed document."""
    stable = kinds(document)
    definitions: dict[str, Any] = {}
    pending = [entry["definition"] for entry in stable.values()]
    while pending:
        name = pending.pop()
        if name in definitions:
            continue
        definitions[name] = SPECIAL.get(name) or trimmed(document["definitions"][name])
        pending += references(definitions[name])
    return {"kinds": stable, "definitions": dict(sorted(definitions.items()))}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(trim(source), sys.stdout, separators=(",", ":"), sort_keys=True)
    sys.stdout.write("\n")
