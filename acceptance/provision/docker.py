"""Docker containers beside the cluster, on its network: what a release reaches outside the cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from docker.types import EndpointConfig

from acceptance.provision.run import LABEL, Run
from toolchain import Toolchain
from toolchain.console import CommandError

# The sweep by run id does Ryuk's work, without an image to pull. Read by testcontainers when it is imported.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

from testcontainers.core.container import DockerContainer

LOOPBACK = "127.0.0.1"
ENDPOINT_VERSION = "1.44"
"""The version of Docker's API in which a container's endpoint on a network is described: that of engine 25."""
STATUS_AND_EXIT_CODE = "{{.State.Status}} {{.State.ExitCode}}"
ABSENT = re.compile(r"no such (container|network|object)|network \S+ not found", re.IGNORECASE)
"""What Docker says of a container or network that does not exist."""
LIMITS: dict[str, Any] = {}
"""Limits of every container that this process starts, in addition to its own, as docker-py names them."""


def start(
    toolchain: Toolchain,
    run: Run,
    name: str,
    image: str,
    *,
    entrypoint: Sequence[str] | None = None,
    files: Mapping[str, bytes] | None = None,
    ports: tuple[int, ...] = (),
    aliases: Sequence[str] = (),
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    tmpfs: Sequence[str] = (),
    limits: Mapping[str, Any] | None = None,
    network: str = "",
) -> None:
    """Start a container on the run's network, or on another one of the run's.

    A container that a kept run has left is started or unpaused; one that never ran is created again, since it may
    lack its files.

    Args:
        toolchain: The tools of this machine.
        run: The run that the container belongs to.
        name: The container's name, which is its DNS name on the network.
        image: The image's reference.
        entrypoint: Replaces the image's own.
        files: Files to copy into the container before it starts, by path.
        ports: Ports to publish on loopback, each at a free port.
        aliases: Further DNS names on the network.
        command: Replaces the image's own arguments.
        environment: Variables beside the image's own.
        tmpfs: Folders in memory that every user may write to.
        limits: Of CPU and memory, as docker-py names them.
        network: The network, if it is not the run's own.
    """
    os.environ["DOCKER_HOST"] = toolchain.engine.host
    found = state(toolchain, name)
    if found == "created":
        toolchain.engine.docker("rm", "--force", name)
    elif found is not None:
        toolchain.engine.docker("unpause" if found == "paused" else "start", name)
        return
    network = network or run.network
    networking = {network: EndpointConfig(ENDPOINT_VERSION, aliases=list(aliases))}
    own = {"network": network, "networking_config": networking, "labels": {LABEL: run.id}, "entrypoint": entrypoint}
    container = DockerContainer(image, command=command, env=dict(environment or {}))  # type: ignore[arg-type]
    container = container.with_name(name).with_kwargs(**own, **LIMITS, **(limits or {}))
    container.tmpfs = dict.fromkeys(tmpfs, "mode=1777")
    # with_exposed_ports would open them on every address of this machine; docker-py takes a pair too.
    container.ports = {f"{port}/tcp": (LOOPBACK, None) for port in ports}  # type: ignore[misc]
    for path, content in (files or {}).items():
        container.with_copy_into_container(content, path, 0o444)
    container.start()


def state(toolchain: Toolchain, name: str) -> str | None:
    """Return Docker's state of the container (`running`, `paused`, `exited`, …), or None where it does not exist.

    Raises:
        CommandError: The engine failed, which must not be taken for a container that does not exist.
    """
    try:
        return str(json.loads(toolchain.engine.docker("container", "inspect", name))[0]["State"]["Status"])
    except CommandError as error:
        _raise_unless_absent(error)
        return None


def _raise_unless_absent(error: CommandError) -> None:
    """Raise an error of `docker inspect` again unless it says that there is no object of that name."""
    if not ABSENT.search(error.stderr):
        raise error


def exit_code(toolchain: Toolchain, name: str) -> int | None:
    """Return the exit code of the container's process; None while it runs. Raises `CommandError`."""
    status, code = toolchain.engine.docker("container", "inspect", "--format", STATUS_AND_EXIT_CODE, name).split()
    return int(code) if status == "exited" else None


def log(toolchain: Toolchain, name: str, lines: int) -> str:
    """Return the last lines of what the container has written to stdout and stderr."""
    done = subprocess.run(
        [toolchain.engine.client, "logs", "--tail", str(lines), name],
        env=toolchain.engine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout


def host_port(toolchain: Toolchain, name: str, port: int) -> int:
    """Return the port on loopback that is published for the container's port; it changes with each start."""
    return int(toolchain.engine.docker("port", name, f"{port}/tcp").split()[0].rpartition(":")[2])


def create_network(toolchain: Toolchain, run: Run, *, with_subnet: bool = False) -> str:
    """Create the run's network, unless a kept run has it, and return its name. Raises `CommandError`.

    Args:
        toolchain: The tools of this machine.
        run: The run that the network belongs to.
        with_subnet: Whether a container may ask for an address of it: others then get addresses of its upper half.
    """
    engine = toolchain.engine
    create = ("network", "create", "--label", f"{LABEL}={run.id}")
    try:
        engine.docker("network", "inspect", run.network)
    except CommandError as error:
        _raise_unless_absent(error)
        engine.docker(*create, run.network)
        if with_subnet:  # Docker chooses a free one, but grants addresses only of one that was asked for
            found = json.loads(engine.docker("network", "inspect", run.network))[0]["IPAM"]["Config"][0]
            subnet = ip_network(found["Subnet"])
            _, upper = subnet.subnets()
            engine.docker("network", "rm", run.network)
            addresses = (f"--subnet={subnet}", f"--ip-range={upper}", f"--gateway={subnet[1]}")
            engine.docker(*create, *addresses, run.network)
    return run.network
