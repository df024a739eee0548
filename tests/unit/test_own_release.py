"""A release of the run's own in an existing cluster: where it is installed, what it depends on, and its removal."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import ExitStack
from pathlib import Path

import pytest

from acceptance.checks.finding import Untested
from acceptance.core.target import Target, load
from acceptance.core.urls import AS_NEON_GIVES
from acceptance.kube.client import Listing, Objects
from acceptance.kube.helm import INSTALLED
from acceptance.provision import database, lifecycle, pod_dependency, user_context
from acceptance.provision import run as runs
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import in_registry
from acceptance.provision.node import Node
from acceptance.provision.pod_dependency import PodDependencies, PodDependency
from acceptance.provision.providers import CAPABILITIES, provider_of
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import installed_in, require_own_namespace
from acceptance.provision.run import Context
from acceptance.provision.tool_pod import namespace_objects
from tests.unit.user_cluster import NODE, Machine, context, machine_of_kind_cluster, run_on
from toolchain.console import ToolchainError

OWN = "acceptance-0badc0de"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return machine_of_kind_cluster(tmp_path)


@pytest.fixture
def target() -> Target:
    return load()


def cluster_of(machine: Machine, home: Path, *nodes: str, **options: bool) -> Cluster:
    described = context(*(nodes or (NODE,)), own_release=True, **options)
    return Cluster(provider_of(machine.toolchain, run_on(home, described)))


# ------------------------------------------------------------------------ what it may do


def test_missing_rights_are_named_before_anything_is_done(machine: Machine) -> None:
    machine.answer("kubectl", "can-i delete namespaces", "no\n", 1, stderr=False)
    machine.answer("kubectl", "can-i create deployments.apps", "no\n", 1, stderr=False)
    with pytest.raises(ToolchainError) as raised:
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None, own_release=True)
    assert str(raised.value) == (
        "--own-release needs rights that the user of context kind-mine lacks: delete namespaces, "
        "create deployments.apps; grant them, or omit the option"
    )


def test_images_need_a_way_to_the_nodes(machine: Machine) -> None:
    def read(registry: str = "") -> Context:
        machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", "")
        return user_context.read_context(
            machine.toolchain, "kind-mine", lambda _: None, own_release=True, registry=registry
        )

    with pytest.raises(ToolchainError, match="context kind-mine is not a kind cluster on this engine: name a registry"):
        read()
    assert read("registry.example/team").own_release


def test_release_is_the_runs_and_the_cluster_is_not(machine: Machine, tmp_path: Path) -> None:
    found = cluster_of(machine, tmp_path, node_access=True)
    assert found.capabilities == {"cluster", "node", "image-load", "releases", "own-release"}
    assert set(found.provider.lacking) == CAPABILITIES.keys() - found.capabilities
    assert "node" in cluster_of(machine, tmp_path).provider.lacking


def test_nothing_is_started_that_the_user_does_not_permit(machine: Machine, tmp_path: Path, target: Target) -> None:
    run = run_on(tmp_path, context(NODE, own_release=True))
    made = Provisioner(machine.toolchain, run, target, lambda _: None)
    assert made.installs_release
    assert made.target.chart.namespace == f"{OWN}-release"
    with pytest.raises(Untested, match="only with --allow-node-access"):
        made.agents()
    with pytest.raises(Untested, match="metrics-server is not installed in it"):
        made.metrics()
    made.close()
    assert machine.commands() == []


# ------------------------------------------------------------------------- where it goes


def test_every_rendering_has_the_runs_namespace(target: Target) -> None:
    moved = installed_in(target, f"{OWN}-release")
    assert (moved.chart.namespace, moved.chart.release) == (f"{OWN}-release", target.chart.release)
    assert moved.chart.values == {"namespace": {"name": f"{OWN}-release"}}


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "todo-chatbot"}},
        {"kind": "Namespace", "metadata": {"name": "todo-chatbot"}},
    ],
    ids=["an object", "a namespace"],
)
def test_chart_with_a_namespace_of_its_own_is_untested(target: Target, item: dict[str, object]) -> None:
    inside = [{"kind": "Secret", "metadata": {"name": "b", "namespace": OWN}}, {"kind": "Service", "metadata": {}}]
    require_own_namespace(installed_in(target, OWN), inside)
    with pytest.raises(Untested, match="into the namespace todo-chatbot, wherever it is installed"):
        require_own_namespace(installed_in(target, OWN), [*inside, item])


def test_pods_of_the_release_pull_from_the_registry(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"registry.example": {"auth": "bWU6c2VjcmV0LXdvcmQ="}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    described = context(registry="registry.example/team", node_access=True, own_release=True)
    found = Cluster(provider_of(machine.toolchain, run_on(tmp_path, described)))
    namespace, secret, account = namespace_objects(found, "other")
    assert namespace["metadata"] == {"name": "other", "labels": {}}
    assert secret["metadata"]["namespace"] == account["metadata"]["namespace"] == "other"
    assert account["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]


def test_images_are_named_after_the_registry() -> None:
    assert in_registry("registry.example/team", "todo-backend") == "registry.example/team/todo-backend"
    assert in_registry("registry.example/team", "ghcr.io/a/todo-backend") == "registry.example/team/todo-backend"
    assert in_registry("", "ghcr.io/a/todo-backend") == "ghcr.io/a/todo-backend"


# -------------------------------------------------------------------- what it depends on


def test_database_is_a_pod_with_its_secrets_in_a_secret(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[dict[str, object]] = []
    monkeypatch.setattr(Cluster, "apply", lambda _, *objects: applied.extend(objects))
    monkeypatch.setattr(pod_dependency, "eventually", lambda *_, **__: None)
    monkeypatch.setattr(database.Database, "wait", lambda _: None)
    monkeypatch.setattr(Cluster, "api", None)
    hidden: list[str] = []
    url = "postgresql://todo:password@pod:5432/todo?sslmode=require&channel_binding=require"
    for name, text in {"superuser-password": "superuser-password-of-the-pod", "url": url, "ca.crt": "ca"}.items():
        machine.answer("kubectl", f"cat /run/database/{name}", text)
    with ExitStack() as until:
        gateway = Gateway(load(), "127.0.0.1", 1080)
        dependencies = PodDependencies(cluster_of(machine, tmp_path), lambda: gateway, until)
        made = database.start(dependencies, "postgres:1", hidden.append, AS_NEON_GIVES)
        assert made.server.local_port(database.PORT)
    assert made.url == url
    assert made.server.host == f"database.{OWN}.svc.cluster.local"
    secret, service, pod = applied[1:]
    assert [item["kind"] for item in (secret, service, pod)] == ["Secret", "Service", "Pod"]
    files = {name: b64decode(text).decode() for name, text in secret["data"].items()}  # type: ignore[attr-defined]
    assert f"@{made.server.host}:5432/todo?sslmode=require" in files["url"]
    assert {files["superuser-password"], "superuser-password-of-the-pod"} <= set(hidden)
    given = "".join(machine.commands()) + json.dumps([service, pod])
    assert not [text for text in files.values() if text in given]
    assert pod["spec"]["volumes"][1] == {"name": "data", "emptyDir": {}}  # type: ignore[index]


def test_faults_of_a_pod_are_signals_from_within(machine: Machine, tmp_path: Path) -> None:
    pod = PodDependency(cluster_of(machine, tmp_path), "model")
    pod.stop(5)
    pod.start()
    pod.kill()
    pod.pause()
    pod.unpause()
    pod.remove()
    text = machine.log.read_text("utf-8")
    assert text.count(f"exec model --namespace {OWN} -- sh -c") == 5
    ways = ("-s INT", "rm -f /tmp/stopped", "-s KILL -- -1", "-s STOP -- -1", "-s CONT -- -1", "delete pod/model")
    places = [text.rindex(way) for way in ways]
    assert places == sorted(places)


def test_packets_are_lost_in_the_pods_own_network(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules end with the pod, whatever becomes of the run; what comes through the gateway is not lost."""
    statuses = [{"name": "database", "containerID": "containerd://abc"}]
    pod = {
        "metadata": {"name": "database"},
        "spec": {"nodeName": "n"},
        "status": {"containerStatuses": statuses, "podIP": "10.0.0.7"},
    }
    gateway = {"metadata": {"name": "gateway"}, "status": {"podIP": "10.0.0.9"}}
    monkeypatch.setattr(Objects, "list", lambda *_: Listing("1", (gateway, pod)))
    monkeypatch.setattr(Node, "main_processes", lambda _: {"abc": 4711})
    monkeypatch.setattr(Cluster, "api", None)
    found = cluster_of(machine, tmp_path, node_access=True)
    dependency = PodDependency(found, "database")
    assert dependency.address() == "10.0.0.7"
    rules = dependency.packet_rules(found, 5432)
    assert {rule.within for rule in rules} == {("nsenter", "--target", "4711", "--net", "--")}
    assert [" ".join(rule.match) for rule in rules] == [
        "INPUT -p tcp ! -s 10.0.0.9 --dport 5432",
        "OUTPUT -p tcp ! -d 10.0.0.9 --sport 5432",
    ]


