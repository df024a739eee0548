"""Minikube: a cluster of one node for the run alone, made through pytest-kubernetes on this machine's engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from acceptance.provision.providers import managers, node_containers
from acceptance.provision.providers.managers import MinikubeManager
from acceptance.provision.run import Run
from toolchain import Toolchain, minikube_image, pins
from toolchain.console import CommandError, ToolchainError, run, succeeds

CREATE_SECONDS = 420
"""Minikube's own wait is 6 minutes (--wait-timeout); here it takes 40 to 60 s."""
PROFILE_LABEL = "name.minikube.sigs.k8s.io"
"""Minikube's label of every container and volume of a cluster; its value is the profile."""
REASON = "Exiting due to "
"""The start, after a symbol, of the line in which Minikube says why it gives up."""
LOCAL_OPTIONS = ("--preload=false", "--cache-images=false", "--cni=bridge", "--install-addons=false")
"""They keep Minikube from pulling its archive of images, kindnet and the storage provisioner."""
ALIAS = "control-plane.minikube.internal"
"""Minikube's name of the API server, by which the kubelet connects to it."""
AFTER_RESTART = f"""
grep -q {ALIAS} /etc/hosts || echo "$(hostname --ip-address | cut -d ' ' -f 1) {ALIAS}" >> /etc/hosts
systemctl start kubelet
"""
"""A restart of the node undoes what Minikube wrote to /etc/hosts, and Minikube does not enable the kubelet's unit."""


@dataclass(frozen=True)
class MinikubeProvider:
    """The Minikube cluster of a run. Its profile, certificates and kubeconfig are in the run's folder."""

    creates_cluster: ClassVar[bool] = True
    loads_early: ClassVar[bool] = False
    """Minikube restarts the node's containerd while it starts Kubernetes."""
    fixes_address: ClassVar[bool] = True
    """Minikube gives the node the address after the network's gateway."""

    toolchain: Toolchain
    run: Run

    @property
    def context(self) -> str:
        """Minikube's name of the context, which is the profile's."""
        return self.run.cluster_name

    @property
    def nodes(self) -> tuple[str, ...]:
        """Minikube's name of the one node, which is the profile's."""
        return (self.run.cluster_name,)

    @property
    def lacking(self) -> Mapping[str, str]:
        """A mapped port, of which Minikube takes fixed numbers only: the gateway has a node port."""
        return {"mapped-port": "Minikube maps no free port of this machine to its node"}

    @property
    def home(self) -> Path:
        """The run's MINIKUBE_HOME."""
        return self.run.folder / "minikube"

    def environment(self) -> dict[str, str]:
        """Return variables that keep Minikube out of the user's folders and its output plain."""
        return {
            "MINIKUBE_HOME": str(self.home),
            "MINIKUBE_IN_STYLE": "false",
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
        }

    def create(self) -> None:
        """Create the cluster, unless a kept run has it. Raises `ToolchainError` with Minikube's words."""
        minikube_image.require()
        if self._exists():
            return
        if self.run.reused and (failures := self.remove()):  # left by an interrupted run
            raise ToolchainError(failures[0])
        self.run.kubeconfig.unlink(missing_ok=True)
        manager = managers.configure(MinikubeManager, self.run, seconds=CREATE_SECONDS, kubernetes=pins.KUBERNETES)
        try:
            manager.create(timeout=CREATE_SECONDS, options=self._options())
        except (subprocess.SubprocessError, RuntimeError) as error:
            raise ToolchainError(f"Minikube could not create the cluster: {_reason(error)}") from error
        self.prepare_nodes()

    def prepare_nodes(self) -> None:
        """Set up on the node what a restart of it undoes. Raises `ToolchainError`."""
        engine, (node,) = self.toolchain.engine, self.nodes
        engine.docker("exec", node, "sh", "-euc", AFTER_RESTART)
        node_containers.reject_unknown_addresses(engine, node, *node_containers.subnets(engine, node))

    def nodes_up(self) -> bool:
        """Return whether the node's containerd answers."""
        return node_containers.up(self.toolchain.engine, self.nodes)

    def load_images(self, references: Sequence[str]) -> None:
        """Load the images that the node lacks. Raises `ToolchainError`."""
        node_containers.load(self.toolchain.engine, self.nodes, references, self._load)

    def _load(self, references: Sequence[str]) -> None:
        """Load images as one archive, so that shared layers are loaded once."""
        for node in self.nodes:
            node_containers.import_images(self.toolchain.engine, node, references)

    def registry_credentials(self) -> str:
        """Return nothing: the node has the images."""
        return ""

    def versions(self) -> dict[str, str]:
        """Return the base image of the node and Minikube's version."""
        inspect = ("container", "inspect", "--format", "{{.Config.Image}}", *self.nodes)
        version = run([minikube_image.require(), "version", "--short"], env=self._environment())
        return {"base image": self.toolchain.engine.docker(*inspect).strip(), "minikube": version.strip()}

    def remove(self) -> list[str]:
        """Delete the profile, and what Minikube has left of it; the network is removed by the run's label."""
        failures = []
        try:
            run([minikube_image.require(), "delete", *self._profile()], env=self._environment())
        except CommandError as error:
            failures.append(f"Minikube could not delete the cluster: {error.summary.rpartition(REASON)[2]}")
        except ToolchainError:
            pass  # Minikube was uninstalled meanwhile; its container and volume are removed all the same
        label = f"label={PROFILE_LABEL}={self.run.cluster_name}"
        engine = self.toolchain.engine
        try:
            for container in engine.docker("ps", "--all", "--quiet", "--filter", label).split():
                engine.docker("rm", "--force", "--volumes", container)
            for volume in engine.docker("volume", "ls", "--quiet", "--filter", label).split():
                engine.docker("volume", "rm", volume)
        except CommandError as error:
            failures.append(str(error))
        return failures

    def _options(self) -> list[str]:
        """Return the options of `minikube start`; --force admits root, and a Kubernetes newer than Minikube knows."""
        options = ["--container-runtime=containerd", f"--network={self.run.network}", "--interactive=false", "--force"]
        options += ["--cpus=no-limit", "--memory=no-limit"]
        if minikube_image.is_built(self.toolchain.node_image):
            minikube_image.fill_cache(self.home)
            options += [f"--base-image={minikube_image.REFERENCE}", *LOCAL_OPTIONS]
        return options

    def _profile(self) -> list[str]:
        return ["--profile", self.run.cluster_name]

    def _environment(self) -> dict[str, str]:
        # All but `start` write a log into the folder for temporary files.
        own = {"KUBECONFIG": str(self.run.kubeconfig), "TMPDIR": str(self.run.folder), **self.environment()}
        return {**os.environ, **self.toolchain.engine.environment, **own}

    def _exists(self) -> bool:
        argv: list[str | Path] = [minikube_image.require(), "status", *self._profile()]
        return self.run.kubeconfig.is_file() and succeeds(argv, env=self._environment())


def _reason(error: Exception) -> str:
    """Minikube's identifier of the failure and its cause: what the failed command said, where it quotes one."""
    lines = managers.error_lines(error)
    start = next((number for number, line in enumerate(lines) if REASON in line), None)
    if start is None:
        return lines[-1]
    message = lines[start].partition(REASON)[2]
    quoted = lines[start:][lines[start:].index("stderr:") + 1 :] if "stderr:" in lines[start:] else []
    cause = next((line for line in quoted if "rror" in line), None)
    return f"{message.partition(':')[0]}: {cause}" if cause else message
