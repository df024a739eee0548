"""The Minikube provider, with a fake of `minikube` that answers as the real one was recorded."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from acceptance.core.target import load
from acceptance.provision import docker, lifecycle
from acceptance.provision import run as runs
from acceptance.provision.providers import minikube, provider_of
from acceptance.provision.providers.minikube import ALIAS, MinikubeProvider
from acceptance.provision.provisioner import Provisioner, environment
from acceptance.provision.run import OwnCluster, Run
from tests.unit.user_cluster import Machine
from toolchain import images, minikube_image, pins
from toolchain.console import CommandError, ToolchainError
from toolchain.engine import Engine

DATA = Path(__file__).parent / "minikube"
MINIKUBE = OwnCluster("minikube")
NAME = "pytest-todo-0badc0de"
NETWORK = "todo-0badc0de"
MANIFEST = "    - --cluster-cidr=10.244.0.0/16\n    - --service-cluster-ip-range=10.96.0.0/12\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    shutil.copy2(DATA / "fake.sh", made.bin / "minikube")
    (made.bin / "minikube").chmod(0o755)
    for name, value in {
        "XDG_CACHE_HOME": tmp_path,
        "PATH": f"{made.bin}:/usr/bin:/bin",
        "KUBECONFIG": tmp_path / "of-the-user",
        "MINIKUBE_HOME": tmp_path / "of-the-user",
        "FAKE_LOG": made.log,
        "FAKE_DATA": DATA,
        "FAKE_START": "start",
        "FAKE_STATUS": "running",
    }.items():
        monkeypatch.setenv(name, str(value))
    made.answer("kubectl", "readyz", "readyz check passed")
    made.answer("docker", "kube-controller-manager.yaml", MANIFEST)
    return made


@pytest.fixture
def provider(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MinikubeProvider:
    made = MinikubeProvider(machine.toolchain, Run("0badc0de", tmp_path / "run", kept=False, own_cluster=MINIKUBE))
    made.run.folder.mkdir()
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUBECONFIG", str(made.run.kubeconfig))
    return made


def without_registry(provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch) -> MinikubeProvider:
    """The same provider where kind's node image was built here."""
    binaries = provider.run.folder.parent / "binaries"
    binaries.mkdir()
    for name in (*minikube_image.KUBERNETES_BINARIES, "etcd"):
        (binaries / name).write_text(name)
    monkeypatch.setattr("toolchain.binaries.kubernetes", lambda: binaries)
    toolchain = dataclasses.replace(provider.toolchain, node_image=images.NODE.local_reference)
    return dataclasses.replace(provider, toolchain=toolchain)


def started(machine: Machine) -> str:
    return next(line for line in machine.commands("minikube") if line.startswith("minikube start"))


def test_cluster_is_made_in_the_runs_folder(machine: Machine, provider: MinikubeProvider) -> None:
    provider.create()
    command = started(machine)
    assert command == (
        f"minikube start -p {NAME} --container-runtime=containerd --network={NETWORK} --interactive=false --force "
        "--cpus=no-limit --memory=no-limit --driver docker --embed-certs "
        f"--kubernetes-version {pins.KUBERNETES} "
        f"MINIKUBE_HOME={provider.run.folder}/minikube KUBECONFIG={provider.run.kubeconfig}"
    )
    assert (provider.context, provider.nodes) == (NAME, (NAME,))
    assert provider.run.kubeconfig.is_file()
    assert not (machine.home / "of-the-user").exists()


