"""NetworkPolicies as a network plugin enforces them: which traffic of a pod they let through.

Where a policy can't decide without the cluster, as with address blocks, traffic counts as let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at
from acceptance.kube.pod_templates import Pod, selects

Direction = Literal["Ingress", "Egress"]
NAMESPACE_NAME = "kubernetes.io/metadata.name"
DNS_LABELS = {"k8s-app": "kube-dns"}
"""Labels of the cluster's DNS as kubeadm installs it, for every name of its Deployment."""


def governing(policies: Iterable[Object], pod: Pod, direction: Direction) -> list[Object]:
    """Return the policies of a pod's namespace that isolate it in a direction."""
    return [
        policy
        for policy in policies
        if direction in _types(policy) and selects(mapping_at(policy, "spec.podSelector"), pod.labels)
    ]


def _types(policy: Object) -> list[Any]:
    stated = list_at(policy, "spec.policyTypes")
    return stated or (["Ingress", "Egress"] if at(policy, "spec.egress") is not None else ["Ingress"])


def rules(policies: Iterable[Object], direction: Direction) -> list[tuple[list[Object], list[Object]]]:
    """Return peers and ports of each rule of the policies; an empty list means all."""
    key = "from" if direction == "Ingress" else "to"
    return [
        (mappings_at(rule, key), mappings_at(rule, "ports"))
        for policy in policies
        for rule in mappings_at(policy, f"spec.{direction.lower()}")
    ]


def has_port(ports: list[Object], number: int, names: Mapping[str | int, int], protocol: str = "TCP") -> bool:
    """Return whether a rule's ports contain a port; `names` has the pod's ports by name."""
    for entry in ports:
        port = at(entry, "port")
        first = names.get(port) if isinstance(port, str) else port
        last = at(entry, "endPort") or first
        if (at(entry, "protocol") or "TCP") != protocol:
            continue
        if port is None or (isinstance(first, int) and isinstance(last, int) and first <= number <= last):
            return True
    return not ports


def is_peer(peers: list[Object], pod: Pod, namespace_labels: Object) -> bool:
    """Return whether a rule's peers contain a pod of the release's own namespace."""
    for peer in peers:
        if at(peer, "ipBlock") is not None:
            return True
        spaces = at(peer, "namespaceSelector")
        near = spaces is None or selects(mapping_at(peer, "namespaceSelector"), namespace_labels)
        if near and (at(peer, "podSelector") is None or selects(mapping_at(peer, "podSelector"), pod.labels)):
            return True
    return not peers


def reaches_dns(policies: list[Object]) -> bool:
    """Return whether a pod that these policies isolate may ask the cluster's DNS, which is in another namespace."""
    for peers, ports in rules(policies, "Egress"):
        if has_port(ports, 53, {}, "UDP") and (not peers or any(map(_may_be_dns, peers))):
            return True
    return not policies


def _may_be_dns(peer: Object) -> bool:
    """Return whether a peer contains the cluster's DNS: pods of kube-system with kubeadm's label, or addresses."""
    if at(peer, "ipBlock"):
        return True
    if (namespaces := at(peer, "namespaceSelector")) is None or not selects(
        namespaces, {NAMESPACE_NAME: "kube-system"}
    ):
        return False
    pods = at(peer, "podSelector")
    return pods is None or selects(pods, DNS_LABELS)


def reaches_outside(policies: list[Object], port: int) -> bool:
    """Return whether a pod that these policies isolate may connect to a port outside of the cluster."""
    for peers, ports in rules(policies, "Egress"):
        if has_port(ports, port, {}) and (not peers or any(at(peer, "ipBlock") for peer in peers)):
            return True
    return not policies
