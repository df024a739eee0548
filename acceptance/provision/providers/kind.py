"""kind: a cluster for the run alone, made through pytest-kubernetes on this machine's engine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from acceptance.core.fields import Object, text_at
from acceptance.provision.providers import node_containers
from acceptance.provision.providers.base import GATEWAY_PORT
from acceptance.provision.providers.managers import KindManager, configure, error_lines
from acceptance.provision.run import Run
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run

CREATE_SECONDS = 240
"""kind's own wait for kubeadm is 4 minutes; here it takes 11 to 25 s."""
POD_SUBNET, SERVICE_SUBNET = "10.244.0.0/16", "10.96.0.0/16"
"""kind's defaults."""
CONTEXT_PREFIX = "kind-"
"""The prefix of a kind cluster's context."""
ROLE_LABEL, LOAD_BALANCER = "io.x-k8s.kind.role", "external-load-balancer"
"""kind's label of a container's role, and the role of the load balancer for control planes, which is no node."""
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
"""kind's label of every container of a cluster; its value is the cluster's name."""


@dataclass(frozen=True)
class KindProvider:
    """The kind cluster of a run; every capability is there."""

    creates_cluster: ClassVar[bool] = True
    loads_early: ClassVar[bool] = True
    """kind's node has its containerd before Kubernetes starts."""
    fixes_address: ClassVar[bool] = False
    """The node takes what Docker gives it."""

    toolchain: Toolchain
    run: Run

    @property
    def context(self) -> str:
        """kind's name of the context."""
        return f"{CONTEXT_PREFIX}{self.run.cluster_name}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """kind's names of the nodes: a control plane, and workers."""
        workers = [f"worker{number if number > 1 else ''}" for number in range(1, self.run.own_cluster.nodes)]
        return tuple(f"{self.run.cluster_name}-{role}" for role in ("control-plane", *workers))

    @property
    def lacking(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def environment(self) -> dict[str, str]:
        """Return the variable that puts the nodes on the run's own network."""
        return {"KIND_EXPERIMENTAL_DOCKER_NETWORK": self.run.network}

    def create(self) -> None:
        """Create the cluster, unless a kept run has it. Raises `ToolchainError` with kind's words."""
        if self._exists():
            return
        if self.run.reused:  # left by an interrupted run
            self._delete()
        path = self.run.folder / "kind.yaml"
        path.write_text(yaml.safe_dump(configuration(self.toolchain, self.run)), encoding="utf-8")
        try:
            self._manager(path).create(timeout=CREATE_SECONDS)
        except subprocess.SubprocessError as error:
            raise ToolchainError(f"kind could not create the cluster: {_error_summary(error)}") from error
        self.prepare_nodes()

    def prepare_nodes(self) -> None:
        """Reject on each node what is sent to addresses without a pod. Raises `CommandError`."""
        for node in self.nodes:
            node_containers.reject_unknown_addresses(self.toolchain.engine, node, POD_SUBNET, SERVICE_SUBNET)

    def nodes_up(self) -> bool:
        """Return whether containerd answers on every node."""
        return node_containers.up(self.toolchain.engine, self.nodes)

    def load_images(self, references: Sequence[str]) -> None:
        """Load the images that a node lacks. Raises `ToolchainError` with kind's words."""
        node_containers.load(self.toolchain.engine, self.nodes, references, self._load)

    def _load(self, references: Sequence[str]) -> None:
        """Load images onto every node, in one command, so that shared layers are loaded once."""
        try:
            self._manager().load_image(" ".join(references))
        except subprocess.SubprocessError as error:
            raise ToolchainError(f"kind could not load {', '.join(references)}: {_error_summary(error)}") from error

    def registry_credentials(self) -> str:
        """Return nothing: the nodes have the images."""
        return ""

    def versions(self) -> dict[str, str]:
        """Return the node's image and kind's version."""
        return {
            "node image": self.run.own_cluster.node_image or self.toolchain.node_image,
            "kind": run([self.toolchain.kind, "version", "-q"]).strip(),
        }

    def remove(self) -> list[str]:
        """Delete the cluster."""
        try:
            self._delete()
        except CommandError as error:
            return [str(error)]
        return []

    def _exists(self) -> bool:
        argv: list[str | Path] = [self.toolchain.kind, "get", "clusters", "--quiet"]
        clusters = run(argv, env=self.toolchain.engine.environment).split()
        return self.run.cluster_name in clusters and self.run.kubeconfig.is_file()

    def _delete(self) -> None:
        argv: list[str | Path] = [self.toolchain.kind, "delete", "cluster", "--name", self.run.cluster_name]
        run([*argv, "--kubeconfig", self.run.kubeconfig], env=self.toolchain.engine.environment)

    def _manager(self, provider_config: Path | None = None) -> KindManager:
        return configure(KindManager, self.run, seconds=CREATE_SECONDS, provider_config=provider_config)


def configuration(toolchain: Toolchain, run: Run) -> dict[str, Any]:
    """Return kind's configuration: the run's nodes, the first with a port of this machine's loopback mapped to it."""
    image = run.own_cluster.node_image or toolchain.node_image
    gateway = {"containerPort": GATEWAY_PORT, "hostPort": 0, "listenAddress": "127.0.0.1"}
    first = {"role": "control-plane", "image": image, "extraPortMappings": [gateway]}
    worker = {"role": "worker", "image": image}
    kubelet = {"kind": "KubeletConfiguration", "failCgroupV1": False}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": run.cluster_name,
        "kubeadmConfigPatches": [yaml.safe_dump(kubelet)],
        "nodes": [first, *(worker for _ in range(1, run.own_cluster.nodes))],
    }


def load_command(toolchain: Toolchain, cluster_name: str, references: Sequence[str]) -> list[str | Path]:
    """Return kind's command that loads images onto the nodes of a cluster."""
    return [toolchain.kind, "load", "docker-image", *references, "--name", cluster_name]


def find_nodes(toolchain: Toolchain, context: str, nodes: Sequence[Object]) -> tuple[str, ...]:
    """Return the containers that are the nodes of a kind cluster on this engine; none of any other cluster.

    Args:
        toolchain: The tools of this machine.
        context: The context's name; kind's begin with `kind-`.
        nodes: The cluster's nodes as its API server lists them.
    """
    if not context.startswith(CONTEXT_PREFIX):
        return ()
    label = f"label={CLUSTER_LABEL}={context.removeprefix(CONTEXT_PREFIX)}"
    docker = toolchain.engine.docker
    form = f'{{{{.ID}}}} {{{{.Label "{ROLE_LABEL}"}}}}'
    rows = [line.split() for line in docker("ps", "--no-trunc", "--filter", label, "--format", form).splitlines()]
    containers = [row[0] for row in rows if LOAD_BALANCER not in row]
    # A cluster on another machine may have the same name.
    machines = {docker("exec", container, "cat", "/etc/machine-id").strip() for container in containers}
    known = {text_at(node, "status.nodeInfo.machineID") for node in nodes}
    return tuple(containers) if machines and machines == known and len(containers) == len(nodes) else ()


def _error_summary(error: subprocess.SubprocessError) -> str:
    """Return the line of kind's output that says why it failed."""
    lines = error_lines(error)
    return next((line for line in lines if "ERROR" in line), lines[-1])
