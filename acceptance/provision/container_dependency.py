"""Dependencies as containers of this machine's engine, on the run's network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acceptance.provision import docker
from acceptance.provision.cluster import Cluster
from acceptance.provision.dependency import FILES, Dependency, PacketRule
from acceptance.provision.run import Run
from toolchain import Toolchain


@dataclass(frozen=True)
class ContainerDependency:
    """A container; `host` is its name, which is its DNS name on the run's network."""

    toolchain: Toolchain
    run: Run
    host: str

    def local_port(self, port: int) -> int:
        """Return the port that is published on loopback."""
        return docker.host_port(self.toolchain, self.host, port)

    def address(self) -> str:
        """Return its address on the run's network."""
        query = f'{{{{(index .NetworkSettings.Networks "{self.run.network}").IPAddress}}}}'
        return self._docker("inspect", "--format", query, self.host).strip()

    def read(self, path: str) -> str:
        """Return the text of a file in the container."""
        return self._docker("exec", self.host, "cat", path)

    def stop(self, seconds: int) -> None:
        """Stop the container."""
        self._docker("stop", "--time", str(seconds), self.host)

    def start(self) -> None:
        """Start the container again."""
        self._docker("start", self.host)

    def kill(self) -> None:
        """Kill the container."""
        self._docker("kill", self.host)

    def pause(self) -> None:
        """Pause the container."""
        self._docker("pause", self.host)

    def unpause(self) -> None:
        """Resume the container."""
        self._docker("unpause", self.host)

    def remove(self) -> None:
        """Remove the container with its volumes."""
        self._docker("rm", "--force", "--volumes", self.host)

    def packet_rules(self, cluster: Cluster, port: int) -> Sequence[PacketRule]:
        """Return a rule, on every node, for what it forwards to and from the container's address."""
        del port  # nothing else is sent to the container
        address = self.address()
        return [PacketRule(node, ("FORWARD", way, address)) for node in cluster.nodes() for way in ("-d", "-s")]

    def _docker(self, *argv: str) -> str:
        return self.toolchain.engine.docker(*argv)


@dataclass(frozen=True)
class ContainerDependencies:
    """Starts containers on the run's network, which exists."""

    toolchain: Toolchain
    run: Run

    def host(self, name: str) -> str:
        """Return the container's name, which bears the run's id."""
        return f"{name}-{self.run.id}"

    def kept(self, name: str) -> bool:
        """Return whether there is a container that has run."""
        return docker.state(self.toolchain, self.host(name)) not in (None, "created")

    def start(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        files: Mapping[str, bytes] | None = None,
        ports: tuple[int, ...] = (),
    ) -> Dependency:
        """Start a container, unless a kept run has it."""
        placed = {f"{FILES}/{path}": content for path, content in (files or {}).items()}
        host = self.host(name)
        docker.start(self.toolchain, self.run, host, image, entrypoint=command, files=placed, ports=ports)
        return ContainerDependency(self.toolchain, self.run, host)
