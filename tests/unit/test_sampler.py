"""The sampler against a server on loopback: it records every failure, and its own stalls are noticed."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from sampler import LocalPorts

from acceptance.core.deadlines import REQUEST
from acceptance.core.rules import ROOT
from acceptance.core.wait import NotYet, eventually
from acceptance.traffic.availability import Availability, failed_request_findings
from acceptance.traffic.machine_load import LoadSample
from acceptance.traffic.plans import Plan, StoredIn
from acceptance.traffic.records import InconclusiveSampleError, Record
from acceptance.traffic.sampler import Sampler
from tests.unit.echo_server import EchoServer

PROGRAM = ROOT / "support" / "tools" / "sampler.py"
RATE = 100.0
SECONDS = 0.8
CHECKED = ("test_stalled_sampler_is_inconclusive",)


@pytest.fixture(scope="module")
def sampler() -> Iterator[Sampler]:
    argv = [sys.executable, str(PROGRAM), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Sampler(requests.Session(), f"http://127.0.0.1:{process.stdout.readline().strip()}", {})
        process.terminate()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer().running() as server:
        yield server


@pytest.fixture(autouse=True)
def skip_lateness_check(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler's records are tested, not the speed of this machine: only `CHECKED` tests require a steady rate."""
    if request.node.name not in CHECKED:
        monkeypatch.setattr("acceptance.traffic.sampler.require_steady_rate", lambda *_: None)


def test_sampler_reports_the_load_of_its_machine(sampler: Sampler) -> None:
    start = time.time()
    found = eventually("two samples", lambda: require(sampler.machine_load(start).samples, 2), REQUEST)
    assert all(start <= sample.moment <= time.time() + 1 for sample in found)
    assert all(0 <= sample.steal <= 1 and sample.lateness >= 0 for sample in found)


def require(samples: tuple[LoadSample, ...], count: int) -> tuple[LoadSample, ...]:
    if len(samples) < count:
        raise NotYet(f"{len(samples)} samples")
    return samples


def plan(server: EchoServer) -> Plan:
    return Plan(
        host="127.0.0.1",
        port=server.port,
        rate=RATE,
        method="POST",
        path="/tasks?q={token}",
        body='{"title": "{token}"}',
        token="marker",  # noqa: S106 - a marker
        status=200,
        pod_header="X-Pod-Name",
        timeout=0.5,
        stored=(StoredIn("tasks", "task", "title"),),
    )


def sample(sampler: Sampler, what: Plan, disturb: Callable[[], None] = lambda: None) -> Availability:
    with sampler.sample(what) as sampling:
        time.sleep(SECONDS / 2)
        disturb()
        time.sleep(SECONDS / 2)
    return sampling.availability


def reasons(availability: Availability) -> Counter[str]:
    return Counter(failure.reason for failure in availability.failures)


def test_healthy_server_fails_no_request(sampler: Sampler, server: EchoServer) -> None:
    availability = sample(sampler, plan(server))
    assert failed_request_findings("STA-08", "Service/echo", availability) == []
    assert len(availability.records) == len(server.served) >= RATE * SECONDS / 2
    assert min(availability.new, availability.reused) > len(availability.records) / 5
    assert availability.pods == {"echo-1": len(availability.records)}
    assert len({record.connection for record in availability.records if record.reused}) <= 8


def test_every_request_has_its_own_token(sampler: Sampler, server: EchoServer) -> None:
    availability = sample(sampler, plan(server))
    assert sorted(server.served) == sorted(
        f'/tasks?q=marker-{n}{{"title": "marker-{n}"}}'.encode() for n in range(len(availability.records))
    )


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("forget", "the body lacks the request's token"),
        ("fail", "status 503 instead of 200"),
        ("cut", "the response was cut short"),
        ("close", "the connection was closed before a response"),
        ("hang", "no whole response within 10 s"),
    ],
)
def test_each_kind_of_failure_is_recorded(sampler: Sampler, server: EchoServer, behaviour: str, reason: str) -> None:
    def misbehave() -> None:
        server.behaviour = behaviour

    availability = sample(sampler, plan(server), misbehave)
    assert set(reasons(availability)) == {reason}
    assert {failure.record.excerpt for failure in availability.failures} == (
        {"nothing"} if behaviour == "forget" else {""}
    )
    assert 10 < len(availability.failures) < len(availability.records)
    assert len(failed_request_findings("STA-08", "Service/echo", availability)) == 1


def test_refused_connection_is_a_failure(sampler: Sampler, server: EchoServer) -> None:
    availability = sample(sampler, plan(server), server.stop_listening)
    assert reasons(availability)["could not connect"] >= len(availability.failures) - 2  # accepted, but by nobody
    assert not any(failure.record.reused for failure in availability.failures)
    assert len(availability.failures) >= RATE * SECONDS / 8
    ports = [failure.record.port for failure in availability.failures]
    assert all(ports)
    assert len(set(ports)) > len(ports) / 2


