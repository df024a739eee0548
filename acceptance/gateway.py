"""The way in: a SOCKS proxy in a pod of the suite's own, so that every request takes the path that users' take.

Service names and pod addresses are resolved and balanced inside the cluster; no route on this machine, and no
port-forward that would pin a pod. The node leads one port of this machine's loopback to the pod.
"""

from __future__ import annotations

from dataclasses import dataclass

import requests
import socks

from acceptance import cluster as clusters
from acceptance.cluster import GATEWAY_PORT, Cluster
from acceptance.containers import LOOPBACK, host_port
from acceptance.deadlines import GATEWAY_UP, REQUEST
from acceptance.target import Target
from acceptance.wait import NotYet, eventually

NAME = "gateway"
WHERE_IMAGE = ("--field-selector", f"metadata.name={NAME}", "--output", "jsonpath={.items[*].spec.containers[*].image}")
API_SERVER = "kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Gateway:
    """The proxy's port on loopback; `session` and `proxy` lead through it."""

    target: Target
    port: int

    @property
    def proxy(self) -> str:
        """For requests: names are resolved in the cluster."""
        return f"socks5h://{LOOPBACK}:{self.port}"

    def url(self, component: str, path: str = "/") -> str:
        """The address of a component's Service, as pods know it."""
        return service_url(self.target, component) + path

    def session(self) -> requests.Session:
        """A session through the gateway, without retries and without the machine's own proxy settings."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        return session


def service_url(target: Target, component: str) -> str:
    """The origin of a component's Service, as pods know it."""
    part = target.component(component)
    return f"http://{part.service}.{target.chart.namespace}.svc.cluster.local:{part.service_port}"


def pod(cluster: Cluster, image: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["microsocks", "-p", str(GATEWAY_PORT)],
                    "ports": [{"containerPort": GATEWAY_PORT, "hostPort": GATEWAY_PORT}],
                    "resources": {"requests": {"cpu": "20m", "memory": "16Mi"}},
                }
            ],
        },
    }


def namespace(cluster: Cluster) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.run.namespace}}


def open_gateway(cluster: Cluster, target: Target, image: str) -> Gateway:
    """Start the gateway's pod, if it does not run, and wait until a connection passes it."""
    clusters.apply(cluster, namespace(cluster))
    # A pod of another image would be restarted in place, some time after this has returned.
    found = cluster.kubectl("get", "pods", *WHERE_IMAGE, "--namespace", cluster.run.namespace).split()
    if found and found != [image]:
        cluster.kubectl("delete", "pod", NAME, "--namespace", cluster.run.namespace)
    clusters.apply(cluster, pod(cluster, image))
    gateway = Gateway(target, host_port(cluster.toolchain, cluster.node, GATEWAY_PORT))

    def probe() -> None:
        try:
            socks.create_connection(
                (API_SERVER, 443),
                timeout=int(REQUEST.seconds),
                proxy_type=socks.SOCKS5,
                proxy_addr=LOOPBACK,
                proxy_port=gateway.port,
            ).close()
        except (OSError, socks.ProxyError) as error:
            raise NotYet(str(error)) from error

    eventually("a connection to the API server through the gateway", probe, GATEWAY_UP)
    return gateway
