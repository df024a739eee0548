"""Processes of the release's containers, seen from the node."""

from __future__ import annotations

from acceptance.core.fields import Object
from acceptance.experiments.faults import main_process
from acceptance.provision.cluster import Cluster


def environment(cluster: Cluster, pod: Object, container: str) -> dict[str, str]:
    """The environment with which the container's main process was started; it holds secrets."""
    pid = main_process(cluster, pod, container)
    entries = cluster.node_exec("cat", f"/proc/{pid}/environ").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)
