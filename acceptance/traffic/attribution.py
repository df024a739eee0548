"""The node's connection tracking: which pod a connection was led to, for requests whose answer names none.

What it has not seen stays unattributed: a stream that ended, or lost events, is no error of the run.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from acceptance.core.fields import name_of, text_at
from acceptance.kube.history import History
from acceptance.provision.cluster import Cluster
from acceptance.traffic.records import Record

LAG = 2.0
"""Seconds by which an event may be apart from what the sampler noted; a port is used again much later."""
MOMENT = re.compile(r"\[(\d+\.\d+)\]\s+\[NEW\]")
ENDS = re.compile(r"\b(src|dst|sport|dport)=(\S+)")


@dataclass(frozen=True)
class Connection:
    """One that was opened at `moment` (seconds since the epoch), and the address that it was led to."""

    moment: float
    port: int
    """Of the client's own."""
    destination: tuple[str, int]
    """What the client asked for: a Service's address, or a pod's."""
    address: str
    """Who is to answer."""


def parse(line: str) -> Connection | None:
    """The connection of one line of `conntrack -E -e NEW -o timestamp`, or None for any other line."""
    moment, ends = MOMENT.match(line), ENDS.findall(line)
    if moment is None or [name for name, _ in ends] != ["src", "dst", "sport", "dport"] * 2:
        return None
    _, destination, port, service_port, address, *_ = (value for _, value in ends)
    return Connection(float(moment[1]), int(port), (destination, int(service_port)), address)


def attribute(
    records: Sequence[Record], destination: tuple[str, int], connections: Iterable[Connection], history: History
) -> tuple[Record, ...]:
    """The records, each that names no pod with the one that its connection was led to, where that is known.

    `destination` is the address and port that all of them were sent to.
    """
    seen: dict[int, list[Connection]] = defaultdict(list)
    for connection in connections:
        if connection.destination == destination:
            seen[connection.port].append(connection)
    names = holders(history)
    opened: dict[int, float] = {}
    for record in records:
        opened[record.connection] = min(record.sent, opened.get(record.connection, record.sent))

    def pod(record: Record) -> str:
        moment = opened[record.connection] if record.connection >= 0 else record.sent
        near = [each for each in seen[record.port] if abs(each.moment - moment) <= LAG]
        found = {holder(names.get(each.address, []), each.moment) for each in near}
        return found.pop() if len(found) == 1 else ""

    return tuple(record if record.pod or not record.port else replace(record, pod=pod(record)) for record in records)


def holders(history: History) -> dict[str, list[tuple[float, str]]]:
    """Which pods had each address, and since when, as far as it was seen."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for version in history.versions("Pod"):
        address, name = text_at(version.object, "status.podIP"), name_of(version.object)
        if address and (not found[address] or found[address][-1][1] != name):
            found[address].append((version.arrived, name))
    return found


def holder(pods: Sequence[tuple[float, str]], moment: float) -> str:
    """The last that had the address by then; a watch may tell later than the node, so else the first; or ""."""
    before = [name for since, name in pods if since <= moment]
    return before[-1] if before else pods[0][1] if pods else ""


class ConnectionTracker:
    """Connections as they are opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Connection] = []

    def follow(self, lines: Iterable[str]) -> None:
        """Take every connection from the lines, until they end."""
        for line in lines:
            connection = parse(line)
            if connection is not None:
                with self._lock:
                    self._connections.append(connection)

    def connections(self) -> tuple[Connection, ...]:
        with self._lock:
            return tuple(self._connections)


@contextmanager
def track_connections(cluster: Cluster, source: str) -> Iterator[ConnectionTracker]:
    """From entry to exit the connections from one pod's address; none where nothing runs on the node."""
    found = ConnectionTracker()
    if "node" not in cluster.capabilities:
        yield found
        return
    argv = ("conntrack", "--event", "--event-mask", "NEW", "--output", "timestamp", "--proto", "tcp")
    with cluster.node_stream(*argv, "--orig-src", source) as lines:
        threading.Thread(target=found.follow, args=[lines], daemon=True).start()
        yield found
