"""The cluster that a run tests: access to its API server, its nodes and their images."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from acceptance.checks.finding import Untested
from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.kube.client import Objects
from acceptance.provision import networking
from acceptance.provision.node import AGENT, Node
from acceptance.provision.providers import CAPABILITIES, Provider
from acceptance.provision.run import LABEL, Run
from toolchain import Toolchain
from toolchain.console import ToolchainError, run


def _no_agents() -> None:
    """Do nothing: the suite's pods on the nodes exist already, or never will."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster, reached through the run's kubeconfig; the user's own is not read."""

    provider: Provider
    open_agents: Callable[[], object] = field(default=_no_agents, repr=False, compare=False)
    """Starts the suite's pods on the nodes, once."""

    @property
    def toolchain(self) -> Toolchain:
        """The tools of this machine."""
        return self.provider.toolchain

    @property
    def run(self) -> Run:
        """The run that tests the cluster."""
        return self.provider.run

    @property
    def kubeconfig(self) -> Path:
        """The run's kubeconfig."""
        return self.run.kubeconfig

    @property
    def context(self) -> str:
        """The context's name in the run's kubeconfig; raises `Untested` without a cluster."""
        self.require_capability("cluster")
        return self.provider.context

    @property
    def capabilities(self) -> frozenset[str]:
        """The keys of `CAPABILITIES` that this cluster has."""
        return frozenset(CAPABILITIES) - self.provider.lacking.keys()

    def require_capability(self, capability: str) -> None:
        """Raise `Untested` with the reason if the cluster lacks a capability."""
        if capability in self.provider.lacking:
            raise Untested(self.provider.lacking[capability])

    @cached_property
    def api(self) -> client.ApiClient:
        """A client for this cluster's API server, without retries."""
        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), self.context, settings)
        settings.retries = False
        return client.ApiClient(settings)

    @property
    def kubectl_command(self) -> tuple[str | Path, ...]:
        """kubectl with the options that name this cluster."""
        return (self.toolchain.kubectl, "--kubeconfig", self.kubeconfig, "--context", self.context)

    def kubectl(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run kubectl against this cluster and return what it printed. Raises `CommandError`."""
        return run([*self.kubectl_command, *argv], stdin=stdin)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects of the suite, each labelled with the run's id. Raises `CommandError`."""
        for item in objects:
            item["metadata"].setdefault("labels", {})[LABEL] = self.run.id
        self.apply_manifest(yaml.safe_dump_all(objects))

    def apply_manifest(self, manifest: str) -> None:
        """Apply a manifest as it is, on the server's side. Raises `CommandError`."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)

    def node_objects(self) -> Sequence[Object]:
        """Return the cluster's Node objects. Raises `CommandError`."""
        return mappings_at(json.loads(self.kubectl("get", "nodes", "--output", "json")), "items")

    def nodes(self) -> tuple[Node, ...]:
        """Return every node, by name. Raises `Untested` where commands can't be run on the nodes."""
        self.require_capability("node")
        return tuple(map(self.node, sorted(map(name_of, self.node_objects()))))

    def node_of(self, pod: Object) -> Node:
        """Return the node that a pod is bound to. Raises `Untested` where commands can't be run on the nodes."""
        return self.node(text_at(pod, "spec.nodeName"))

    def node(self, name: str) -> Node:
        """Return the node of this name. Raises `Untested` where commands can't be run on the nodes."""
        self.require_capability("node")
        self.open_agents()
        kubectl = (*self.kubectl_command, "--namespace", self.run.namespace)
        return Node(name, kubectl, partial(self._agent_on, name))

    def _agent_on(self, node: str) -> str:
        pods = Objects(self.api, self.run.namespace).list("Pod").objects
        found = [name_of(pod) for pod in pods if self._is_agent(pod) and text_at(pod, "spec.nodeName") == node]
        if len(found) != 1:
            raise ToolchainError(f"expected one pod of the suite on node {node}, got {len(found)}")
        return found[0]

    @staticmethod
    def _is_agent(pod: Object) -> bool:
        return text_at(pod, "metadata.labels.app") == AGENT and not text_at(pod, "metadata.deletionTimestamp")

    def versions(self) -> dict[str, str]:
        """Return what the release runs on, as the report names it."""
        engine = {"docker engine": self.toolchain.engine.docker("version", "--format", "{{.Server.Version}}").strip()}
        if "cluster" not in self.capabilities:
            return {**self.provider.versions(), **engine}
        nodes = self.node_objects()
        helm = run([self.toolchain.helm, "version", "--template", "{{.Version}}"])

        def of_nodes(key: str) -> str:
            return ", ".join(sorted({str(node["status"]["nodeInfo"][key]) for node in nodes}))

        return {
            "kubernetes": of_nodes("kubeletVersion"),
            "nodes": str(len(nodes)),
            "container runtime": of_nodes("containerRuntimeVersion"),
            "kernel": of_nodes("kernelVersion"),
            "operating system": of_nodes("osImage"),
            **networking.versions(self.kubectl),
            **self.provider.versions(),
            "helm": helm.strip(),
            **engine,
        }

    def load_image(self, *references: str) -> None:
        """Load the images that a node lacks. Raises `ToolchainError`, or `Untested` where images can't be loaded."""
        self.require_capability("image-load")
        self.provider.load_images(references)
