"""Pods of the suite in the cluster: gateway, sampler and load; and those on its nodes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.provision.cluster import Cluster

PULL_SECRET = "registry"  # noqa: S105
"""The name of the Secret with which pods of the suite pull from the user's registry."""


def namespace_objects(cluster: Cluster, name: str = "") -> list[dict[str, Any]]:
    """Return the manifests of a namespace of the run and, for a registry, of what lets its pods pull from there.

    Args:
        cluster: The cluster.
        name: The namespace's name; the suite's own by default, in which its pods on the nodes are.
    """
    # Without the label, a cluster that enforces Pod Security refuses the pods on the nodes.
    privileged = not name and "node" in cluster.capabilities
    labels = {"pod-security.kubernetes.io/enforce": "privileged"} if privileged else {}
    name = name or cluster.run.namespace
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    ]
    if credentials := cluster.provider.registry_credentials():
        data = {".dockerconfigjson": b64encode(credentials.encode()).decode()}
        metadata = {"name": PULL_SECRET, "namespace": name}
        objects += [
            {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": metadata}
            | {"data": data},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
            | {"imagePullSecrets": [{"name": PULL_SECRET}]},
        ]
    return objects


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
