"""One defect at a time in the charts of other teams: `init` as it is, then a finding of the right rule."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from acceptance.kube.helm import Helm, find_helm
from tests.unit.test_other_teams import TEAMS, expectations, judge

DEFECTS = {
    "crossed keys": (
        "kebab",
        "_names.tpl",
        '"better-auth-secret" "OPENAI_API_KEY" "openai-api-key"',
        '"openai-api-key" "OPENAI_API_KEY" "better-auth-secret"',
        "SEC-11",
    ),
    "another namespace": (
        "kebab",
        "settings.yaml",
        '  namespace: {{ include "chatty.ns" . }}',
        "  namespace: default",
        "CFG-02",
    ),
    "one key not encoded": (
        "registry",
        "base.yaml",
        "betterAuthSecret | b64enc",
        "betterAuthSecret | quote",
        "SEC-07",
    ),
    "wrong upstream": ("nginx", "nginx-conf.yaml", "server backend-api:8000;", "server backend-apis:8000;", "REL-05"),
    "wrong port in a variable": ("nginx", "web.yaml", 'value: "8000"', 'value: "8080"', "REL-05"),
    "config map that nothing makes": (
        "flat",
        "backend-deployment.yaml",
        "{name: todo-chatbot-config}",
        "{name: todo-config}",
        "REL-05",
    ),
    "another component's selector": (
        "flat",
        "frontend.yaml",
        "selector: {app: todo-chatbot, component: frontend}",
        "selector: {app: todo-chatbot, component: backend}",
        "SVC-07",
    ),
    "variable that hides a key": (
        "flat",
        "backend-deployment.yaml",
        "          envFrom:\n            - configMapRef",
        '          env: [{name: OPENAI_API_KEY, value: "none"}]\n          envFrom:\n            - configMapRef',
        "SEC-11",
    ),
    "scale target": (
        "pairs",
        "b-backend.yaml",
        "kind: Deployment, name: b-backend}",
        "kind: Deployment, name: backend}",
        "HPA-03",
    ),
    "credential in an argument": (
        "exposed",
        "workloads.yaml",
        "command: [alembic, upgrade, head]",
        "command: [alembic, {{ .Values.secrets.databaseUrl | quote }}]",
        "SCY-08",
    ),
    "another port on the command line": (
        "flat",
        "backend-deployment.yaml",
        "          ports: [{containerPort: 8000}]",
        "          args: [uvicorn, 'a:b', --host, 0.0.0.0, --port, '8080']\n          ports: [{containerPort: 8000}]",
        "POD-16",
    ),
    "a loopback address in a mounted file": (
        "nginx",
        "nginx-conf.yaml",
        "listen 8080;",
        "listen 127.0.0.1:8080;",
        "POD-16",
    ),
    "a migration that only waits": (
        "flat",
        "backend-deployment.yaml",
        "python -m app.migrate && echo done",
        "until nc -z db 5432; do sleep 1; done; echo done",
        "REL-01",
    ),
    "a liveness path that nothing else has": (
        "flat",
        "backend-deployment.yaml",
        "livenessProbe: {httpGet: {path: /health,",
        "livenessProbe: {httpGet: {path: /helth,",
        "POD-08",
    ),
}
"""For each: chart, template, text, its replacement, and the rule."""


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


@pytest.mark.parametrize(("name", "file", "text", "replacement", "rule"), DEFECTS.values(), ids=DEFECTS)
def test_defect_is_found(
    name: str, file: str, text: str, replacement: str, rule: str, helm: Helm, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(TEAMS / name / "chart", chart)
    template = chart / "templates" / file
    content = template.read_text(encoding="utf-8")
    assert text in content
    template.write_text(content.replace(text, replacement, 1), encoding="utf-8")
    judged = judge(chart, expectations(name), helm, tmp_path)
    assert rule in {each.finding.rule for each, _ in judged.findings if each.severity == "blocking"}
