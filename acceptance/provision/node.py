"""A node of the cluster, reached through the suite's privileged pod on it: the same way on every kind of cluster.

A command runs in the node's own namespaces, with the node's own programs, as it would from a root shell there.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from acceptance.provision.containerd import CTR, list_images
from toolchain.console import ToolchainError, run

AGENT = "node-agent"
"""The name of the DaemonSet of the suite's pods on the nodes, and the value of their label `app`."""
ON_NODE = ("nsenter", "--target", "1", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--")
"""Enters the namespaces of the node's first process; the pod shares the PID namespace already."""
STREAM = '"$@" & cat > /dev/null; kill $!'
"""Runs a command until standard input ends: `kubectl exec` alone would leave it running when the client ends."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Architectures as the kernel names them, and as images do."""
STREAM_ENDS_SECONDS = 10.0
"""Seconds for a command on a node to end; it takes 0.1 s here."""
PROCESSES = r"""
grep -EHso '[0-9a-f]{64}' /proc/[0-9]*/cgroup | sort -u
cat /proc/[0-9]*/stat 2> /dev/null | awk '{ pid = $1; sub(/.*\) /, ""); print pid, $20 }'
"""
"""Prints `/proc/PID/cgroup:IDENTIFIER` for each process of a container, and `PID START` for every process."""


@dataclass(frozen=True)
class Node:
    """A node; `name` is that of its Node object.

    Attributes:
        kubectl: kubectl with the options that name the cluster and the suite's namespace.
        agent: Returns the name of the suite's pod on the node. Raises `ToolchainError`.
    """

    name: str
    kubectl: tuple[str | Path, ...] = field(repr=False)
    agent: Callable[[], str] = field(repr=False, compare=False)

    def exec(self, *argv: str) -> str:
        """Run a command on the node as root and return what it printed. Raises `CommandError`."""
        return run([*self.kubectl, "exec", self.agent(), "--", *ON_NODE, *argv])

    @contextmanager
    def stream(self, *argv: str) -> Iterator[IO[str]]:
        """Yield a stream of the lines that a command on the node prints, and end the command at exit."""
        command = [*self.kubectl, "exec", "--stdin", self.agent(), "--", *ON_NODE, "sh", "-c", STREAM, "sh", *argv]
        process = subprocess.Popen(
            command,
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
            try:
                process.wait(STREAM_ENDS_SECONDS)
            except subprocess.TimeoutExpired:  # its connection is half open
                process.kill()
                process.wait()

    def main_processes(self) -> dict[str, int]:
        """Return the PID of the oldest process of each container, by the container's identifier in the runtime."""
        return oldest_processes(self.exec("sh", "-c", PROCESSES))

    def has_image(self, reference: str) -> bool:
        """Return whether the node lists an image of this reference."""
        return bool(self.exec(*list_images(reference, "--quiet")).strip())

    def image_config(self, reference: str) -> tuple[str, dict[str, Any]]:
        """Return the digest of an image's configuration on the node, and the configuration. Raises `ToolchainError`."""
        listed = self.exec(*list_images(reference))
        rows = [line.split() for line in listed.splitlines()[1:]]
        if len(rows) != 1:
            raise ToolchainError(f"expected one image named {reference} on node {self.name}, got {len(rows)}")
        manifest = self._content(rows[0][2])
        if "manifests" in manifest:
            manifest = self._content(self._of_platform(manifest["manifests"])["digest"])
        digest = str(manifest["config"]["digest"])
        return digest, self._content(digest)

    def _of_platform(self, manifests: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the entry of an image's index that is for the node's platform; the first where none says so."""
        machine = self.exec("uname", "-m").strip() if len(manifests) > 1 else ""
        wanted = {"os": "linux", "architecture": ARCHITECTURES.get(machine, machine)}
        matching = [each for each in manifests if wanted.items() <= each.get("platform", {}).items()]
        return (matching or manifests)[0]

    def _content(self, digest: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.exec(*CTR, "content", "get", digest))
        return loaded


def oldest_processes(text: str) -> dict[str, int]:
    """Parse what `PROCESSES` printed: the oldest process of each container, which is its main process."""
    lines = text.splitlines()
    started = {int(pid): int(start) for line in lines if ":" not in line for pid, start in [line.split()]}
    found: dict[str, list[int]] = {}
    for line in lines:
        path, colon, identifier = line.partition(":")
        if colon and (pid := int(path.split("/")[2])) in started:
            found.setdefault(identifier, []).append(pid)
    return {identifier: min(pids, key=lambda pid: (started[pid], pid)) for identifier, pids in found.items()}
