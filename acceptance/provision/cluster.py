"""The cluster: a thin adapter over pytest-kubernetes for its life-cycle, and the official client for objects.

The run's own is made by it; one of the user's own is named by a context of their kubeconfig, and never made,
configured or deleted.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import yaml
from kubernetes import client, config
from pytest_kubernetes.options import ClusterOptions
from pytest_kubernetes.providers.kind import KindManagerBase

from acceptance.checks.finding import Untested
from acceptance.provision.run import CTR, LABEL, Run
from acceptance.provision.user_context import Context
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run

CREATE_SECONDS = 240
"""kind's own wait for kubeadm is 4 minutes; here it takes 11 to 25 s."""
POD_SUBNET, SERVICE_SUBNET = "10.244.0.0/16", "10.96.0.0/16"
"""kind's defaults."""
GATEWAY_PORT = 1080
"""The port on the node that leads to the gateway's pod; the host's is any free one."""
CAPABILITIES = frozenset({"node", "image-load", "releases"})


@dataclass(frozen=True)
class Cluster:
    """A cluster, with `capabilities`: what can be done to it beyond reading it and changing the release under test.

    `node`: commands run on the node; `image-load`: images of this machine are put on it; `releases`: other releases
    are installed beside the one under test. `lacking` says why one is missing.
    """

    toolchain: Toolchain
    run: Run
    kubeconfig: Path
    context: str
    node: str
    """The container that is the node; empty where there is none on this engine."""
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def capabilities(self) -> frozenset[str]:
        return CAPABILITIES - self.lacking.keys()

    def require_capability(self, capability: str) -> None:
        """Raises `Untested` with the reason where the cluster has not got the capability."""
        if capability in self.lacking:
            raise Untested(self.lacking[capability])

    @cached_property
    def api(self) -> client.ApiClient:
        """A client for this cluster alone; the user's kubeconfig is not read."""
        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), self.context, settings)
        settings.retries = False
        return client.ApiClient(settings)

    def kubectl(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run kubectl against this cluster; raises `CommandError`."""
        where: list[str | Path] = ["--kubeconfig", self.kubeconfig, "--context", self.context]
        return run([self.toolchain.kubectl, *where, *argv], stdin=stdin)

    def node_exec(self, *argv: str, stdin: str | None = None) -> str:
        """Run a command on the node as root and return what it printed; raises `CommandError`, or `Untested`."""
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
        """What a command on the node prints, as it does so; the command is ended at exit, if it has not ended before.

        The end of its standard input ends it, since the end of `docker exec` would not.
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
            start_new_session=True,  # an interrupt is the suite's: it ends the stream itself
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.stdin.close()
            process.wait()

    def versions(self) -> dict[str, str]:
        """What the release runs on, as the report names it."""
        node = json.loads(self.kubectl("get", "nodes", "--output", "json"))["items"][0]["status"]["nodeInfo"]
        helm = run([self.toolchain.helm, "version", "--template", "{{.Version}}"])
        own = {
            "node image": self.toolchain.node_image,
            "kind": run([self.toolchain.kind, "version", "-q"]).strip(),
        }
        return {
            "kubernetes": node["kubeletVersion"],
            "container runtime": node["containerRuntimeVersion"],
            "kernel": node["kernelVersion"],
            "operating system": node["osImage"],
            **({"context": self.context} if self.run.context else own),
            "helm": helm.strip(),
            "docker engine": self.toolchain.engine.docker("version", "--format", "{{.Server.Version}}").strip(),
        }

    def load_image(self, *references: str) -> None:
        """Put images of this machine's engine on the node, those that it has not; raises `Untested` where it can't."""
        self.require_capability("image-load")
        missing = [reference for reference in references if not self.has_image(reference)]
        if missing:
            self._load(missing)
        for reference in missing:
            if not self.has_image(reference):
                raise ToolchainError(f"the image {reference} was loaded, but the node has not got it")

    def _load(self, references: Sequence[str]) -> None:
        if self.run.context:  # by argv: pytest-kubernetes has a shell, and names every cluster pytest-…
            load: list[str | Path] = [self.toolchain.kind, "load", "docker-image", *references]
            run([*load, "--name", self.run.context.kind_name], env=self.toolchain.engine.environment)
            return
        try:
            manager(self.run).load_image(" ".join(references))
        except subprocess.SubprocessError as error:
            raise ToolchainError(f"kind could not load {', '.join(references)}: {error_summary(error)}") from error

    def has_image(self, reference: str) -> bool:
        return bool(self.node_exec(*CTR, "images", "ls", "--quiet", f"name=={full_reference(reference)}"))

    def image_config(self, reference: str) -> tuple[str, dict[str, Any]]:
        """The digest of an image's configuration on the node, and the configuration itself."""

        def content(digest: str) -> dict[str, Any]:
            loaded: dict[str, Any] = json.loads(self.node_exec(*CTR, "content", "get", digest))
            return loaded

        listed = self.node_exec(*CTR, "images", "ls", f"name=={full_reference(reference)}")
        rows = [line.split() for line in listed.splitlines()[1:]]
        if len(rows) != 1:
            raise ToolchainError(f"the node has {len(rows)} images of the name {reference}, wanted one")
        manifest = content(rows[0][2])
        if "manifests" in manifest:
            manifest = content(manifest["manifests"][0]["digest"])
        digest = str(manifest["config"]["digest"])
        return digest, content(digest)


def full_reference(reference: str) -> str:
    """A reference as containerd has it: with its registry."""
    first = reference.split("/")[0]
    if "/" in reference and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if "/" in reference else f"docker.io/library/{reference}"


class Kind(KindManagerBase):  # type: ignore[misc]  # the library is untyped
    """pytest-kubernetes' manager; a cluster without a kubeconfig is not there, and is not asked for seconds."""

    def ready(self, timeout: int = 20) -> bool:
        there = self.kubeconfig is not None and self.kubeconfig.is_file()
        return there and bool(super().ready(timeout))


def manager(run_: Run, provider_config: Path | None = None) -> Kind:
    """The manager of the run's kind cluster; it is given copies of everything, since it alters them."""
    made = Kind(run_.cluster_name)
    made._cluster_options = ClusterOptions(
        cluster_name=run_.cluster_name,
        kubeconfig_path=run_.kubeconfig,
        provider_config=provider_config,
        cluster_timeout=CREATE_SECONDS,
    )
    return made


def configuration(toolchain: Toolchain, run_: Run) -> dict[str, Any]:
    """kind's configuration: one node, which leads one port of this machine's loopback to the gateway."""
    kubelet = {"kind": "KubeletConfiguration", "failCgroupV1": False}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": run_.cluster_name,
        "kubeadmConfigPatches": [yaml.safe_dump(kubelet)],
        "nodes": [
            {
                "role": "control-plane",
                "image": toolchain.node_image,
                "extraPortMappings": [{"containerPort": GATEWAY_PORT, "hostPort": 0, "listenAddress": "127.0.0.1"}],
            }
        ],
    }


