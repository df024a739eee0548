"""Mutants of the ConfigMap."""

from __future__ import annotations

import base64
from dataclasses import replace

from mutants.draft import REMOVE, Draft
from mutants.snapshots.registry import field, fields, mutant

fields("CFG-03", Draft.config_map, "data.ENVIRONMENT", {"prod": "prod", "capitals": "Production", "empty": ""})
fields("CFG-04", Draft.config_map, "data.DEBUG", {"yes": "yes", "True": "True", "1": "1", "empty": ""})
field("CFG-04", "a boolean", Draft.config_map, "data.DEBUG", True, refused=True)
fields(
    "CFG-05",
    Draft.config_map,
    "data.CORS_ORIGINS",
    {
        "a path": "http://localhost:3000/app",
        "a slash": "http://localhost:3000/",
        "no scheme": "localhost:3000",
        "a star": "*",
        "a JSON list": '["http://localhost:3000"]',
        "a list by spaces": "http://localhost:3000 http://localhost:3001",
        "an empty member": "http://localhost:3000,",
        "another scheme": "ftp://localhost",
        "a query": "http://localhost:3000?a=1",
        "credentials": "http://user:word@localhost:3000",
        "empty": "",
    },
)
field("CFG-07", "a number", Draft.config_map, "data.NUMBER", 5, refused=True)
field("CFG-07", "a broken character", Draft.config_map, "data.TEXT", "Gr\ufffde")
field("CFG-07", "bytes that are no text", Draft.config_map, "binaryData", {"B": base64.b64encode(b"\xff\xfe").decode()})
field("CFG-07", "text not in the object", Draft.config_map, "data.ACCEPTANCE_TEXT", "Gr??e", "live")


@mutant("CFG-07", "text not in the container", "live")
def _text_lost(draft: Draft) -> None:
    facts = {
        key: replace(fact, environment={**fact.environment, "ACCEPTANCE_TEXT": "Gr??e"})
        for key, fact in (draft.cluster.facts or {}).items()
    }
    draft.change_cluster(facts=facts)


@mutant("CFG-08", "a variable over 131,072 bytes")
def _long_variable(draft: Draft) -> None:
    draft.config_map()[0]["data"]["ENVIRONMENT"] = "x" * 131_072


@mutant("CFG-10", "another value in the container", "live")
def _other_value(draft: Draft) -> None:
    draft.change_facts(lambda fact: replace(fact, environment={**fact.environment, "ENVIRONMENT": "other"}))


@mutant("CFG-10", "no value in the container", "live")
def _no_value(draft: Draft) -> None:
    draft.change_facts(lambda fact: replace(fact, environment={}))


@mutant("CFG-10", "no variable from the ConfigMap", "live", component="backend")
def _no_variables(draft: Draft) -> None:
    for body in draft.containers():
        body.pop("env", None)
        body.pop("envFrom", None)


for key in ("ENVIRONMENT", "DEBUG", "CORS_ORIGINS"):
    field("CFG-11", f"no {key}", Draft.config_map, f"data.{key}", REMOVE)

field("CHT-14", "kept", Draft.config_map, "metadata.annotations", {"helm.sh/resource-policy": "keep"}, "static")
field("CHT-14", "made by a hook", Draft.config_map, "metadata.annotations", {"helm.sh/hook": "pre-install"}, "static")