def test_what_was_built_here_is_not_pulled(
    machine: Machine, provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_registry(provider, monkeypatch).create()
    for option in (
        f"--base-image={minikube_image.REFERENCE}",
        "--preload=false",
        "--cache-images=false",
        "--cni=bridge",
        "--install-addons=false",
    ):
        assert f" {option} " in started(machine)
    (cached,) = (provider.run.folder / "minikube").rglob(pins.KUBERNETES)
    assert cached.relative_to(provider.run.folder).parts[:4] == ("minikube", ".minikube", "cache", "linux")
    assert sorted(path.name for path in cached.iterdir()) == sorted(minikube_image.KUBERNETES_BINARIES)


def test_bridge_route_of_minikube_is_kept(machine: Machine, provider: MinikubeProvider) -> None:
    """The unreachable route has a metric: it applies only where no other route of the same subnet does."""
    provider.create()
    route, rule = [line for line in machine.commands("docker") if " ip " in line or "iptables" in line]
    assert route.startswith(f"docker exec {NAME} ip route replace unreachable 10.244.0.0/16 metric ")
    assert rule.startswith(f"docker exec {NAME} iptables --insert FORWARD --destination 10.96.0.0/12 -j REJECT")


def test_node_without_subnets_is_reported(machine: Machine, provider: MinikubeProvider) -> None:
    machine.answer("docker", "kube-controller-manager.yaml", "spec: {}\n")
    with pytest.raises(ToolchainError, match="names no subnet of pods or Services"):
        provider.create()


def test_restarted_node_is_prepared_again(machine: Machine, provider: MinikubeProvider) -> None:
    provider.prepare_nodes()
    text = machine.log.read_text()
    assert ALIAS in text
    assert "systemctl start kubelet" in text
    assert "unreachable 10.244.0.0/16" in text


def test_kept_cluster_is_reused(machine: Machine, provider: MinikubeProvider) -> None:
    provider.run.kubeconfig.touch()
    provider.create()
    (command,) = machine.commands("minikube")
    assert command.startswith(f"minikube status --profile {NAME} ")


def test_stopped_kept_cluster_is_made_again(
    machine: Machine, provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_STATUS", "stopped")
    provider.run.kubeconfig.touch()
    machine.answer("docker", "volume ls", NAME)
    reused = dataclasses.replace(provider, run=dataclasses.replace(provider.run, reused=True))
    reused.create()
    verbs = [line.split()[1] for line in machine.commands("minikube")]
    assert verbs == ["status", "delete", "start"]
    assert machine.commands("docker volume rm") == [f"docker volume rm {NAME}"]


DAEMON = "docker: Error response from daemon: "


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ("no-base-image", f'INET_LOOKUP_HOST: {DAEMON}Get "https://registry-1.docker.io/v2/": dial tcp: lookup'),
        ("no-subnet", f"GUEST_PROVISION: {DAEMON}user specified IP address is supported only when connecting to"),
    ],
)
def test_cluster_that_does_not_start_says_why(
    provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch, recorded: str, reason: str
) -> None:
    monkeypatch.setenv("FAKE_START", recorded)
    with pytest.raises(ToolchainError) as raised:
        provider.create()
    words = str(raised.value)
    assert words.startswith(f"Minikube could not create the cluster: {reason}")
    assert "\n" not in words


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            b"X Exiting due to DRV_NOT_HEALTHY: Found no driver\n\n* Suggestion: start it\n",
            "DRV_NOT_HEALTHY: Found no driver",
        ),
        (b"panic\nit broke\n", "it broke"),
        (b"", "exit code 1"),
    ],
)
def test_reason_is_one_line(stderr: bytes, reason: str) -> None:
    assert minikube._reason(subprocess.CalledProcessError(1, "minikube", stderr=stderr)) == reason


def test_missing_minikube_is_one_sentence_with_the_cure(machine: Machine, provider: MinikubeProvider) -> None:
    (machine.bin / "minikube").unlink()
    sentence = (
        "minikube is not on PATH: install it as https://minikube.sigs.k8s.io/docs/start says, "
        "or choose another cluster provider"
    )
    for act in (provider.create, lambda: minikube_image.ensure(machine.toolchain.engine, "")):
        with pytest.raises(ToolchainError) as raised:
            act()
        assert str(raised.value) == sentence
    assert machine.commands() == []


def test_images_are_piped_to_the_nodes_containerd(machine: Machine, provider: MinikubeProvider) -> None:
    with pytest.raises(ToolchainError, match=f"backend:1 was loaded, but node {NAME} does not list it"):
        provider.load_images(["backend:1", "frontend:1"])
    piped = [line for line in machine.commands("docker") if "images ls" not in line]
    assert sorted(piped) == [
        f"docker exec --interactive {NAME} ctr --namespace k8s.io images import --all-platforms --no-unpack -",
        "docker save backend:1 frontend:1",
    ]


@pytest.mark.parametrize("command", ["save", "images import"])
def test_image_that_is_not_loaded_says_why(machine: Machine, provider: MinikubeProvider, command: str) -> None:
    machine.answer("docker", command, "it is full", 1)
    with pytest.raises(CommandError, match="it is full"):
        provider.load_images(["backend:1"])