def exists(toolchain: Toolchain, run_: Run) -> bool:
    argv: list[str | Path] = [toolchain.kind, "get", "clusters", "--quiet"]
    return run_.cluster_name in run(argv, env=toolchain.engine.environment).split() and run_.kubeconfig.is_file()


def create(toolchain: Toolchain, run_: Run) -> Cluster:
    """Create the run's cluster, or take the one that a kept run has; raises `ToolchainError` with kind's words."""
    if not exists(toolchain, run_):
        if run_.reused:  # what an interrupted run has left of it would be in the way
            argv: list[str | Path] = [toolchain.kind, "delete", "cluster", "--name", run_.cluster_name]
            run([*argv, "--kubeconfig", run_.kubeconfig], env=toolchain.engine.environment)
        path = run_.folder / "kind.yaml"
        path.write_text(yaml.safe_dump(configuration(toolchain, run_)), encoding="utf-8")
        try:
            manager(run_, path).create(timeout=CREATE_SECONDS)
        except subprocess.SubprocessError as error:
            raise ToolchainError(f"kind could not create the cluster: {error_summary(error)}") from error
        reject_stray_traffic(run_cluster(toolchain, run_))
    return run_cluster(toolchain, run_)


def run_cluster(toolchain: Toolchain, run_: Run) -> Cluster:
    """The cluster that the run makes."""
    name = run_.cluster_name
    return Cluster(toolchain, run_, run_.kubeconfig, f"kind-{name}", f"{name}-control-plane")


def user_cluster(toolchain: Toolchain, run_: Run, context: Context) -> Cluster:
    """The cluster of the user's own that the run is on, by the run's copy of its kubeconfig."""
    lacking = {"releases": f"context {context.name} is a cluster of the user's own: no other release is made in it"}
    if not context.node:
        lacking |= {"node": context.lacking, "image-load": context.lacking}
    return Cluster(toolchain, run_, run_.kubeconfig, context.name, context.node, lacking)


def reject_stray_traffic(cluster: Cluster) -> None:
    """End on the node what is sent to a pod that is gone, or to a Service without a Ready pod.

    The node has routes to the pods that are there and to nothing else of these networks: all else would leave it by
    the default route, and somebody outside may answer.
    """
    cluster.node_exec("ip", "route", "replace", "unreachable", POD_SUBNET)
    # Not a route: the node's own packets to a Service are routed before they are translated.
    refuse = ("-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    cluster.node_exec("iptables", "--insert", "FORWARD", "--destination", SERVICE_SUBNET, *refuse)


def error_summary(error: subprocess.SubprocessError) -> str:
    """Why kind failed, in its own words."""
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    lines = (error.stderr or b"").decode(errors="replace").strip().splitlines() or [f"it ended with {error.returncode}"]
    return next((line for line in lines if "ERROR" in line), lines[-1])


def create_network(toolchain: Toolchain, run_: Run) -> str:
    """The run's own Docker network, for the node, the database and the model's stub."""
    engine = toolchain.engine
    try:
        engine.docker("network", "inspect", run_.network)
    except CommandError:
        engine.docker("network", "create", "--label", f"{LABEL}={run_.id}", run_.network)
    return run_.network


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    """Apply objects of the suite's own; each bears the run's id."""
    for item in objects:
        item["metadata"].setdefault("labels", {})[LABEL] = cluster.run.id
    apply_text(cluster, yaml.safe_dump_all(objects))


def apply_text(cluster: Cluster, manifest: str) -> None:
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)


def install_metrics_server(cluster: Cluster, manifest: Path, image: str) -> None:
    """metrics-server as the manifest has it, with the image that the toolchain found, pulled or built."""
    objects: Sequence[dict[str, Any]] = [
        item for item in yaml.safe_load_all(manifest.read_text(encoding="utf-8")) if item
    ]
    for item in objects:
        if item["kind"] == "Deployment":
            item["spec"]["template"]["spec"]["containers"][0]["image"] = image
    apply_text(cluster, yaml.safe_dump_all(objects))
