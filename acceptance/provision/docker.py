"""Containers beside the cluster, on its Docker network: what a release reaches from outside of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from acceptance.provision.run import LABEL, Run
from toolchain import Toolchain
from toolchain.console import CommandError

# The sweep by run id does Ryuk's work, without an image to pull. Read by testcontainers when it is imported.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

from testcontainers.core.container import DockerContainer

LOOPBACK = "127.0.0.1"


def start(
    toolchain: Toolchain,
    run: Run,
    name: str,
    image: str,
    *,
    entrypoint: Sequence[str] | None = None,
    files: Mapping[str, bytes] | None = None,
    ports: tuple[int, ...] = (),
) -> None:
    """Start a container `name` on the run's network, `files` put in it first, `ports` open on loopback.

    `entrypoint` replaces the image's own. One that a kept run has left is started again if it stands still; one that
    never ran is made anew, since it may lack its files.
    """
    os.environ["DOCKER_HOST"] = toolchain.engine.host
    found = state(toolchain, name)
    if found == "created":
        toolchain.engine.docker("rm", "--force", name)
    elif found is not None:
        toolchain.engine.docker("unpause" if found == "paused" else "start", name)
        return
    settings = {"network": run.network, "labels": {LABEL: run.id}, "entrypoint": entrypoint}
    container = DockerContainer(image).with_name(name).with_kwargs(**settings)
    # with_exposed_ports would open them on every address of this machine; docker-py takes a pair too.
    container.ports = {f"{port}/tcp": (LOOPBACK, None) for port in ports}  # type: ignore[misc]
    for path, content in (files or {}).items():
        container.with_copy_into_container(content, path, 0o444)
    container.start()


def state(toolchain: Toolchain, name: str) -> str | None:
    """Docker's word for the container's state (`running`, `paused`, `exited`, …), or None where there is none."""
    try:
        return str(json.loads(toolchain.engine.docker("container", "inspect", name))[0]["State"]["Status"])
    except CommandError:
        return None


def host_port(toolchain: Toolchain, name: str, port: int) -> int:
    """The port on loopback that leads to the container's port; another one after each start."""
    return int(toolchain.engine.docker("port", name, f"{port}/tcp").split()[0].rpartition(":")[2])
