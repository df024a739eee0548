"""Mutants of names, namespaces, keys and sizes."""

from __future__ import annotations

import base64
from typing import Any

from mutants.draft import Alter, Draft, Where
from mutants.snapshots.registry import encoded, field, fields, mutant

ROLES: dict[str, tuple[Where, str]] = {
    "DEP": (Draft.deployment, "DEP"),
    "SVC": (Draft.service, "SVC"),
    "CFG": (Draft.config_map, "CFG"),
    "SEC": (Draft.secret, "SEC"),
    "HPA": (Draft.autoscaler, "HPA"),
}


def rename(where: Where, name: str, follow: bool) -> Alter:
    """Return an alteration that renames an object, with `follow` in the target too (only the format is wrong then)."""

    def alter(draft: Draft) -> None:
        for body in where(draft):
            old = body["metadata"]["name"]
            body["metadata"]["name"] = name
            if follow:
                draft.target = retargeted(draft, old, name)

    return alter


def retargeted(draft: Draft, old: str, new: str) -> Any:
    """Return the target with a name replaced everywhere."""

    def swap(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: swap(entry) for key, entry in value.items()}
        return new if value == old else value

    return type(draft.target).model_validate(swap(draft.target.model_dump()))


for prefix, (role, _) in ROLES.items():
    for label in ("Todo_Name", "a" * 64, "-todo", "todo.name"):
        mutant(f"{prefix}-01", f"name {label[:12]}", refused=label != "todo.name")(rename(role, label, follow=True))
    mutant(f"{prefix}-01", "another name than stated")(rename(role, "another-name", follow=False))
    field(f"{prefix}-02", "another namespace", role, "metadata.namespace", "elsewhere")
for prefix in ("CFG", "SEC"):
    role = ROLES[prefix][0]
    fields({"CFG": "CFG-09", "SEC": "SEC-10"}[prefix], role, "immutable", {"immutable": True})

    @mutant({"CFG": "CFG-06", "SEC": "SEC-08"}[prefix], "a space in a key", refused=True)
    def _key_with_space(draft: Draft, role: Where = role) -> None:
        role(draft)[0]["data"]["BAD KEY"] = encoded("text")

    @mutant({"CFG": "CFG-06", "SEC": "SEC-08"}[prefix], "a slash in a key", refused=True)
    def _key_with_slash(draft: Draft, role: Where = role) -> None:
        role(draft)[0]["data"]["a/b"] = encoded("text")

    @mutant({"CFG": "CFG-08", "SEC": "SEC-09"}[prefix], "1,048,577 bytes of values", refused=True)
    def _too_much(draft: Draft, role: Where = role, prefix: str = prefix) -> None:
        data = role(draft)[0]["data"]
        data.clear()
        data["A"] = "x" * 1_048_577 if prefix == "CFG" else base64.b64encode(b"x" * 1_048_577).decode()
