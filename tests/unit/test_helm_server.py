"""Helm's commands in a process that stays: they print what Helm prints, and a process that ends costs one start."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from acceptance.checks.finding import Untested
from acceptance.core.rules import ROOT
from acceptance.kube import helm_server
from acceptance.kube.helm import Helm, find_helm
from acceptance.kube.helm_server import EndedError, HelmServer
from toolchain import helm_server as program
from toolchain.console import CommandError, run

CHART = str(ROOT / "chart")
VALUES = '{"secrets": {"databaseUrl": "postgresql://a:b@c/d", "betterAuthSecret": "%s", "openaiApiKey": "sk-proj-%s"}}'
GIVEN = VALUES % ("x" * 32, "y" * 20)
TEMPLATE = ("template", "todo", CHART, "--values", "-")


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


@pytest.fixture
def server(helm: Helm) -> HelmServer:
    path = program.find(helm.binary)
    if path is None:
        raise Untested("Helm is not the toolchain's, which alone has a server")
    return HelmServer(path)


def started(helm: Helm, arguments: tuple[str, ...], stdin: str = "") -> str:
    """What Helm prints that is started for one command."""
    return run([helm.binary, *arguments], env={**os.environ, "KUBECONFIG": os.devnull}, stdin=stdin)


def result(command: Callable[[], str]) -> tuple[int, str, str]:
    try:
        return 0, command(), ""
    except CommandError as error:
        return error.code, error.stdout, "\n".join(sorted(error.stderr.splitlines()))


def fake(tmp_path: Path, script: str) -> HelmServer:
    path = tmp_path / "helmserver"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return HelmServer(path)


def test_server_prints_what_helm_prints(server: HelmServer, helm: Helm) -> None:
    for arguments, values in (
        (TEMPLATE, GIVEN),
        ((*TEMPLATE, "--namespace", "a", "--kube-version", "1.30.0", "--is-upgrade", "--include-crds"), GIVEN),
        (TEMPLATE, GIVEN),
        (TEMPLATE, "{}"),
        (TEMPLATE, '{"backend": {"replicas": "two"}}'),
        (TEMPLATE, "[1"),
        (("template", "todo", "/nonexistent"), ""),
        (("template", "--unknown"), ""),
        (("lint", "--strict", CHART, "--values", "-"), GIVEN),
        (("lint", "--strict", CHART), ""),
    ):
        expected = result(partial(started, helm, arguments, values))
        assert result(partial(server.run, helm.binary, arguments, values, 60)) == expected
    assert len(server._idle) == 1  # one process gave all answers


def test_nothing_is_left_of_an_earlier_command(server: HelmServer, helm: Helm, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: a\nversion: 1.0.0\n")
    template = "kind: {{ .Release.Namespace }} {{ .Release.IsUpgrade }} {{ .Capabilities.KubeVersion }}\n"
    (tmp_path / "templates" / "a.yaml").write_text(template)
    plain = ("template", "a", str(tmp_path), "--kube-version", "1.30.0")
    for arguments in (plain, (*plain, "--namespace", "b", "--is-upgrade"), plain[:-2], (*plain, "-n", "c"), plain):
        assert server.run(helm.binary, arguments, "", 60) == started(helm, arguments)


def test_command_is_run_in_the_working_directory(
    server: HelmServer, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    relative = server.run(helm.binary, ("template", "todo", "chart", "--values", "-"), GIVEN, 60)
    assert relative == server.run(helm.binary, TEMPLATE, GIVEN, 60)


def test_process_is_replaced_after_some_answers(
    server: HelmServer, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helm_server, "REQUESTS", 2)
    kept = []
    for _ in range(3):
        server.run(helm.binary, ("lint", CHART), "", 60)
        kept.append(len(server._idle))
    assert kept == [1, 0, 1]
    server.close()
    assert server._idle == []


def test_helm_is_started_where_the_server_ends(tmp_path: Path, helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = fake(tmp_path, "exit 2")
    with pytest.raises(EndedError):
        ended.run(helm.binary, TEMPLATE, GIVEN, 60)
    monkeypatch.setattr(helm_server, "shared", lambda _: ended)
    assert "kind: Deployment" in Helm(helm.binary)(*TEMPLATE, values=json.loads(GIVEN))


def test_helm_is_killed_in_time(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"exited with -9: killed after 0\.1 s"):
        fake(tmp_path, "exec sleep 60").run(Path("helm"), TEMPLATE, GIVEN, 0.1)


def test_only_the_helm_of_the_toolchain_is_replaced(tmp_path: Path) -> None:
    assert program.find(tmp_path / "helm") is None
    program.prepare(tmp_path / "helm")  # nor is a program built for it
    assert helm_server.shared(tmp_path / "helm") is None
