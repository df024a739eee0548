"""Faults of the database are undone, and answers during an outage, connections and polled values are judged rightly."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from acceptance.core.deadlines import Deadline
from acceptance.core.interval import Interval
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments import database_faults
from acceptance.experiments.connections import excess_findings, peak, peak_by_name
from acceptance.experiments.database_outages import Fault, Outage, during, require_requests, unanswered_findings
from acceptance.experiments.experiment import SKIPPED
from acceptance.experiments.polling import polled
from acceptance.provision.dependency import PacketRule
from acceptance.provision.run import Run
from acceptance.traffic.records import InconclusiveSampleError, Record

FAILED = Interval(100.0, 110.0)


class FakeDatabase:
    """A database, and its server, that note what is done to them."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @property
    def server(self) -> FakeDatabase:
        return self

    def packet_rules(self, cluster: FakeCluster, port: int) -> list[PacketRule]:
        assert port
        nodes: Any = cluster.nodes()
        return [PacketRule(node, ("FORWARD", way, "10.0.0.9"), ("enter",)) for node in nodes for way in ("-d", "-s")]

    def alter_role(self, *changes: str) -> None:
        self.calls += changes

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


class FakeCluster:
    """A cluster whose two nodes keep packet rules, in one list."""

    def __init__(self, folder: Path) -> None:
        self.run = Run("0badc0de", folder, kept=False)
        self.rules: list[tuple[str, ...]] = []

    def nodes(self) -> tuple[FakeCluster, FakeCluster]:
        return self, self

    def exec(self, *argv: str) -> str:
        match argv:
            case "enter", "iptables", "-w", _, "-I", *rule:
                self.rules.append(tuple(rule))
            case "enter", "sh", "-c", database_faults.DELETE, "sh", *rule:
                self.rules = [each for each in self.rules if each != tuple(rule)]
            case _:
                pytest.fail(f"unexpected: {argv}")
        return ""


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        (database_faults.database_crashed, ["kill", "start"]),
        (database_faults.connections_refused, ["CONNECTION LIMIT 0", "CONNECTION LIMIT -1"]),
        (
            database_faults.database_read_only,
            ["SET default_transaction_read_only = on", "RESET default_transaction_read_only"],
        ),
    ],
    ids=["crashed", "refused", "read-only"],
)
def test_fault_is_undone_even_if_the_body_fails(
    fault: Callable[[Any], AbstractContextManager[float]], calls: list[str]
) -> None:
    database = FakeDatabase()

    def inject() -> None:
        with fault(database):
            assert database.calls == calls[:1]
            raise RuntimeError("meanwhile")

    with pytest.raises(RuntimeError, match="meanwhile"):
        inject()
    assert database.calls == calls


def test_fault_that_fails_halfway_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    database = FakeDatabase()

    def alter_role(change: str) -> None:
        database.calls.append(change)
        if "RESET" not in change:
            raise RuntimeError("its sessions could not be ended")

    monkeypatch.setattr(database, "alter_role", alter_role)
    with pytest.raises(RuntimeError, match="could not be ended"), database_faults.database_read_only(database):  # type: ignore[arg-type]
        pytest.fail("the fault was not applied")
    assert database.calls[-1] == "RESET default_transaction_read_only"


def test_lost_packets_are_those_between_pods_and_database(tmp_path: Path) -> None:
    cluster, database = FakeCluster(tmp_path), FakeDatabase()
    with database_faults.packets_lost(cluster, database, 0.25):  # type: ignore[arg-type]
        there, back = ("FORWARD", "-d", "10.0.0.9"), ("FORWARD", "-s", "10.0.0.9")
        assert [rule[:3] for rule in cluster.rules] == [there, back, there, back]
        assert all("0.25" in rule for rule in cluster.rules)
        cluster.rules.pop()  # one that another has deleted
    assert cluster.rules == []


