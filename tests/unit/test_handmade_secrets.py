"""What `init` finds of a Secret that people make by hand: its keys, and which of them are the credentials."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acceptance.chart.proposal.describe import describe_secret
from acceptance.chart.proposal.draft import Draft, toml
from acceptance.chart.proposal.handmade import is_made_by_controller, key_of, keys_of_secret
from acceptance.chart.proposal.project import files_of
from acceptance.chart.proposal.roles import Workload, workloads

COMMENT = """
secrets:
  # Before helm install:
  #   kubectl create secret generic todo-secrets \\
  #     --namespace todo-chatbot \\
  #     --from-literal=DATABASE_URL='...' \\
  #     --from-literal GROQ_API_KEY="..."
  existingSecret: todo-secrets
"""
MANIFEST = """
kind: Secret
metadata: {name: todo-secrets}
stringData: {DATABASE_URL: x}
data: {JWT_SECRET: eA==}
---
kind: Secret
metadata: {name: other}
data: {OPENAI_API_KEY: eA==}
"""
SETTINGS = """
class Settings(BaseSettings):
    DATABASE_URL: str
    PAGE_SIZE: int = 10
    BETTER_AUTH_SECRET: SecretStr
key = os.environ["GEMINI_API_KEY"]
"""
POWERSHELL = """
kubectl create secret generic todo-secrets `
  --from-literal=DATABASE_URL=$url `
  --from-literal=REDIS_URL=$redis
"""


def keys(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return keys_of_secret(
        "todo-secrets", list(files_of(folder)), folder, lambda path: path.relative_to(folder).as_posix()
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"chart/values.yaml": COMMENT}, {"DATABASE_URL", "GROQ_API_KEY"}),
        ({"k8s/secret.yaml": MANIFEST}, {"DATABASE_URL", "JWT_SECRET"}),
        ({"deploy.ps1": POWERSHELL}, {"DATABASE_URL", "REDIS_URL"}),
        (
            {"backend/.env.example": "DATABASE_URL=x\nPORT=1\n# GROQ_API_KEY=\n", "backend/a": ""},
            {"DATABASE_URL", "GROQ_API_KEY"},
        ),
        ({"src/config.py": SETTINGS}, {"DATABASE_URL", "BETTER_AUTH_SECRET", "GEMINI_API_KEY"}),
        ({"src/db.ts": "new Pool(process.env.DATABASE_URL!)"}, {"DATABASE_URL"}),
        ({"README.md": COMMENT.replace("todo-secrets", "another")}, set()),
        ({"secret.yaml": "kind: Secret\n}{"}, set()),
    ],
    ids=["comment", "manifest", "PowerShell", "example", "settings", "JavaScript", "another Secret", "no YAML"],
)
def test_keys_are_found_where_people_write_them(tmp_path: Path, files: dict[str, str], expected: set[str]) -> None:
    assert set(keys(tmp_path, files)) == expected


def test_commands_outweigh_examples_and_the_source(tmp_path: Path) -> None:
    files = {"docs/a.md": COMMENT, ".env.example": "OPENAI_API_KEY=\n", "config.py": SETTINGS}
    assert keys(tmp_path, files) == {"DATABASE_URL": "docs/a.md", "GROQ_API_KEY": "docs/a.md"}


def deployment(**variables: str) -> list[dict[str, Any]]:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    container = {"name": "backend", "image": "b", "env": env, "envFrom": [{"secretRef": {"name": "todo-secrets"}}]}
    template = {"metadata": {"labels": {"app": "b"}}, "spec": {"containers": [container]}}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend"}, "spec": {"template": template}}
    ]


def workload(**variables: str) -> Workload:
    (found,) = workloads(deployment(**variables))
    return found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"GROQ_MODEL": "llama"}, "GROQ_API_KEY"),
        ({"LLM_PROVIDER": "groq"}, "GROQ_API_KEY"),
        ({"LLM_PROVIDER": "openai", "FALLBACK": "groq"}, "OPENAI_API_KEY"),
    ],
)
def test_key_is_that_of_the_provider_in_the_settings(variables: dict[str, str], expected: str) -> None:
    assert key_of("model_key", ["GROQ_API_KEY", "OPENAI_API_KEY"], workload(**variables)) == expected
    assert key_of("auth_secret", ["GROQ_API_KEY"], workload(**variables)) is None


def proposed(said: Mapping[str, str], *more: dict[str, Any]) -> Draft:
    objects = [*deployment(GROQ_MODEL="llama"), *more]
    draft = Draft()
    describe_secret(draft, workloads(objects)[0], None, objects, lambda _: dict(said))
    assert tomllib.loads(toml(draft.document, draft.comments, draft.notes)) == draft.document
    return draft


def test_target_names_the_secret_that_must_exist() -> None:
    found = dict.fromkeys(
        ["DATABASE_URL", "JWT_SECRET", "OPENAI_API_KEY", "GROQ_API_KEY", "SMTP_PASSWORD"], "README.md"
    )
    draft = proposed(found)
    assert draft.document["secret"] == {
        "name": "todo-secrets",
        "auth_secret": "JWT_SECRET",
        "model_key": "GROQ_API_KEY",
    }
    assert draft.comments["secret", "model_key"] == "as README.md has it: check it"
    data = {
        "DATABASE_URL": "{database_url}",
        "JWT_SECRET": "{auth_secret}",
        "GROQ_API_KEY": "{model_key}",
        "SMTP_PASSWORD": "",
    }
    assert draft.document["existing_secrets"] == [{"name": "todo-secrets", "data": data}]
    assert draft.document["components"]["backend"]["secret_keys"] == list(data)
    assert any(
        "must exist before the chart is installed" in note and "SMTP_PASSWORD got no text" in note
        for note in draft.notes
    )


def test_usual_keys_need_no_data() -> None:
    draft = proposed(dict.fromkeys(["DATABASE_URL", "BETTER_AUTH_SECRET", "GROQ_API_KEY"], "README.md"))
    assert draft.document["existing_secrets"] == [{"name": "todo-secrets"}]


def test_secret_of_a_controller_is_not_to_be_made() -> None:
    external = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "todo"},
        "spec": {"target": {"name": "todo-secrets"}},
    }
    assert is_made_by_controller("todo-secrets", [external])
    assert not is_made_by_controller("todo-secrets", [*deployment(), {"apiVersion": "v1", "kind": "ConfigMap"}])
    draft = proposed({"DATABASE_URL": "README.md"}, external)
    assert "existing_secrets" not in draft.document
    assert any("is used, and the chart does not create it" in note for note in draft.notes)
