"""A release that its user installed: taken only where it is the target's chart, hidden, and held to its own values."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance.core.redaction import Redactor
from acceptance.core.target import Target, load
from acceptance.kube.client import Objects
from acceptance.provision import existing_release, run
from acceptance.provision.gateway import service_url
from acceptance.provision.helm import HelmRelease
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from tests.unit.user_cluster import Machine, run_on
from toolchain.console import ToolchainError

URL = "postgresql://todo:pass-word-1@db.example.com/todo"
VALUES: dict[str, Any] = {
    "publicUrl": "http://localhost:3000/",
    "secrets": {"databaseUrl": URL, "betterAuthSecret": "auth-secret-1", "openaiApiKey": "sk-proj-12345678"},
}
LIVE = "from-elsewhere-1"


def thing(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "todo-chatbot"}, **more}


def encoded(**data: str) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


class Found:
    """What the fake cluster holds, and what was found there."""

    def __init__(self, home: Path) -> None:
        self.machine = Machine(home)
        self.target: Target = load()
        self.redactor = Redactor()
        self.provision = Provisioner(self.machine.toolchain, run_on(home), self.target, self.redactor.add)
        self.manifest = [thing("ConfigMap", "a", data={"x": "1"}), thing("Secret", "b", data=encoded(MORE="more-1234"))]
        self.holds()

    def holds(
        self,
        *,
        values: object = None,
        rendered: list[dict[str, Any]] | None = None,
        secret: dict[str, str] | None = None,
    ) -> None:
        machine = self.machine
        machine.answer("helm", "list", [{"name": "todo"}])
        machine.answer("helm", "get values", VALUES if values is None else values)
        machine.answer("helm", "get manifest", yaml.safe_dump_all(self.manifest))
        machine.answer("helm", "status", {"version": 3})
        manifest = yaml.safe_dump_all(self.manifest if rendered is None else rendered)
        machine.answer("helm", "--dry-run=server", {"manifest": manifest})
        data = encoded(**(secret or {"DATABASE_URL": URL, "OPENAI_API_KEY": LIVE, "USER": "todo"}))
        machine.answer("kubectl", "get secret todo-chatbot-secrets", thing("Secret", "s", data=data))

    def read(self) -> Release:
        return existing_release.adopt_release(self.provision.cluster(), self.target, self.redactor.add)


@pytest.fixture
def found(tmp_path: Path) -> Found:
    return Found(tmp_path)


def test_release_is_only_read(found: Found) -> None:
    made = found.read()
    assert made.values == VALUES
    assert made.installed_at is None
    assert "pass-word-1" not in repr(made)
    commands = found.machine.commands("helm")
    assert all("--kube-context kind-mine" in command and "--namespace todo-chatbot" in command for command in commands)
    verbs = [command.split()[1:3] for command in commands]
    changing = [verb for verb in verbs if verb[0] in ("install", "upgrade", "rollback", "uninstall")]
    assert changing == [["upgrade", "todo"]]
    assert "--dry-run=server" in next(command for command in commands if command.startswith("helm upgrade"))
    read = found.machine.commands("kubectl")
    assert read
    assert all(" get " in command for command in read)


def test_missing_release_is_reported_with_a_fix(found: Found) -> None:
    found.machine.answer("helm", "list", [])
    with pytest.raises(ToolchainError) as raised:
        found.read()
    assert str(raised.value) == (
        "context kind-mine has no release todo in namespace todo-chatbot: install it, or name release and namespace "
        "in the target's [chart]"
    )


@pytest.mark.parametrize("change", ["changed", "gone", "more"])
def test_release_of_another_chart_is_refused(found: Found, change: str) -> None:
    first, second = found.manifest
    other = thing("ConfigMap", "a", data={"x": "2"})
    found.holds(
        rendered={"changed": [other, second], "gone": [second], "more": [*found.manifest, thing("Pod", "c")]}[change]
    )
    with pytest.raises(ToolchainError) as raised:
        found.read()
    name = {"changed": "ConfigMap/a", "gone": "ConfigMap/a", "more": "Pod/c"}[change]
    assert f"was not installed from the target's chart as it is: {name} differs;" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert first["data"] == {"x": "1"}


def test_order_and_formatting_are_no_difference(found: Found) -> None:
    found.holds(rendered=found.manifest[::-1])
    assert found.read().values == VALUES


def test_credentials_are_redacted(found: Found) -> None:
    found.read()
    everything = [URL, "pass-word-1", "auth-secret-1", "sk-proj-12345678", LIVE, "more-1234"]
    assert not [text for text in everything if text in found.redactor.text(" ".join(everything))]
    assert found.redactor.text("todo") == "todo"


def test_credential_too_short_to_redact_is_refused(found: Found) -> None:
    found.holds(secret={"DATABASE_URL": "postgresql://todo:short@db.example.com/todo"})
    with pytest.raises(ToolchainError, match="has a credential of fewer than 8 characters") as raised:
        found.read()
    assert "short@" not in str(raised.value)


def test_record_says_how_to_restore_the_release(found: Found) -> None:
    made = found.read()
    said = str(run.read_record(found.provision.run.folder)["release"])
    assert said.endswith("helm rollback todo 3 --namespace todo-chatbot --kube-context kind-mine")
    found.holds(values={**VALUES, "publicUrl": "http://elsewhere"})
    with pytest.raises(ToolchainError, match="no longer has the values that it had before this run"):
        existing_release.assert_values_unchanged(made)
    assert run.read_record(found.provision.run.folder)["release"] == said
    found.holds()
    existing_release.assert_values_unchanged(made)
    assert run.read_record(found.provision.run.folder)["release"] is None


def test_release_without_values_is_adopted(found: Found) -> None:
    found.holds(values="null")
    made = found.read()
    assert made.values == {}
    made.upgrade()
    assert "--reset-values --values -" in found.machine.commands("helm upgrade")[-1]


# -------------------------------------------------------------------------------- origin


@pytest.mark.parametrize(
    ("values", "shipped", "path", "origin"),
    [
        ({"web": {"url": "https://todo.example:8443/app/"}}, "", "web.url", "https://todo.example:8443"),
        ({}, "web: {url: 'http://localhost:3000'}", "web.url", "http://localhost:3000"),
        ({"web": {"url": ""}}, "web: {url: 'http://localhost:3000'}", "web.url", "http://localhost:3000"),
        ({}, "", "web.url", None),
        ({"web": {"url": "https://todo.example"}}, "", None, None),
    ],
    ids=["given", "the chart's", "given empty", "nowhere", "no path"],
)
def test_origin_is_that_of_the_release(
    found: Found, tmp_path: Path, values: dict[str, Any], shipped: str, path: str | None, origin: str | None
) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "values.yaml").write_text(shipped, encoding="utf-8")
    chart = found.target.chart.model_copy(update={"path": tmp_path / "chart"})
    paths = found.target.values.model_copy(update={"public_url": path})
    target = found.target.model_copy(update={"chart": chart, "values": paths, "root": tmp_path})
    cluster = found.provision.cluster()
    made = Release(target, cluster, HelmRelease(cluster, "todo", "todo-chatbot"), Objects(None, "x"), values)  # type: ignore[arg-type]
    assert made.origin == (origin or service_url(target, "frontend"))


def test_latest_answer_of_a_fake_tool_wins(found: Found) -> None:
    """The last answer counts: else a test above could not fail."""
    found.holds(values={"a": 1})
    assert json.loads(HelmRelease(found.provision.cluster(), "todo", "n")("get", "values", "todo")) == {"a": 1}
