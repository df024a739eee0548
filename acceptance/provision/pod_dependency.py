"""Dependencies as pods of the suite, for a cluster whose pods do not reach this machine's engine.

A pod's first process is a shell that runs the program and, unless it is to be stopped, runs it again when it ends. So a
program can be stopped, killed and paused by signals from within, and its data outlive that, with any container runtime.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from acceptance.core.deadlines import DEPENDENCY_RUNS
from acceptance.core.fields import Object, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import diagnosis
from acceptance.kube.client import Objects
from acceptance.kube.status import container_id, container_status
from acceptance.provision.cluster import Cluster
from acceptance.provision.dependency import FILES, Dependency, PacketRule
from acceptance.provision.gateway import NAME as GATEWAY
from acceptance.provision.gateway import Gateway, cluster_host
from acceptance.provision.tool_pod import namespace_objects, tool_pod
from acceptance.provision.tunnel import open_tunnel

DATA = "/var/lib/postgresql"
"""The folder of PostgreSQL's data in the suite's image; other programs of the suite keep no data."""
SUPERVISE = r"""
while :; do
  [ -e /tmp/stopped ] || sh -c 'echo $$ > /tmp/pid; exec "$@"' sh "$@" || :
  sleep 0.1
done
"""
"""Arguments: a command. It is not run in the background, where a shell has it ignore SIGINT."""
STOP = r"""
tenths=$1
touch /tmp/stopped
pid=$(cat /tmp/pid)
kill -s INT "$pid" || :
while kill -s 0 "$pid" && [ "$tenths" -gt 0 ]; do sleep 0.1; tenths=$((tenths - 1)); done
kill -s KILL -- -1 || :
"""
"""Argument: tenths of a second. `-1` is every process of the container but its first one and this shell."""
START = "rm -f /tmp/stopped"
KILL = "touch /tmp/stopped; kill -s KILL -- -1 || :"
PAUSE = "kill -s STOP -- -1"
RESUME = "kill -s CONT -- -1"


@dataclass(frozen=True)
class PodDependency:
    """A pod and its Service, both named `name`, in the suite's namespace."""

    cluster: Cluster
    name: str
    ports: Mapping[int, int] = field(default_factory=dict)
    """The port on loopback that leads to each port of the pod."""

    @property
    def host(self) -> str:
        """The Service's name in the cluster's DNS."""
        return cluster_host(self.name, self.cluster.run.namespace)

    def local_port(self, port: int) -> int:
        """Return the port on loopback that leads to the pod's."""
        return self.ports[port]

    def address(self) -> str:
        """Return the pod's address."""
        return text_at(self._pod(), "status.podIP")

    def read(self, path: str) -> str:
        """Return the text of a file in the container."""
        return self._exec("cat", path)

    def stop(self, seconds: int) -> None:
        """Send SIGINT to the program, and kill it if it does not end in time."""
        self._exec("sh", "-c", STOP, "sh", str(10 * seconds))

    def start(self) -> None:
        """Let the pod's shell run the program again."""
        self._exec("sh", "-c", START)

    def kill(self) -> None:
        """Kill the program's processes."""
        self._exec("sh", "-c", KILL)

    def pause(self) -> None:
        """Stop the program's processes by SIGSTOP."""
        self._exec("sh", "-c", PAUSE)

    def unpause(self) -> None:
        """Continue the program's processes."""
        self._exec("sh", "-c", RESUME)

    def remove(self) -> None:
        """Delete the pod, its Service and its files."""
        self._kubectl("delete", f"pod/{self.name}", f"service/{self.name}", f"secret/{self.name}", "--ignore-not-found")

    def packet_rules(self, cluster: Cluster, port: int) -> Sequence[PacketRule]:
        """Return rules in the pod's network namespace, which end with the pod; the gateway's traffic is not matched."""
        pod, gateway = self._pod(), text_at(self._pod(GATEWAY), "status.podIP")
        node = cluster.node_of(pod)
        identifier = container_id(container_status(pod, self.name))
        within = ("nsenter", "--target", str(node.main_processes()[identifier]), "--net", "--")
        return [
            PacketRule(node, ("INPUT", "-p", "tcp", "!", "-s", gateway, "--dport", str(port)), within),
            PacketRule(node, ("OUTPUT", "-p", "tcp", "!", "-d", gateway, "--sport", str(port)), within),
        ]

    def _pod(self, name: str = "") -> Object:
        return Objects(self.cluster.api, self.cluster.run.namespace).list("Pod").by_name[name or self.name]

    def _kubectl(self, *argv: str) -> str:
        return self.cluster.kubectl(*argv, "--namespace", self.cluster.run.namespace)

    def _exec(self, *argv: str) -> str:
        return self.cluster.kubectl("exec", self.name, "--namespace", self.cluster.run.namespace, "--", *argv)


@dataclass(frozen=True)
class PodDependencies:
    """Starts pods in the suite's namespace, which this machine reaches through the gateway until `until` is closed."""

    cluster: Cluster
    gateway: Callable[[], Gateway]
    until: ExitStack

    def host(self, name: str) -> str:
        """Return the name of a Service in the cluster's DNS."""
        return cluster_host(name, self.cluster.run.namespace)

    def kept(self, name: str) -> bool:
        """Return False: no run on an existing cluster is kept."""
        del name
        return False

    def start(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        files: Mapping[str, bytes] | None = None,
        ports: tuple[int, ...] = (),
    ) -> Dependency:
        """Start a pod, and wait until its container runs. Raises `WaitError` with the cause."""
        self.cluster.apply(*namespace_objects(self.cluster))
        self.cluster.apply(*manifests(self.cluster, name, image, command, files or {}))
        objects = Objects(self.cluster.api, self.cluster.run.namespace)

        def probe() -> None:
            pod = objects.list("Pod").by_name.get(name)
            if pod is None or not text_at(container_status(pod, name), "state.running.startedAt"):
                raise NotYet("its container does not run")

        cause = diagnosis.current_cause
        eventually(f"the suite's pod {name} to run", probe, DEPENDENCY_RUNS, cause=lambda: cause(objects))
        gateway, host = self.gateway(), self.host(name)
        tunnels = {port: open_tunnel(partial(gateway.open_connection, host, port)) for port in ports}
        return PodDependency(
            self.cluster, name, {port: self.until.enter_context(tunnel) for port, tunnel in tunnels.items()}
        )


def manifests(
    cluster: Cluster, name: str, image: str, command: Sequence[str], files: Mapping[str, bytes]
) -> list[dict[str, Any]]:
    """Return the manifests of a dependency: its files as a Secret, its Service without an address, and its pod."""
    where = {"name": name, "namespace": cluster.run.namespace}
    data = {path: b64encode(content).decode() for path, content in files.items()}
    volumes = [{"name": "files", "secret": {"secretName": name}}, {"name": "data", "emptyDir": {}}]
    mounts = [{"name": "files", "mountPath": FILES, "readOnly": True}, {"name": "data", "mountPath": DATA}]
    supervised = ["sh", "-c", SUPERVISE, "sh", *command]
    requests = {"cpu": "50m", "memory": "64Mi"}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": dict(where), "data": data},
        # Headless: every port of the pod is reached, and a connection is refused by the pod itself.
        {"apiVersion": "v1", "kind": "Service", "metadata": dict(where)}
        | {"spec": {"clusterIP": "None", "selector": {"app": name}}},
        tool_pod(
            cluster,
            name,
            image,
            supervised,
            requests,
            container={"volumeMounts": mounts},
            spec={"volumes": volumes},
        ),
    ]
