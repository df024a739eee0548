"""The way into the cluster: a SOCKS proxy in a pod of the suite, so that requests take the path that users' take.

Service names and pod addresses are resolved and balanced inside the cluster; no route on this machine is needed, and
no port-forward that would pin a pod of the release. Where a port of this machine is mapped to a node, the pod listens
there; elsewhere it has a node port, which the API server chooses, or a port-forward where the nodes can't be reached.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import requests
import socks

from acceptance.core.deadlines import GATEWAY_UP, REQUEST
from acceptance.core.fields import Object, mappings_at, text_at
from acceptance.core.target import Target
from acceptance.core.urls import authority
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.cluster import Cluster
from acceptance.provision.docker import LOOPBACK, host_port
from acceptance.provision.port_forward import forwarded_port
from acceptance.provision.providers import GATEWAY_PORT
from acceptance.provision.tool_pod import namespace_objects, tool_pod

NAME = "gateway"
IMAGE_QUERY = ("--field-selector", f"metadata.name={NAME}", "--output", "jsonpath={.items[*].spec.containers[*].image}")
READY = int(GATEWAY_UP.seconds)
NODE_PORT_SECONDS = 3
"""Seconds for connecting to a node port, which takes under 1 ms on this machine and 0.2 s to another continent."""
API_SERVER = ("kubernetes.default.svc.cluster.local", 443)
HTTP_PORT = 80


@dataclass(frozen=True)
class Gateway:
    """Where the proxy is reached from this machine; `session` and `proxy` go through it."""

    target: Target
    host: str
    port: int
    always_there: tuple[str, int] = field(default=API_SERVER, kw_only=True)
    """An address that the proxy can connect to whatever the release does."""
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Headers that are sent with every request of a session, such as an ingress adds."""
    observers: list[Callable[[requests.Response], object]] = field(default_factory=list, kw_only=True, compare=False)
    """Each is given every response of the release."""

    @property
    def proxy(self) -> str:
        """The proxy's URL for requests; names are resolved in the cluster."""
        return f"socks5h://{authority(self.host, self.port)}"

    def url(self, component: str, path: str = "/") -> str:
        """Return the URL of a path at a component's Service, as pods address it."""
        return service_url(self.target, component) + path

    def session(self) -> requests.Session:
        """Return a session through the gateway, without retries and without the machine's own proxy settings."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        session.headers.update(self.headers)
        return session

    def check_connection(self) -> None:
        """Connect through the proxy to what is always there. Raises `NotYet` where no connection is established."""
        self.connect(*self.always_there)

    def connect(self, host: str, port: int) -> None:
        """Connect to a port through the proxy, and disconnect. Raises `NotYet` where no connection is established."""
        try:
            self.open_connection(host, port).close()
        except OSError as error:
            raise NotYet(str(error)) from error

    def open_connection(self, host: str, port: int) -> socket.socket:
        """Return a connection to a port through the proxy. Raises `OSError` where none is established in time."""
        connection: socket.socket = socks.create_connection(
            (host, port),
            timeout=int(REQUEST.seconds),
            proxy_type=socks.SOCKS5,
            proxy_addr=self.host,
            proxy_port=self.port,
        )
        connection.settimeout(None)
        return connection


def cluster_host(service: str, namespace: str) -> str:
    """Return the DNS name of a Service in the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"


def service_host(target: Target, component: str) -> str:
    """Return the DNS name of a component's Service in the cluster."""
    return cluster_host(target.component(component).service, target.chart.namespace)


def service_url(target: Target, component: str) -> str:
    """Return the origin of a component's Service, as pods address it and browsers state it: without HTTP's own port."""
    port = target.component(component).service_port
    return f"http://{service_host(target, component)}" + ("" if port == HTTP_PORT else f":{port}")


def pod(cluster: Cluster, image: str) -> dict[str, Any]:
    """Return the manifest of the gateway's pod; a mapped port is one of the first node's."""
    port = {"containerPort": GATEWAY_PORT}
    spec = {}
    if "mapped-port" in cluster.capabilities:
        port["hostPort"] = GATEWAY_PORT
        spec["nodeName"] = cluster.provider.nodes[0]
    command = ["microsocks", "-p", str(GATEWAY_PORT)]
    requests = {"cpu": "20m", "memory": "16Mi"}
    return tool_pod(cluster, NAME, image, command, requests, container={"ports": [port]}, spec=spec)


def node_port(cluster: Cluster) -> dict[str, Any]:
    """Return the manifest of a Service that gives the gateway a node port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "spec": {"type": "NodePort", "selector": {"app": NAME}, "ports": [{"port": GATEWAY_PORT}]},
    }


def open_gateway(cluster: Cluster, target: Target, image: str, until: ExitStack) -> Gateway:
    """Start the gateway's pod, if it does not run, and wait for a connection through it.

    Args:
        cluster: The cluster.
        target: What is under test.
        image: The reference of the tools' image, which is on the nodes.
        until: Ends a port-forward, where one is needed, when it is closed.

    Raises:
        WaitError: No connection was established in time.
    """
    cluster.apply(*namespace_objects(cluster))
    # A pod with another image would be restarted in place, some time after this function has returned.
    found = cluster.kubectl("get", "pods", *IMAGE_QUERY, "--namespace", cluster.run.namespace).split()
    if found and found != [image]:
        cluster.kubectl("delete", "pod", NAME, "--namespace", cluster.run.namespace)
    cluster.apply(pod(cluster, image))
    if "mapped-port" in cluster.capabilities:
        where = LOOPBACK, host_port(cluster.toolchain, cluster.provider.nodes[0], GATEWAY_PORT)
    else:
        where = _reachable_node_port(cluster) or _forwarded(cluster, until)
    gateway = Gateway(target, *where)
    eventually("a connection to the API server through the gateway", gateway.check_connection, GATEWAY_UP)
    return gateway


def _reachable_node_port(cluster: Cluster) -> tuple[str, int] | None:
    """Return a node's address and the gateway's port on it, or None where this machine can't connect to it."""
    cluster.apply(node_port(cluster))
    cluster.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", *_namespace(cluster), f"--timeout={READY}s")
    for host, port in node_port_addresses(cluster):
        with suppress(OSError), socket.create_connection((host, port), NODE_PORT_SECONDS):
            return host, port
    return None


def _forwarded(cluster: Cluster, until: ExitStack) -> tuple[str, int]:
    kubectl = (*cluster.kubectl_command, *_namespace(cluster))
    return LOOPBACK, until.enter_context(forwarded_port(kubectl, NAME, GATEWAY_PORT))


def node_port_addresses(cluster: Cluster) -> list[tuple[str, int]]:
    """Return the internal address of each node with the gateway's node port."""
    service: Object = json.loads(cluster.kubectl("get", "service", NAME, *_namespace(cluster), "--output", "json"))
    port = int(mappings_at(service, "spec.ports")[0]["nodePort"])
    addresses = [each for node in cluster.node_objects() for each in mappings_at(node, "status.addresses")]
    return [(text_at(each, "address"), port) for each in addresses if each.get("type") == "InternalIP"]


def _namespace(cluster: Cluster) -> tuple[str, str]:
    return "--namespace", cluster.run.namespace
