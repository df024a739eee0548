"""The cluster that a run tests: access to its API server, its node and the node's images."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import yaml
from kubernetes import client, config

from acceptance.checks.finding import Untested
from acceptance.provision.providers import CAPABILITIES, Provider
from acceptance.provision.run import CTR, LABEL, Run
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run


@dataclass(frozen=True)
class Cluster:
    """A running cluster, reached through the run's kubeconfig; the user's own is not read."""

    provider: Provider

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
    def node(self) -> str:
        """The container that is the node; empty where this engine has none."""
        return self.provider.node

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

    def kubectl(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run kubectl against this cluster and return what it printed. Raises `CommandError`."""
        where: list[str | Path] = ["--kubeconfig", self.kubeconfig, "--context", self.context]
        return run([self.toolchain.kubectl, *where, *argv], stdin=stdin)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects of the suite, each labelled with the run's id. Raises `CommandError`."""
        for item in objects:
            item["metadata"].setdefault("labels", {})[LABEL] = self.run.id
        self.apply_manifest(yaml.safe_dump_all(objects))

    def apply_manifest(self, manifest: str) -> None:
        """Apply a manifest as it is, on the server's side. Raises `CommandError`."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)

    def node_exec(self, *argv: str, stdin: str | None = None) -> str:
        """Run a command on the node as root and return what it printed. Raises `CommandError` or `Untested`."""
        self.require_capability("node")
        flags = ["--interactive"] if stdin is not None else []
        return self.toolchain.engine.docker("exec", *flags, self.node, *argv, stdin=stdin)

    def node_up(self) -> bool:
        """Whether the node's containerd answers, which it does some time before its API server."""
        try:
            self.node_exec("ctr", "version")
        except CommandError:
            return False
        return True

    @contextmanager
    def node_stream(self, *argv: str) -> Iterator[IO[str]]:
        """Give what a command on the node prints, line by line, and end the command at exit.

        The command ends with its standard input, since it would outlive the end of `docker exec`.
        """
        script = '"$@" & cat > /dev/null; kill $!'
        engine = self.toolchain.engine
        process = subprocess.Popen(
            [engine.client, "exec", "--interactive", self.node, "sh", "-c", script, "sh", *argv],
            env=engine.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C must not reach it: it is ended here
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.stdin.close()
            process.wait()

    def versions(self) -> dict[str, str]:
        """Return what the release runs on, as the report names it."""
        engine = {"docker engine": self.toolchain.engine.docker("version", "--format", "{{.Server.Version}}").strip()}
        if "cluster" not in self.capabilities:
            return {**self.provider.versions(), **engine}
        node = json.loads(self.kubectl("get", "nodes", "--output", "json"))["items"][0]["status"]["nodeInfo"]
        helm = run([self.toolchain.helm, "version", "--template", "{{.Version}}"])
        return {
            "kubernetes": node["kubeletVersion"],
            "container runtime": node["containerRuntimeVersion"],
            "kernel": node["kernelVersion"],
            "operating system": node["osImage"],
            **self.provider.versions(),
            "helm": helm.strip(),
            **engine,
        }

    def load_image(self, *references: str) -> None:
        """Load those of the images that the node lacks. Raises `ToolchainError`, or `Untested` where none can be."""
        self.require_capability("image-load")
        missing = [reference for reference in references if not self.has_image(reference)]
        if missing:
            self.provider.load_images(missing)
        for reference in missing:
            if not self.has_image(reference):
                raise ToolchainError(f"the image {reference} was loaded, but the node does not list it")

    def has_image(self, reference: str) -> bool:
        """Whether the node lists an image of this reference."""
        return bool(self.node_exec(*CTR, "images", "ls", "--quiet", f"name=={full_reference(reference)}"))

    def image_config(self, reference: str) -> tuple[str, dict[str, Any]]:
        """Return the digest of an image's configuration on the node, and the configuration. Raises `ToolchainError`."""
        listed = self.node_exec(*CTR, "images", "ls", f"name=={full_reference(reference)}")
        rows = [line.split() for line in listed.splitlines()[1:]]
        if len(rows) != 1:
            raise ToolchainError(f"expected one image named {reference} on the node, got {len(rows)}")
        manifest = self._content(rows[0][2])
        if "manifests" in manifest:
            manifest = self._content(manifest["manifests"][0]["digest"])
        digest = str(manifest["config"]["digest"])
        return digest, self._content(digest)

    def _content(self, digest: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.node_exec(*CTR, "content", "get", digest))
        return loaded


def full_reference(reference: str) -> str:
    """Return an image's reference with its registry, as containerd lists it."""
    first = reference.split("/")[0]
    if "/" in reference and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if "/" in reference else f"docker.io/library/{reference}"
