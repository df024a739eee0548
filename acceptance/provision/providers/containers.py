"""No cluster: the release's containers run on the run's Docker network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from acceptance.provision.providers.base import CAPABILITIES
from acceptance.provision.run import Run
from toolchain import Toolchain


@dataclass(frozen=True)
class ContainersProvider:
    """What a run without a cluster has: a release of its own, and nothing that needs Kubernetes."""

    creates_cluster: ClassVar[bool] = False
    loads_early: ClassVar[bool] = False
    """Nothing is loaded."""
    fixes_address: ClassVar[bool] = False
    """There is no node."""

    toolchain: Toolchain
    run: Run

    @property
    def context(self) -> str:
        """None."""
        return ""

    @property
    def nodes(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def lacking(self) -> Mapping[str, str]:
        """Everything but a release of the run's own, whose containers reach others by name."""
        reason = "the release's containers run without a cluster (--cluster-provider none)"
        return dict.fromkeys(CAPABILITIES.keys() - {"own-release", "engine-network"}, reason)

    def environment(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def create(self) -> None:
        """Do nothing."""

    def prepare_nodes(self) -> None:
        """Do nothing: there is no node."""

    def nodes_up(self) -> bool:
        """Return True: there is no node to wait for."""
        return True

    def load_images(self, references: Sequence[str]) -> None:
        """Do nothing: the engine has the images."""

    def registry_credentials(self) -> str:
        """Return nothing."""
        return ""

    def versions(self) -> dict[str, str]:
        """Return what the report says in place of a cluster."""
        return {"cluster": "none: containers on a Docker network"}

    def remove(self) -> list[str]:
        """Return nothing: containers and network are removed by the run's label."""
        return []
