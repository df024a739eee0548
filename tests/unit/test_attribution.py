"""Attribution by the node's connection tracking: a request is attributed to the connected pod, or to none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from acceptance.kube.history import History, Version
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node
from acceptance.provision.providers.existing import ExistingProvider
from acceptance.provision.run import Context
from acceptance.traffic.attribution import LAG, Connection, ConnectionTracker, attribute, parse, track_connections
from acceptance.traffic.records import Record

SERVICE = ("10.96.230.223", 8000)
LINES = """\
[1795596293.361951]\t    [NEW] tcp      6 120 SYN_SENT src=10.244.0.9 dst=10.96.230.223 sport=59992 dport=8000 [UNREPLIED] src=10.244.0.105 dst=10.244.0.9 sport=8000 dport=59992
[1795596295.150869]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=10.244.0.9 dst=10.96.230.223 sport=60592 dport=8000 [UNREPLIED] src=10.244.0.106 dst=10.244.0.9 sport=8000 dport=60592
"""  # noqa: E501 - as conntrack prints them
FIRST, SECOND = 1795596293.361951, 1795596295.150869


def record(number: int, port: int, sent: float, **changes: Any) -> Record:
    fields: dict[str, Any] = {"connection": number, "use": 0, "status": 201, "error": "", "pod": ""} | changes
    return Record(number, sent, sent, sent + 0.05, port=port, echo=True, close=False, **fields)


def connections_in(text: str = LINES) -> list[Connection]:
    found = [parse(line) for line in text.splitlines()]
    return [each for each in found if each is not None]


def history(*pods: tuple[float, str, str]) -> History:
    """Pods as (moment, name, address), each when it first had its address."""
    made = History()
    for moment, name, address in pods:
        item = {"metadata": {"name": name, "uid": name}, "status": {"podIP": address}}
        made.add(Version("Pod", moment, item))
    return made


PODS = history((FIRST - 60, "api-1", "10.244.0.105"), (FIRST - 60, "api-2", "10.244.0.106"))


def pods(records: list[Record], connections: list[Connection], of: History = PODS) -> list[str]:
    return [each.pod for each in attribute(records, SERVICE, connections, of)]


def test_line_is_parsed_into_a_connection() -> None:
    assert connections_in()[0] == Connection(FIRST, 59992, SERVICE, "10.244.0.105")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "conntrack v1.4.7 (conntrack-tools): 12 flow events have been shown.",
        LINES.splitlines()[0].replace("[NEW]", "[DESTROY]"),
        LINES.splitlines()[0][:120],
        LINES.splitlines()[0].partition("]")[2],
    ],
    ids=["empty", "message", "another event", "truncated", "no time"],
)
def test_other_lines_are_ignored(line: str) -> None:
    assert parse(line) is None


def test_requests_are_attributed_to_the_connected_pod() -> None:
    records = [
        record(0, 59992, FIRST - 0.01),
        record(1, 60592, SECOND - 0.01, status=0, error="reset"),
        record(2, 59992, FIRST + 30.0, connection=0, use=1),
    ]
    assert pods(records, connections_in()) == ["api-1", "api-2", "api-1"]


def test_failed_connections_are_attributed_one_by_one() -> None:
    refused = {"connection": -1, "status": 0, "error": "connect"}
    records = [record(0, 59994, FIRST - 60, **refused), record(1, 59992, FIRST - 0.01, **refused)]
    assert pods(records, connections_in()) == ["", "api-1"]


def test_pod_of_the_response_takes_precedence() -> None:
    assert pods([record(0, 59992, FIRST - 0.01, pod="api-7")], connections_in()) == ["api-7"]


@pytest.mark.parametrize(
    ("sent", "connections", "of"),
    [
        (record(0, 59994, FIRST), connections_in(), PODS),
        (record(0, 59992, FIRST + LAG + 0.1), connections_in(), PODS),
        (record(0, 0, FIRST, connection=-1, error="connect"), connections_in(), PODS),
        (record(0, 59992, FIRST), [], PODS),
        (record(0, 59992, FIRST), connections_in(LINES.replace("dst=10.96.230.223", "dst=10.96.0.10")), PODS),
        (record(0, 59992, FIRST), connections_in(LINES.replace("60592", "59992")), PODS),
        (record(0, 59992, FIRST), connections_in(), history()),
    ],
    ids=["not tracked", "another time", "not connected", "no stream", "another Service", "two at once", "no such pod"],
)
def test_ambiguous_requests_are_unattributed(sent: Record, connections: list[Connection], of: History) -> None:
    assert pods([sent], connections, of) == [""]


def test_address_belongs_to_the_pod_of_that_moment() -> None:
    of = history((FIRST - 60, "old", "10.244.0.105"), (FIRST + 60, "new", "10.244.0.105"))
    assert pods([record(0, 59992, FIRST)], connections_in(), of) == ["old"]
    late = LINES.replace("1795596293.", "1795596383.")
    assert pods([record(0, 59992, FIRST + 90)], connections_in(late), of) == ["new"]


def test_pod_that_the_watch_reports_late_is_attributed() -> None:
    assert pods([record(0, 59992, FIRST)], connections_in(), history((FIRST + 0.5, "api-1", "10.244.0.105"))) == [
        "api-1"
    ]


def test_connections_of_an_ended_stream_remain() -> None:
    tracker = ConnectionTracker()
    tracker.follow(io.StringIO(LINES.splitlines()[0] + "\n" + LINES.splitlines()[1][:50]))
    assert tracker.connections() == (connections_in()[0],)


def test_inaccessible_node_has_no_connections() -> None:
    cluster = Cluster(ExistingProvider(None, None, Context("mine", "")))  # type: ignore[arg-type]
    with track_connections(cluster, {}) as tracker:
        assert tracker.connections() == ()


def test_node_stream_is_read_until_its_end(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho "$1 $2 $3"\nshift 13\nexec "$@"\n', encoding="ascii")
    kubectl.chmod(0o755)
    node = Node("node-1", (kubectl,), lambda: "agent-1")
    with node.stream("sh", "-c", 'echo "$0"; exec sleep 1000', "a word") as lines:
        read = [next(lines), next(lines)]
    assert read == ["exec --stdin agent-1\n", "a word\n"]
    assert list(lines) == []