def test_versions_name_what_the_node_runs(machine: Machine, provider: MinikubeProvider) -> None:
    machine.answer("docker", "container inspect", "kicbase:v0\n")
    assert provider.versions() == {"base image": "kicbase:v0", "minikube": "v1.38.1"}


def test_gateway_needs_no_mapped_port(provider: MinikubeProvider) -> None:
    assert set(provider.lacking) == {"mapped-port"}


# ---------------------------------------------------------------------------- the network


def test_network_leaves_the_nodes_address_free(provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def engine(_: Engine, *argv: str) -> str:
        first = not commands
        commands.append(" ".join(argv))
        if argv[1] == "inspect" and first:
            raise CommandError(["docker", *argv], 1, "", f"network {argv[2]} not found")
        return json.dumps([{"IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}]}}])

    monkeypatch.setattr(Engine, "docker", engine)
    docker.create_network(provider.toolchain, provider.run, with_subnet=True)
    create = "network create --label todo-chatbot-acceptance.run=0badc0de"
    assert commands == [
        f"network inspect {NETWORK}",
        f"{create} {NETWORK}",
        f"network inspect {NETWORK}",
        f"network rm {NETWORK}",
        f"{create} --subnet=172.20.0.0/16 --ip-range=172.20.128.0/17 --gateway=172.20.0.1 {NETWORK}",
    ]


def test_images_wait_until_kubernetes_has_started(
    machine: Machine, provider: MinikubeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minikube restarts containerd while it starts Kubernetes."""
    order: list[str] = []

    def create(_: MinikubeProvider) -> None:
        threading.Event().wait(0.5)  # what loads early would be first
        order.append("created")

    monkeypatch.setattr(MinikubeProvider, "create", create)
    monkeypatch.setattr(MinikubeProvider, "load_images", lambda *_: order.append("loaded"))
    monkeypatch.setattr(Provisioner, "images", lambda _: {})
    made = Provisioner(machine.toolchain, provider.run, load(), lambda _: None)
    made.loaded_images()
    made.close()
    assert order == ["created", "loaded"]


# ------------------------------------------------------------------------------- its runs


def test_dead_run_is_removed_by_its_provider(machine: Machine) -> None:
    run, lock = lifecycle.new_run(keep=False, own_cluster=MINIKUBE)
    lock.close()
    name = f"pytest-todo-{run.id}"
    machine.answer("docker", "ps --all --quiet --filter label=name.minikube.sigs.k8s.io", "c1")
    machine.answer("docker", "volume ls", "v1")
    lifecycle.sweep(machine.toolchain)
    (command,) = machine.commands("minikube")
    assert command == (
        f"minikube delete --profile {name} MINIKUBE_HOME={run.folder}/minikube KUBECONFIG={run.kubeconfig}"
    )
    assert "docker rm --force --volumes c1" in machine.commands("docker")
    assert "docker volume rm v1" in machine.commands("docker")
    assert machine.commands("kind") == []
    assert not run.folder.exists()


def test_dead_run_is_removed_without_minikube(machine: Machine) -> None:
    run, lock = lifecycle.new_run(keep=False, own_cluster=MINIKUBE)
    lock.close()
    (machine.bin / "minikube").unlink()
    machine.answer("docker", "ps --all --quiet --filter label=name.minikube.sigs.k8s.io", "c1")
    lifecycle.sweep(machine.toolchain)
    assert "docker rm --force --volumes c1" in machine.commands("docker")
    assert not run.folder.exists()


def test_kept_run_is_reused_by_its_provider_only(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=True, own_cluster=MINIKUBE) as kept:
        assert isinstance(provider_of(machine.toolchain, kept), MinikubeProvider)
        variables = environment(machine.toolchain, kept)
        assert variables["MINIKUBE_HOME"] == str(kept.folder / "minikube")
        assert variables["KUBECONFIG"] == str(kept.kubeconfig)
    with lifecycle.acquire_run(machine.toolchain, keep=True) as other:
        assert other.id != kept.id
        assert runs.recorded_cluster(other.folder).provider == "kind"
    with lifecycle.acquire_run(machine.toolchain, keep=True, own_cluster=MINIKUBE) as again:
        assert again.id == kept.id
