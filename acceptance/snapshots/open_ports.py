"""Which ports of a release are open on its node's addresses, to the node itself and to its neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from acceptance.checks.isolation import pod_ports, service_ports
from acceptance.core.fields import Object, at, mappings_at, name_of, text_at
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node
from acceptance.snapshots.isolation import NodeView
from acceptance.snapshots.live import listening

CONNECT = r"""
for each in "$@"; do
  (timeout 5 bash -c 'exec 3<> "/dev/tcp/${0%@*}/${0##*@}"' "$each" 2> /dev/null && printf '%s\n' "$each") &
done
wait
"""
"""Arguments: `address@port`. Prints those to which a connection is established."""
CONNECT_BY_PYTHON = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def connect(each):
    address, _, port = each.rpartition("@")
    try:
        socket.create_connection((address, int(port)), 5).close()
    except OSError:
        return
    print(each, flush=True)
with ThreadPoolExecutor(16) as pool:
    list(pool.map(connect, sys.argv[1:]))
"""


@dataclass(frozen=True)
class OpenPort:
    """An address of the node and a port of the release to which a connection was established, and from where."""

    address: str
    port: int
    source: str
    meaning: str
    """What the port is in the release."""


def node_addresses(node: Node) -> tuple[str, ...]:
    """Return every address of the node but link-local ones, loopback included. Raises `CommandError`."""
    links = json.loads(node.exec("ip", "-json", "address"))
    entries = [entry for link in links for entry in mappings_at(link, "addr_info")]
    return tuple(dict.fromkeys(str(entry["local"]) for entry in entries if entry.get("scope") != "link"))


def host_listeners(node: Node) -> frozenset[int]:
    """Return the ports on which a process in the node's own network namespace listens."""
    script = "awk '$4 == \"0A\" {print $2}' /proc/1/net/tcp /proc/1/net/tcp6"
    found = node.exec("sh", "-c", script)
    return listening(found.replace("\n", " "), loopback=False) | listening(found.replace("\n", " "), loopback=True)


def release_ports(view: NodeView, services: Iterable[Object]) -> dict[int, str]:
    """Return the ports of the release and what each is: a container's, a listener's, a Service's or a node port."""
    return pod_ports(view.containers) | service_ports(services)


def connected_from_node(node: Node, pairs: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those addresses and ports to which the node itself can connect."""
    return _pairs(node.exec("sh", "-c", CONNECT, "sh", *(f"{address}@{port}" for address, port in pairs)))


def connected_from_neighbour(
    cluster: Cluster, container: str, pairs: Iterable[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Return those addresses and ports to which a container of the suite can connect on the nodes' network."""
    arguments = [f"{address}@{port}" for address, port in pairs]
    return _pairs(cluster.toolchain.engine.docker("exec", container, "python3", "-c", CONNECT_BY_PYTHON, *arguments))


def _pairs(text: str) -> set[tuple[str, int]]:
    split = [line.rpartition("@") for line in text.split()]
    return {(address, int(port)) for address, _, port in split}


def foreign_ports(cluster: Cluster, namespace: str) -> set[int]:
    """Return the node's ports that belong to others: node ports and host ports of every other namespace."""
    found: set[int] = set()
    for kind, path, key in (("services", "spec.ports", "nodePort"), ("pods", "spec.containers", "hostPort")):
        listed = json.loads(cluster.kubectl("get", kind, "--all-namespaces", "--output", "json"))
        for item in mappings_at(listed, "items"):
            if text_at(item, "metadata.namespace") == namespace:
                continue
            entries = mappings_at(item, path)
            if kind == "pods":
                entries = [port for container in entries for port in mappings_at(container, "ports")]
            found |= {int(port[key]) for port in entries if isinstance(port.get(key), int)}
    return found


def kubelet_endpoint(nodes: Iterable[Object], node_name: str) -> tuple[str, int]:
    """Return the node's internal address and the kubelet's port, which is open on every node."""
    node = next(item for item in nodes if name_of(item) == node_name)
    addresses = mappings_at(node, "status.addresses")
    address = next(text_at(each, "address") for each in addresses if each.get("type") == "InternalIP")
    return address, int(str(at(node, "status.daemonEndpoints.kubeletEndpoint.Port")))
