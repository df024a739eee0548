"""What every cluster provider offers; the rest of the suite asks for capabilities and never for a provider's kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from acceptance.provision.run import Run
from toolchain import Toolchain

GATEWAY_PORT = 1080
"""The port that the gateway's proxy listens on."""

CAPABILITIES: Mapping[str, str] = {
    "cluster": "there is a cluster, with an API server",
    "node": "commands run on the nodes, through a privileged pod of the suite on each",
    "image-load": "images of this machine are loaded onto the nodes",
    "releases": "other releases are installed beside the one under test",
    "own-release": "the run installs the release under test, with a database, a model and images of its own",
    "node-restart": "nodes are restarted, drained and lost, with everything on them",
    "metrics-server": "metrics-server is installed where an HPA learns nothing without it",
    "engine-network": "pods reach containers of this machine's engine by their names",
    "image-names": "images on the nodes get the further names that shipped values have",
    "mapped-port": "a port of this machine's loopback is mapped to the gateway's port on the first node",
}
"""What a cluster may allow beyond reading it and changing the release under test."""


class Provider(Protocol):
    """One way to get a cluster. A frozen description of the cluster; nothing runs until a method is called."""

    creates_cluster: ClassVar[bool]
    """Whether the cluster is created for the run and removed with it."""
    loads_early: ClassVar[bool]
    """Whether images can be loaded while Kubernetes starts on the node."""
    fixes_address: ClassVar[bool]
    """Whether the node asks for a certain address on the run's network."""

    @property
    def toolchain(self) -> Toolchain:
        """The tools of this machine."""

    @property
    def run(self) -> Run:
        """The run that the cluster is for."""

    @property
    def context(self) -> str:
        """The context's name in the run's kubeconfig."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The containers on this engine that are the nodes, a control plane first; empty where it has none.

        A container of the run's own cluster has the name of its node.
        """

    @property
    def lacking(self) -> Mapping[str, str]:
        """Why capabilities are missing, by capability; all others are there."""

    def environment(self) -> dict[str, str]:
        """Return variables that the provider's commands and Helm need beside the toolchain's."""

    def create(self) -> None:
        """Create the cluster, or connect to one that is there already. Raises `ToolchainError`."""

    def prepare_nodes(self) -> None:
        """Set up on the nodes what a restart of one undoes. Raises `CommandError`."""

    def nodes_up(self) -> bool:
        """Return whether containerd answers on every node, which it does some time before the API server."""

    def load_images(self, references: Sequence[str]) -> None:
        """Load those images of this machine's engine that a node lacks. Raises `ToolchainError`."""

    def registry_credentials(self) -> str:
        """Return the configuration with which a node pulls the suite's images; empty where it pulls none."""

    def versions(self) -> dict[str, str]:
        """Return what the report names of the provider, such as its version."""

    def remove(self) -> list[str]:
        """Remove what the run created, by its id, and return a sentence for each step that failed."""
