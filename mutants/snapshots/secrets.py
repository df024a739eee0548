"""Mutants of the Secret."""

from __future__ import annotations

import base64
import copy
from dataclasses import replace
from typing import Any

from mutants.draft import REMOVE, Draft
from mutants.snapshots.registry import encoded, field, fields, mutable, mutant, variable

fields("SEC-03", Draft.secret, "type", {"TLS": "kubernetes.io/tls", "another": "example.com/other"})
fields(
    "SEC-04",
    Draft.secret,
    "data.DATABASE_URL",
    {
        clause: encoded(url)
        for clause, url in {
            "MySQL": "mysql://u:p@h/d",
            "SQLite": "sqlite:///d",
            "no user": "postgresql://:p@h/d",
            "no password": "postgresql://u@h/d",
            "no host": "postgresql://u:p@/d",
            "no scheme": "u:p@h/d",
            "a new line": "postgresql://u:p@h/d\n",
            "a slash in the password": "postgresql://u:p/w@h/d",
            "a number sign in the password": "postgresql://u:p#w@h/d",
            "an at sign in the password": "postgresql://u:p@w@h/d",
            "a percent sign in the password": "postgresql://u:100%@h/d",
            "another URL than given": "postgresql://u:p@h/d",
        }.items()
    },
)
fields(
    "SEC-05",
    Draft.secret,
    "data.BETTER_AUTH_SECRET",
    {"31 characters": encoded("s" * 31), "31 characters of 2 bytes": encoded("ß" * 31)},
)
fields("SEC-06", Draft.secret, "data.OPENAI_API_KEY", {"sk-": encoded("sk-abc"), "spaces": encoded(" sk-proj-abc")})
field("SEC-07", "not base64", Draft.secret, "data.BETTER_AUTH_SECRET", "%%%%", refused=True)
field("SEC-07", "not UTF-8", Draft.secret, "data.BETTER_AUTH_SECRET", base64.b64encode(b"\xff" * 40).decode())
for key in ("DATABASE_URL", "BETTER_AUTH_SECRET", "OPENAI_API_KEY"):
    field("SEC-07", f"{key} twice", Draft.secret, f"data.{key}", lambda old: base64.b64encode(old.encode()).decode())
    field("SEC-12", f"no {key}", Draft.secret, f"data.{key}", REMOVE)


@mutant("SEC-07", "base64 as text")
def _encoded_text(draft: Draft) -> None:
    item = draft.secret()[0]
    item["stringData"] = {"DATABASE_URL": item["data"].pop("DATABASE_URL")}


@mutant("SEC-09", "a variable over 131,072 bytes")
def _long_secret(draft: Draft) -> None:
    draft.secret()[0]["data"]["BETTER_AUTH_SECRET"] = encoded("x" * 131_072)


for key in ("DATABASE_URL", "BETTER_AUTH_SECRET"):
    field("SEC-11", f"{key} a literal", Draft.main_containers, "env", variable(key, value="text"))
    field(
        "SEC-11",
        f"{key} from the ConfigMap",
        Draft.main_containers,
        "env",
        variable(key, valueFrom={"configMapKeyRef": {"name": "c", "key": key}}),
    )
    field("SEC-11", f"no {key}", Draft.main_containers, "env", variable(key))


@mutant("SEC-11", "a literal by another name")
def _literal(draft: Draft) -> None:
    text = draft.snapshot.injected_values["BETTER_AUTH_SECRET"]
    for body in draft.main_containers():
        body["env"].append({"name": "OTHER", "value": text})


@mutant("SEC-11", "a literal on the command line")
def _argument(draft: Draft) -> None:
    for body in draft.main_containers():
        body["args"] = [f"--key={draft.snapshot.injected_values['BETTER_AUTH_SECRET']}"]


ENDS: dict[str, Any] = {
    "a new line at the end": lambda text: f"{text}\n",
    "cut": lambda text: text[:40],
    "extended": lambda text: f"{text}0",
}
for rule, key in (("SEC-04", "DATABASE_URL"), ("SEC-05", "BETTER_AUTH_SECRET"), ("SEC-06", "OPENAI_API_KEY")):
    for clause, change in ENDS.items():
        field(
            rule,
            f"the given value, {clause}",
            Draft.secret,
            f"data.{key}",
            lambda old, change=change: encoded(change(base64.b64decode(old).decode())),
        )


@mutant("SEC-11", "keys crossed", component="backend")
def _crossed(draft: Draft) -> None:
    crossed = {"BETTER_AUTH_SECRET": "OPENAI_API_KEY", "OPENAI_API_KEY": "BETTER_AUTH_SECRET"}
    for body in draft.main_containers():
        for each in body["env"]:
            if each["name"] in crossed:
                each["valueFrom"]["secretKeyRef"]["key"] = crossed[each["name"]]


@mutant("SEC-11", "hidden by a later variable")
def _hidden(draft: Draft) -> None:
    for body in draft.main_containers():
        body["env"].append({"name": "DATABASE_URL", "value": "text"})


field("SEC-11", "also among the settings", Draft.config_map, "data.DATABASE_URL", "postgresql://todo@db/todo")


@mutant("SEC-13", "generated anew by each upgrade", "static")
def _generated_anew(draft: Draft) -> None:
    again = copy.deepcopy(draft.chart.rendering)
    for item in again.objects:
        if item["kind"] == "Secret":
            mutable(item)["data"]["SESSION_KEY"] = encoded("another")
    draft.secret()[0]["data"]["SESSION_KEY"] = encoded("one")
    draft.change_chart(rendering=replace(draft.chart.rendering, objects=draft.snapshot.objects), rerendering=again)
