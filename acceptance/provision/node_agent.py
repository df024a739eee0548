"""The DaemonSet of the suite's pods on the nodes: privileged, among the processes and in the network of each node."""

from __future__ import annotations

import json
from typing import Any

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import NODE_AGENTS_UP
from acceptance.core.fields import Object, integer_at, mappings_at, text_at
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import AGENT
from acceptance.provision.tool_pod import namespace_objects, tool_pod

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The folders of a node's programs; the image has another PATH."""
PROGRAMS = ("awk", "bash", "base64", "conntrack", "ctr", "find", "ip", "iptables", "setpriv", "timeout", "unshare")
"""The programs that the suite runs on a node, besides those of coreutils, which every node has."""

NO_ACCOUNT_YET = "error looking up service account"
"""Part of an event of pods in a new namespace, whose service account does not exist yet: Kubernetes tries again."""


def daemon_set(cluster: Cluster, image: str) -> dict[str, Any]:
    """Return the manifest of the DaemonSet, whose pods tolerate every taint."""
    pod = tool_pod(
        cluster,
        AGENT,
        image,
        ["sleep", "infinity"],
        {"cpu": "20m", "memory": "16Mi"},
        container={
            "env": [{"name": "PATH", "value": PATH}],
            "securityContext": {"privileged": True, "runAsUser": 0, "runAsGroup": 0},
        },
        spec={"hostPID": True, "hostNetwork": True, "tolerations": [{"operator": "Exists"}]},
    )
    labels = {"app": AGENT}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": AGENT, "namespace": cluster.run.namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
        },
    }


def open_agents(cluster: Cluster, image: str) -> None:
    """Start the suite's pod on every node. Raises `Untested` where a node can't run it, or lacks a program."""
    cluster.apply(*namespace_objects(cluster), daemon_set(cluster, image))
    try:
        eventually("the suite's pod to run on every node", lambda: _require_running(cluster), NODE_AGENTS_UP)
    except WaitError as error:
        raise Untested(f"the nodes can't be reached: {error}") from error
    command = 'for each in "$@"; do command -v "$each" > /dev/null || echo "$each"; done'
    for node in cluster.nodes():
        if missing := node.exec("sh", "-c", command, "sh", *PROGRAMS).split():
            raise Untested(f"node {node.name} lacks {', '.join(missing)}, with which the suite looks into containers")


def _require_running(cluster: Cluster) -> None:
    where = ("--namespace", cluster.run.namespace, "--output", "json")
    found: Object = json.loads(cluster.kubectl("get", "daemonset", AGENT, *where))
    desired = integer_at(found, "status.desiredNumberScheduled", 0)
    counts = [integer_at(found, f"status.{key}", 0) for key in ("updatedNumberScheduled", "numberReady")]
    observed = integer_at(found, "status.observedGeneration", 0) == integer_at(found, "metadata.generation", 0)
    if observed and desired and counts == [desired, desired]:
        return
    events = mappings_at(json.loads(cluster.kubectl("get", "events", *where)), "items")
    failed = [text_at(event, "message") for event in events if text_at(event, "reason") == "FailedCreate"]
    if refused := [message for message in failed if NO_ACCOUNT_YET not in message]:
        raise WaitError(f"a privileged pod is refused in this cluster: {refused[-1]}")
    raise NotYet(f"of {desired} nodes, {counts[0]} have the pod and {counts[1]} run it")