def test_local_ports_are_used_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node may still track where an earlier connection from the port was sent to."""
    with socket.create_server(("", 0)) as taken, contextlib.ExitStack() as opened:
        first = taken.getsockname()[1]
        (tmp_path / "range").write_text(f"{first} {first + 3}", encoding="ascii")
        monkeypatch.setattr("sampler.PORT_RANGE", tmp_path / "range")
        ports = LocalPorts()

        def bound() -> socket.socket:
            found = opened.enter_context(socket.socket())
            ports.bind(found)
            return found

        used = []
        with contextlib.suppress(OSError):
            while True:
                used.append(bound())
        assert used
        numbers = [each.getsockname()[1] for each in used]
        assert numbers == sorted({*numbers} - {first})
        used[0].close()
        assert bound().getsockname()[1] == numbers[0]


def test_connection_that_nobody_answers_is_told_from_a_late_response(sampler: Sampler, server: EchoServer) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
        address, port = full.getsockname()
        for _ in range(3):  # the queue is full after the first or second: the kernel then drops what opens another
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address, port))
        with sampler.sample(replace(plan(server), host=address, port=port, timeout=0.5)) as run:
            time.sleep(SECONDS)
    assert {record.error for record in run.records} == {"unconnected"}
    assert set(reasons(run.availability)) == {"no connection within 10 s"}


def test_connection_close_is_obeyed(sampler: Sampler, server: EchoServer) -> None:
    def drain() -> None:
        server.behaviour = "drain"

    availability = sample(sampler, plan(server), drain)
    assert availability.failures == ()
    last: dict[int, Record] = {}
    for record in availability.records:
        last[record.connection] = record
    assert any(record.close for record in availability.records)
    assert all(last[record.connection] is record for record in availability.records if record.close)


def test_connection_close_affects_only_its_connection(sampler: Sampler, server: EchoServer) -> None:
    def drain() -> None:
        server.behaviour = "drain"

    availability = sample(sampler, replace(plan(server), reused_share=1.0, connections=20), drain)
    held = {record.connection for record in availability.records[:20]}
    last = {record.connection: record for record in availability.records if record.connection in held}
    assert len(last) == 20
    assert all(record.close and record.use >= 1 for record in last.values())


def test_closed_idle_connections_are_checked_if_planned(sampler: Sampler, server: EchoServer) -> None:
    kept_open = replace(plan(server), reused_share=1.0, connections=20)
    checking = sample(sampler, kept_open, server.close_idle)
    assert len(checking.failures) <= 3  # closed in the moment of writing: no client can tell
    unchecked = sample(sampler, replace(kept_open, checks_idle_connections=False), server.close_idle)
    assert set(reasons(unchecked)) <= {
        "the connection was closed before a response",
        "the connection was reset",
    }
    assert 15 <= len(unchecked.failures) <= 20


def test_nothing_is_retried(sampler: Sampler, server: EchoServer) -> None:
    def misbehave() -> None:
        server.behaviour = "close"

    availability = sample(sampler, plan(server), misbehave)
    assert len(server.served) == len(set(server.served)) == len(availability.records)


def test_stalled_server_does_not_slow_the_sampler(sampler: Sampler, server: EchoServer) -> None:
    availability = sample(sampler, plan(server), lambda: server.stall(0.5))
    slow = [record for record in availability.records if record.duration > 0.2]
    assert len(slow) >= 10  # those due in the stall were sent in it, not after it


def test_stalled_sampler_is_inconclusive(sampler: Sampler, server: EchoServer) -> None:
    slowed = replace(plan(server), rate=20000.0)
    with pytest.raises(InconclusiveSampleError, match=r"late|instead of"):
        sample(sampler, slowed)


def test_all_runs_are_stopped_at_the_same_time(sampler: Sampler, server: EchoServer) -> None:
    server.behaviour = "hang"
    with sampler.sample_all({name: replace(plan(server), timeout=1.5) for name in ("one", "other")}) as samplings:
        time.sleep(SECONDS)
    one, other = (sampling.records for sampling in samplings.values())
    assert {record.error for record in one + other} == {"late"}
    assert abs(one[-1].sent - other[-1].sent) < 1


def test_records_of_a_body_that_raises_are_read(sampler: Sampler, server: EchoServer) -> None:
    with contextlib.suppress(KeyError), sampler.sample(plan(server)) as run:
        time.sleep(0.2)
        raise KeyError
    assert run.records
    assert not run.availability.failures


def test_sampler_that_is_gone_is_inconclusive() -> None:
    with pytest.raises(InconclusiveSampleError, match="the sampler did not answer GET /clock"):
        Sampler(requests.Session(), "http://127.0.0.1:1", {}).clock_offset()


def test_refused_plan_stops_the_earlier_runs(sampler: Sampler, server: EchoServer) -> None:
    plans = {"good": plan(server), "bad": replace(plan(server), path="/", body="")}
    with pytest.raises(InconclusiveSampleError, match="contain"), sampler.sample_all(plans):
        pass
    served = len(server.served)
    time.sleep(SECONDS / 2)
    assert len(server.served) == served


def test_invalid_plan_is_refused_with_a_reason(sampler: Sampler, server: EchoServer) -> None:
    with pytest.raises(InconclusiveSampleError, match=r"path or body, and echo, must contain \{token\}"):
        sample(sampler, replace(plan(server), path="/", body=""))


def test_running_sample_run_is_inconclusive(sampler: Sampler, server: EchoServer) -> None:
    with sampler.sample(plan(server)) as sampling, contextlib.suppress(InconclusiveSampleError):
        assert sampling.availability is None
    assert sampling.address == "127.0.0.1"
    assert threading.active_count() < 10


def test_credentials_in_headers_are_not_in_the_repr() -> None:
    secret = Plan("h", 1, 1, "GET", "/{token}", "t", 200, headers={"Authorization": "Bearer abc"})
    assert "abc" not in repr(secret)
    assert "headers" in {field.name for field in dataclasses.fields(secret)}


def test_refusal_of_an_expired_session_is_no_failure(sampler: Sampler, server: EchoServer) -> None:
    server.behaviour = "fail"
    now = time.time()
    expired = replace(plan(server), valid_until=now - 1, refusals=frozenset({503}))
    refused = "status 503 instead of 200"
    availability = sample(sampler, expired)
    assert availability.expected_refusals
    assert refused not in reasons(availability)
    availability = sample(sampler, replace(expired, valid_until=now + 3600))
    assert not availability.expected_refusals
    assert refused in reasons(availability)
