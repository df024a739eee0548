"""Pods of the suite in the cluster: gateway, sampler and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.provision.cluster import Cluster


def namespace(cluster: Cluster) -> dict[str, Any]:
    """Return the manifest of the suite's namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.run.namespace}}


def tool_pod(
    cluster: Cluster,
    name: str,
    image: str,
    command: Sequence[str],
    requests: Mapping[str, str],
    *,
    container: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a pod that runs one of the suite's tools.

    Args:
        cluster: The cluster; the pod is in the run's namespace.
        name: The name of pod and container, and the value of the label `app`.
        image: The reference of the tools' image, which is on the node.
        command: The container's command.
        requests: CPU and memory requests: the pod's share of a busy node.
        container: Further fields of the container.
        spec: Further fields of the pod's specification.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": cluster.run.namespace, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            **(spec or {}),
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(command),
                    "resources": {"requests": dict(requests)},
                    **(container or {}),
                }
            ],
        },
    }
