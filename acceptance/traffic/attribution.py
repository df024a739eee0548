"""Attributes requests to pods by the node's connection tracking where the response names no pod.

A connection that the node did not report stays unattributed: a stream that ends or loses events is no error.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from acceptance.core.fields import Object, name_of, text_at
from acceptance.kube.history import History
from acceptance.provision.cluster import Cluster
from acceptance.traffic.records import Record

LAG = 2.0
"""Seconds by which an event may differ from the sampler's record; a client's port is reused much later."""
MOMENT = re.compile(r"\[(\d+\.\d+)\]\s+\[NEW\]")
ENDS = re.compile(r"\b(src|dst|sport|dport)=(\S+)")


@dataclass(frozen=True)
class Connection:
    """A connection that was opened at `moment` (seconds since the epoch), and the address it was forwarded to."""

    moment: float
    port: int
    """The client's port."""
    destination: tuple[str, int]
    """Address and port that the client connected to: a Service's, or a pod's."""
    address: str
    """The address that answers: a pod's."""


def parse(line: str) -> Connection | None:
    """Return the connection of one line of `conntrack -E -e NEW -o timestamp`, or None for any other line."""
    moment, ends = MOMENT.match(line), ENDS.findall(line)
    if moment is None or [name for name, _ in ends] != ["src", "dst", "sport", "dport"] * 2:
        return None
    _, destination, port, service_port, address, *_ = (value for _, value in ends)
    return Connection(float(moment[1]), int(port), (destination, int(service_port)), address)


def attribute(
    records: Sequence[Record], destination: tuple[str, int], connections: Iterable[Connection], history: History
) -> tuple[Record, ...]:
    """Return the records, with the connected pod in those that name none, if it is known.

    Args:
        records: The records of one sample run.
        destination: The address and port that all of them were sent to.
        connections: The connections that the node has tracked.
        history: Has the pods' addresses at each moment.
    """
    tracked: dict[int, list[Connection]] = defaultdict(list)
    for connection in connections:
        if connection.destination == destination:
            tracked[connection.port].append(connection)
    pods = pods_by_address(history)
    opened: dict[int, float] = {}
    for record in records:
        opened[record.connection] = min(record.sent, opened.get(record.connection, record.sent))

    def connected_pod(record: Record) -> str:
        moment = opened[record.connection] if record.connection >= 0 else record.sent
        candidates = [each for each in tracked[record.port] if abs(each.moment - moment) <= LAG]
        names = {pod_at(pods.get(each.address, []), each.moment) for each in candidates}
        return names.pop() if len(names) == 1 else ""

    return tuple(
        record if record.pod or not record.port else replace(record, pod=connected_pod(record)) for record in records
    )


def pods_by_address(history: History) -> dict[str, list[tuple[float, str]]]:
    """Return the pods that were observed to have each address, as (seconds since the epoch, name)."""
    pods: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for version in history.versions("Pod"):
        address, name = text_at(version.object, "status.podIP"), name_of(version.object)
        if address and (not pods[address] or pods[address][-1][1] != name):
            pods[address].append((version.arrived, name))
    return pods


def pod_at(pods: Sequence[tuple[float, str]], moment: float) -> str:
    """Return an address's pod at a moment: the last one observed by then, else the first; empty if there was none.

    A watch may report a pod's address later than the node reports its first connection.
    """
    earlier = [name for since, name in pods if since <= moment]
    return earlier[-1] if earlier else pods[0][1] if pods else ""


class ConnectionTracker:
    """Collects connections as they are opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Connection] = []

    def follow(self, lines: Iterable[str]) -> None:
        """Collect every connection from the lines, until they end."""
        for line in lines:
            connection = parse(line)
            if connection is not None:
                with self._lock:
                    self._connections.append(connection)

    def connections(self) -> tuple[Connection, ...]:
        """Return the connections so far."""
        with self._lock:
            return tuple(self._connections)


@contextmanager
def track_connections(cluster: Cluster, pod: Object) -> Iterator[ConnectionTracker]:
    """Track the connections from a pod on its node, from entry to exit; none if the node is not accessible."""
    tracker = ConnectionTracker()
    if "node" not in cluster.capabilities:
        yield tracker
        return
    argv = ("conntrack", "--event", "--event-mask", "NEW", "--output", "timestamp", "--proto", "tcp")
    with cluster.node_of(pod).stream(*argv, "--orig-src", text_at(pod, "status.podIP")) as lines:
        threading.Thread(target=tracker.follow, args=[lines], daemon=True).start()
        yield tracker