# ------------------------------------------------------------------------- what is undone


def test_next_run_uninstalls_releases_and_deletes_every_namespace(machine: Machine) -> None:
    """Also one that a chart made without the run's label; other runs' and users' stay."""
    run, lock = lifecycle.new_run(keep=False, context=context(NODE, own_release=True))
    lock.close()
    own = [run.namespace, f"{run.namespace}-own", run.release_namespace]
    machine.answer("kubectl", "get namespaces", f"default {' '.join(own)} {run.namespace}0 acceptance-ffffffff")
    machine.answer("helm", f"list {' '.join(INSTALLED)} --short --namespace {run.release_namespace}", "todo\n")
    machine.answer("docker", f"--filter id={NODE}", NODE)
    lifecycle.sweep(machine.toolchain)
    (uninstalled,) = machine.commands("helm uninstall")
    assert f"uninstall todo --ignore-not-found --namespace {run.release_namespace} --kubeconfig" in uninstalled
    deleted = machine.commands("kubectl")[-1]
    assert f"delete namespace {' '.join(own)} --timeout 120s --request-timeout=120s" in deleted
    assert machine.commands().index(uninstalled) < machine.commands().index(deleted)
    assert not run.folder.exists()


def test_refused_uninstallation_still_deletes_the_namespaces(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=context(NODE, own_release=True)) as run:
        machine.answer("kubectl", "get namespaces", run.release_namespace)
        machine.answer("helm", "list", "Error: forbidden\n", 1)
        machine.answer("docker", f"--filter id={NODE}", NODE)
    assert f"run {run.id}: context kind-mine: " in capsys.readouterr().err
    assert machine.commands("kubectl")[-1].startswith(f"kubectl --kubeconfig {run.kubeconfig}")
    assert f"delete namespace {run.release_namespace} " in machine.commands("kubectl")[-1]
    assert run.folder.exists()
    assert runs.recorded_context(run.folder) is not None
