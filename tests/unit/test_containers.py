"""A release in containers: they get what the chart renders for them, and all else of Kubernetes is untested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import load
from acceptance.kube.secrets import decode
from acceptance.provision import docker
from acceptance.provision import run as runs
from acceptance.provision.cluster import Cluster
from acceptance.provision.container_provisioner import ContainerObjects, pod, render, service_names
from acceptance.provision.images import BuiltImage
from acceptance.provision.providers import provider_of
from acceptance.provision.recipes import recipe
from acceptance.provision.release import Release, ReleaseInputs, run_values
from tests.unit.user_cluster import Machine
from toolchain.console import CommandError

URL = "postgresql://todo:secret@database-0badc0de:5432/todo?sslmode=require"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
SECRETS = {"auth_secret": "a" * 48, "model_key": "sk-proj-x"}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    target = load()
    images = {str(name): BuiltImage(f"todo-{name}", "tag", "", ()) for name in target.components}
    return run_values(target, ReleaseInputs(images, URL, CERTIFICATE, "http://model-0badc0de:8080/v1"), SECRETS)


@pytest.fixture(scope="module")
def rendered(values: Mapping[str, Any]) -> Snapshot:
    return render(load(), values, SECRETS)


def test_container_gets_what_its_pod_template_says(rendered: Snapshot) -> None:
    view = ComponentView(rendered, load(), "backend")
    made = recipe(view, view.main_container(view.pods[0]), "todo-backend-0", "todo-backend:tag")
    assert made.environment["DATABASE_URL"] == URL
    assert made.environment["BETTER_AUTH_SECRET"] == SECRETS["auth_secret"]
    assert made.environment["OPENAI_BASE_URL"] == "http://model-0badc0de:8080/v1"
    assert made.environment["POD_NAME"] == "todo-backend-0"
    assert any(CERTIFICATE.strip() in text.decode() for text in made.files.values())
    assert made.cpus == 0.5
    assert made.memory == 512 * 2**20
    assert URL not in repr(made)


def test_init_container_has_its_own_command(rendered: Snapshot) -> None:
    view = ComponentView(rendered, load(), "backend")
    made = recipe(view, view.pods[0].containers()[0], "migrate", "todo-backend:tag")
    assert made.entrypoint == ("python3", "-m", "todo_backend.migrate")
    assert "OPENAI_API_KEY" not in made.environment


def test_field_that_only_a_pod_has_is_untested(rendered: Snapshot) -> None:
    view = ComponentView(rendered, load(), "backend")
    container = view.main_container(view.pods[0])
    container.body["env"].append({"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}})
    try:
        with pytest.raises(Untested, match=r"spec\.nodeName"):
            recipe(view, container, "todo-backend-0", "todo-backend:tag")
    finally:
        container.body["env"].pop()


def test_component_has_the_names_of_its_service() -> None:
    names = service_names(load(), "backend")
    assert names[:2] == ("todo-backend-service", "todo-backend-service.todo-chatbot")
    assert names[-1] == "todo-backend-service.todo-chatbot.svc.cluster.local"


def test_objects_are_those_of_the_rendered_chart(rendered: Snapshot, tmp_path: Path, values: dict[str, Any]) -> None:
    target, machine = load(), Machine(tmp_path)
    run = runs.Run("0badc0de", tmp_path, kept=False, own_cluster=runs.OwnCluster("none"))
    cluster = Cluster(provider_of(machine.toolchain, run))
    objects = ContainerObjects(rendered, machine.toolchain)
    release = Release(target, cluster, None, objects, values)  # type: ignore[arg-type]
    secret = release.objects.data("Secret", target.secret.name)
    assert decode(secret[target.secret.auth_secret]) == SECRETS["auth_secret"]
    assert target.config_map.cors_origins in release.objects.data("ConfigMap", target.config_map.name)
    assert release.objects.data("ConfigMap", "absent") == {}
    objects.pods["one"] = pod("one", "todo-chatbot", {"app": "x"}, "10.0.0.2")
    assert [item["status"]["podIP"] for item in release.objects.list("Pod").objects] == ["10.0.0.2"]
    with pytest.raises(Untested, match="Deployment"):
        release.objects.list("Deployment")


def test_what_needs_a_cluster_is_untested(tmp_path: Path) -> None:
    run = runs.Run("0badc0de", tmp_path, kept=False, own_cluster=runs.OwnCluster("none"))
    provider = provider_of(Machine(tmp_path).toolchain, run)
    cluster = Cluster(provider)
    assert cluster.capabilities == {"own-release", "engine-network"}
    assert not provider.creates_cluster
    assert provider.remove() == []
    for use in (lambda: cluster.api, lambda: cluster.kubectl("version"), cluster.nodes):
        with pytest.raises(Untested, match="without a cluster"):
            use()


@pytest.mark.parametrize("words", ["Error: No such container: a", "Error response from daemon: No such container: a"])
def test_absent_container_has_no_state(tmp_path: Path, words: str) -> None:
    machine = Machine(tmp_path)
    machine.answer("docker", "container inspect running", [{"State": {"Status": "running"}}])
    machine.answer("docker", "container inspect a", words, code=1)
    assert docker.state(machine.toolchain, "running") == "running"
    assert docker.state(machine.toolchain, "a") is None


def test_engine_that_fails_is_not_an_absent_container(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.answer("docker", "inspect", "Cannot connect to the Docker daemon at unix:///nonexistent.", code=1)
    run = runs.Run("0badc0de", tmp_path, kept=False)
    with pytest.raises(CommandError, match="Cannot connect to the Docker daemon"):
        docker.state(machine.toolchain, "a")
    with pytest.raises(CommandError, match="Cannot connect to the Docker daemon"):
        docker.create_network(machine.toolchain, run)
    assert not machine.commands("docker network create")


@pytest.mark.parametrize("words", ["Error: No such network: n", "Error response from daemon: network n not found"])
def test_absent_network_is_created(tmp_path: Path, words: str) -> None:
    machine = Machine(tmp_path)
    machine.answer("docker", "network inspect", words, code=1)
    run = runs.Run("0badc0de", tmp_path, kept=False)
    assert docker.create_network(machine.toolchain, run) == run.network
    assert len(machine.commands("docker network create")) == 1
