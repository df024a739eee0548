"""The way in: a SOCKS proxy in a pod of the suite's own, so that every request takes the path that users' take.

Service names and pod addresses are resolved and balanced inside the cluster; no route on this machine, and no
port-forward that would pin a pod. The node of a run's own cluster leads one port of this machine's loopback to the
pod; in a cluster of the user's own, where no port was mapped, the pod has a port of the node's, which the API server
chooses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests
import socks

from acceptance.core.deadlines import GATEWAY_UP, REQUEST
from acceptance.core.fields import Object, mappings_at, text_at
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import cluster as clusters
from acceptance.provision.cluster import GATEWAY_PORT, Cluster
from acceptance.provision.docker import LOOPBACK, host_port
from toolchain.console import ToolchainError

NAME = "gateway"
SELECTOR = {"app": NAME}
WHERE_IMAGE = ("--field-selector", f"metadata.name={NAME}", "--output", "jsonpath={.items[*].spec.containers[*].image}")
API_SERVER = "kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Gateway:
    """Where the proxy is reached from this machine; `session` and `proxy` lead through it."""

    target: Target
    host: str
    port: int

    @property
    def proxy(self) -> str:
        """For requests: names are resolved in the cluster."""
        return f"socks5h://{self.host}:{self.port}"

    def url(self, component: str, path: str = "/") -> str:
        """The address of a component's Service, as pods know it."""
        return service_url(self.target, component) + path

    def session(self) -> requests.Session:
        """A session through the gateway, without retries and without the machine's own proxy settings."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        return session

    def check_connection(self) -> None:
        """Make a connection to the API server through the proxy; `NotYet` where none comes about."""
        try:
            socks.create_connection(
                (API_SERVER, 443),
                timeout=int(REQUEST.seconds),
                proxy_type=socks.SOCKS5,
                proxy_addr=self.host,
                proxy_port=self.port,
            ).close()
        except (OSError, socks.ProxyError) as error:
            raise NotYet(str(error)) from error


def service_url(target: Target, component: str) -> str:
    """The origin of a component's Service, as pods know it."""
    part = target.component(component)
    return f"http://{part.service}.{target.chart.namespace}.svc.cluster.local:{part.service_port}"


def pod(cluster: Cluster, image: str) -> dict[str, Any]:
    port = {"containerPort": GATEWAY_PORT} | ({} if cluster.run.context else {"hostPort": GATEWAY_PORT})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace, "labels": {**SELECTOR}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["microsocks", "-p", str(GATEWAY_PORT)],
                    "ports": [port],
                    "resources": {"requests": {"cpu": "20m", "memory": "16Mi"}},
                }
            ],
        },
    }


def node_port(cluster: Cluster) -> dict[str, Any]:
    """A Service that gives the gateway a port of the node's."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "spec": {"type": "NodePort", "selector": {**SELECTOR}, "ports": [{"port": GATEWAY_PORT}]},
    }


def namespace(cluster: Cluster) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.run.namespace}}


def open_gateway(cluster: Cluster, target: Target, image: str) -> Gateway:
    """Start the gateway's pod, if it does not run, and wait until a connection passes it."""
    clusters.apply(cluster, namespace(cluster))
    # A pod of another image would be restarted in place, some time after this has returned.
    found = cluster.kubectl("get", "pods", *WHERE_IMAGE, "--namespace", cluster.run.namespace).split()
    if found and found != [image]:
        cluster.kubectl("delete", "pod", NAME, "--namespace", cluster.run.namespace)
    clusters.apply(cluster, pod(cluster, image))
    gateway = Gateway(target, *address(cluster))
    eventually("a connection to the API server through the gateway", gateway.check_connection, GATEWAY_UP)
    return gateway


def address(cluster: Cluster) -> tuple[str, int]:
    """Where the gateway's port is reached from this machine."""
    if not cluster.run.context:
        return LOOPBACK, host_port(cluster.toolchain, cluster.node, GATEWAY_PORT)
    clusters.apply(cluster, node_port(cluster))
    where = ("--namespace", cluster.run.namespace, "--output", "json")
    service: Object = json.loads(cluster.kubectl("get", "service", NAME, *where))
    nodes = mappings_at(json.loads(cluster.kubectl("get", "nodes", "--output", "json")), "items")
    addresses = [each for node in nodes for each in mappings_at(node, "status.addresses")]
    host = next((text_at(each, "address") for each in addresses if each.get("type") == "InternalIP"), None)
    if host is None:
        raise ToolchainError(f"the node of context {cluster.context} has no internal address")
    return host, int(mappings_at(service, "spec.ports")[0]["nodePort"])
