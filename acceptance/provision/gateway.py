"""The way into the cluster: a SOCKS proxy in a pod of the suite, so that requests take the path that users' take.

Service names and pod addresses are resolved and balanced inside the cluster; no route on this machine is needed, and
no port-forward that would pin a pod. Where a port of this machine is mapped to the node, the pod listens there;
elsewhere it has a node port, which the API server chooses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import requests
import socks

from acceptance.core.deadlines import GATEWAY_UP, REQUEST
from acceptance.core.fields import Object, mappings_at, text_at
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.cluster import Cluster
from acceptance.provision.docker import LOOPBACK, host_port
from acceptance.provision.providers import GATEWAY_PORT
from acceptance.provision.tool_pod import namespace, tool_pod
from toolchain.console import ToolchainError

NAME = "gateway"
IMAGE_QUERY = ("--field-selector", f"metadata.name={NAME}", "--output", "jsonpath={.items[*].spec.containers[*].image}")
API_SERVER = ("kubernetes.default.svc.cluster.local", 443)


@dataclass(frozen=True)
class Gateway:
    """Where the proxy is reached from this machine; `session` and `proxy` go through it."""

    target: Target
    host: str
    port: int
    always_there: tuple[str, int] = field(default=API_SERVER, kw_only=True)
    """What the proxy connects to whatever the release does."""

    @property
    def proxy(self) -> str:
        """The proxy's URL for requests; names are resolved in the cluster."""
        return f"socks5h://{self.host}:{self.port}"

    def url(self, component: str, path: str = "/") -> str:
        """Return the URL of a path at a component's Service, as pods address it."""
        return service_url(self.target, component) + path

    def session(self) -> requests.Session:
        """Return a session through the gateway, without retries and without the machine's own proxy settings."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        return session

    def check_connection(self) -> None:
        """Connect through the proxy to what is always there. Raises `NotYet` where no connection is established."""
        self.connect(*self.always_there)

    def connect(self, host: str, port: int) -> None:
        """Connect to a port through the proxy, and disconnect. Raises `NotYet` where no connection is established."""
        try:
            socks.create_connection(
                (host, port),
                timeout=int(REQUEST.seconds),
                proxy_type=socks.SOCKS5,
                proxy_addr=self.host,
                proxy_port=self.port,
            ).close()
        except (OSError, socks.ProxyError) as error:
            raise NotYet(str(error)) from error


def service_host(target: Target, component: str) -> str:
    """Return the DNS name of a component's Service in the cluster."""
    return f"{target.component(component).service}.{target.chart.namespace}.svc.cluster.local"


def service_url(target: Target, component: str) -> str:
    """Return the origin of a component's Service, as pods address it."""
    return f"http://{service_host(target, component)}:{target.component(component).service_port}"


def pod(cluster: Cluster, image: str) -> dict[str, Any]:
    """Return the manifest of the gateway's pod."""
    port = {"containerPort": GATEWAY_PORT}
    if "mapped-port" in cluster.capabilities:
        port["hostPort"] = GATEWAY_PORT
    command = ["microsocks", "-p", str(GATEWAY_PORT)]
    return tool_pod(cluster, NAME, image, command, {"cpu": "20m", "memory": "16Mi"}, container={"ports": [port]})


def node_port(cluster: Cluster) -> dict[str, Any]:
    """Return the manifest of a Service that gives the gateway a node port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "spec": {"type": "NodePort", "selector": {"app": NAME}, "ports": [{"port": GATEWAY_PORT}]},
    }


def open_gateway(cluster: Cluster, target: Target, image: str) -> Gateway:
    """Start the gateway's pod, if it does not run, and wait for a connection through it. Raises `WaitError`."""
    cluster.apply(namespace(cluster))
    # A pod with another image would be restarted in place, some time after this function has returned.
    found = cluster.kubectl("get", "pods", *IMAGE_QUERY, "--namespace", cluster.run.namespace).split()
    if found and found != [image]:
        cluster.kubectl("delete", "pod", NAME, "--namespace", cluster.run.namespace)
    cluster.apply(pod(cluster, image))
    gateway = Gateway(target, *address(cluster))
    eventually("a connection to the API server through the gateway", gateway.check_connection, GATEWAY_UP)
    return gateway


def address(cluster: Cluster) -> tuple[str, int]:
    """Return the host and port at which this machine reaches the gateway. Raises `ToolchainError`."""
    if "mapped-port" in cluster.capabilities:
        return LOOPBACK, host_port(cluster.toolchain, cluster.node, GATEWAY_PORT)
    cluster.apply(node_port(cluster))
    where = ("--namespace", cluster.run.namespace, "--output", "json")
    service: Object = json.loads(cluster.kubectl("get", "service", NAME, *where))
    nodes = mappings_at(json.loads(cluster.kubectl("get", "nodes", "--output", "json")), "items")
    addresses = [each for node in nodes for each in mappings_at(node, "status.addresses")]
    host = next((text_at(each, "address") for each in addresses if each.get("type") == "InternalIP"), None)
    if host is None:
        raise ToolchainError(f"the node of context {cluster.context} has no internal address")
    return host, int(mappings_at(service, "spec.ports")[0]["nodePort"])
