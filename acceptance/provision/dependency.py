"""What a release depends on outside of itself, PostgreSQL and the model's stub: how it is started and disturbed.

It is a container of this machine's engine where the cluster's pods can reach that, else a pod of the suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node

FILES = "/run/database"
"""The folder of the files that a dependency is given."""


@dataclass(frozen=True)
class PacketRule:
    """A rule of a node's packet filter.

    Attributes:
        node: The node.
        within: The command that enters the network where the rule applies, if that is not the node's own.
        match: The chain, and which packets of it.
    """

    node: Node
    match: tuple[str, ...]
    within: tuple[str, ...] = ()


class Dependency(Protocol):
    """A running program, whose data outlive a stop."""

    @property
    def host(self) -> str:
        """The DNS name under which pods reach it."""

    def local_port(self, port: int) -> int:
        """Return the port on this machine's loopback that leads to a port of it; it may change with each start."""

    def address(self) -> str:
        """Return the IP address from which its connections come."""

    def read(self, path: str) -> str:
        """Return the text of a file, as the program sees it."""

    def stop(self, seconds: int) -> None:
        """Stop it: connections are closed, new ones refused; it is killed if it takes longer than this."""

    def start(self) -> None:
        """Start it again; it need not answer yet."""

    def kill(self) -> None:
        """Kill it as a crash does, until it is started."""

    def pause(self) -> None:
        """Pause it: connections stay open and get no answer."""

    def unpause(self) -> None:
        """Resume it."""

    def remove(self) -> None:
        """Remove it with its data."""

    def packet_rules(self, cluster: Cluster, port: int) -> Sequence[PacketRule]:
        """Return a rule for each direction of the traffic between pods and a port of it. Raises `Untested`."""


class Dependencies(Protocol):
    """Where the dependencies of a run's release are started, each under a name of its own."""

    def host(self, name: str) -> str:
        """Return the DNS name that the dependency of a name has, or will have."""

    def kept(self, name: str) -> bool:
        """Return whether a kept run has left the dependency of a name."""

    def start(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        files: Mapping[str, bytes] | None = None,
        ports: tuple[int, ...] = (),
    ) -> Dependency:
        """Start a dependency, or reuse one that a kept run has left; it need not answer yet.

        Args:
            name: Its name within the run.
            image: The reference of its image.
            command: The program and its arguments.
            files: What it finds in `FILES`, by name; secrets may be among them.
            ports: The ports that this machine connects to.
        """