@pytest.mark.parametrize(
    ("checked", "code", "actions"),
    [(0, 0, ["-C", "-D"]), (1, 0, ["-C"]), (4, 4, ["-C"])],
    ids=["there", "never inserted", "locked"],
)
def test_packet_rule_is_deleted_if_it_is_there(tmp_path: Path, checked: int, code: int, actions: list[str]) -> None:
    program, called = tmp_path / "iptables", tmp_path / "called"
    program.write_text(f'#!/bin/sh\necho "$3" >> {called}\n[ "$3" = -C ] && exit {checked}\nexit 0\n')
    program.chmod(0o755)
    command = ["sh", "-c", database_faults.DELETE, "sh", "FORWARD", "-j", "DROP"]
    assert subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False).returncode == code
    assert called.read_text().split() == actions


def record(number: int, sent: float, seconds: float, status: int = 201, error: str = "") -> Record:
    return Record(number, sent, sent, sent + seconds, 0, 0, 1, status, error, echo=True, close=False, pod="api-1")


def outage() -> Outage:
    return Outage(Fault("stopped", fault, 8.0), FAILED, SKIPPED, Interval(112.0, 115.0), ())


def problems(*records: Record, refusing: tuple[Interval, ...] = ()) -> list[str]:
    return [each.actual for each in unanswered_findings("PER-08", "Service/api", outage(), records, 5.0, refusing)]


@contextmanager
def fault() -> Iterator[float]:
    yield 0.0


def test_errors_in_time_are_right_during_an_outage() -> None:
    assert problems(record(1, 101.0, 0.1), record(2, 102.0, 4.9, status=503)) == []


def test_late_and_missing_answers_are_found() -> None:
    (actual,) = problems(record(1, 101.0, 5.2, status=503), record(2, 102.0, 0.1, status=0, error="closed"))
    assert "answered after more than 5 s" in actual
    assert "2 x" not in actual


def test_refused_connection_is_right_without_a_ready_pod() -> None:
    refused = record(1, 103.0, 0.1, status=0, error="connect")
    assert problems(refused)
    assert problems(refused, refusing=(Interval(102.0, 104.0),)) == []
    slow = record(1, 103.0, 6.0, status=0, error="connect")
    assert "refused after more than 5 s" in problems(slow, refusing=(Interval(102.0, 104.0),))[0]


def test_requests_in_flight_at_the_fault_count() -> None:
    before, into, later = record(1, 90.0, 1.0), record(2, 99.0, 2.0), record(3, 111.0, 1.0)
    assert during([before, into, later], FAILED) == [into]
    with pytest.raises(InconclusiveSampleError, match="no request was sampled during stopped"):
        require_requests([before, later], outage())


def test_connections_beyond_pool_and_server_are_found() -> None:
    samples = [(1.0, Counter({"api-1": 5, "api-2": 3})), (2.0, Counter({"api-1": 4, "api-2": 6}))]
    assert peak_by_name(samples) == Counter({"api-1": 5, "api-2": 6})
    assert peak(samples) == 10
    found = excess_findings("PER-03", samples, {"api-1": 5, "api-2": 5}, promised=10, connection_limit=97)
    assert [(each.object, each.actual) for each in found] == [("Pod/api-2", "6")]
    found = excess_findings("PER-03", samples, {}, promised=9, connection_limit=8)
    assert [each.expected for each in found] == ["at most 9, pool size x pods", "at most 8, the server's limit"]
    with pytest.raises(ValueError, match="empty"):
        peak([])


def test_polled_values_have_moments_and_errors_are_raised() -> None:
    def enough() -> None:
        if len(values) < 3:
            raise NotYet(f"{len(values)} values")

    start = time.time()
    with polled(lambda: "value", period=0.001) as values:
        eventually("three values", enough, Deadline("polled", 5, "each takes 1 ms"))
    assert {value for _, value in values} == {"value"}
    assert all(start <= moment <= time.time() for moment, _ in values)

    def broken() -> None:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"), polled(broken):
        pass
