"""Followed logs outlive their containers and are limited in size and number."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from acceptance.core.deadlines import REQUEST
from acceptance.core.redaction import Redactor
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import log_follower
from acceptance.kube.client import Listing, Objects
from acceptance.kube.history import History, Version
from acceptance.kube.log_follower import ContainerLog, LogFollower, summarize_ended
from acceptance.kube.recorder import Recorder
from tests.unit.pods import healthy, pod, status, waiting


class FakeLogs:
    """Container logs that yield what a test puts into `lines`; None ends a log, an exception breaks it."""

    def __init__(self) -> None:
        self.followed: list[tuple[str, str]] = []
        self.lines: queue.Queue[bytes | Exception | None] = queue.Queue()

    def log(self, pod: str, container: str, *, previous: bool = False) -> Iterator[bytes]:
        self.followed.append((pod, f"{container} before" if previous else container))
        while (line := self.lines.get(timeout=10)) is not None:
            if isinstance(line, Exception):
                raise line
            yield line


def end(logs: FakeLogs, *lines: bytes | Exception | None) -> None:
    """Let the containers log these lines, and wait until their logs have been read."""
    for line in lines:
        logs.lines.put(line)
    for thread in threading.enumerate():
        if "_follow" in thread.name:
            thread.join(10)


def version(item: dict[str, Any], *, kind: str = "Pod", deleted: bool = False) -> Version:
    return Version(kind, 1.0, item, deleted)


@pytest.fixture
def logs() -> FakeLogs:
    return FakeLogs()


@pytest.fixture
def followed(logs: FakeLogs) -> LogFollower:
    return LogFollower(logs, now=lambda: 100.0)


def test_log_survives_its_container(logs: FakeLogs, followed: LogFollower) -> None:
    followed.on_version(version(healthy()))
    followed.on_version(version(healthy(), deleted=True))
    assert followed.ended(0.0) == []
    assert followed.running() == {}
    end(logs, b"started\n", b"the last line\n", None)
    (log,) = followed.ended(0.0)
    assert (log.title, log.text) == ("log of healthy c", "started\nthe last line\n")
    assert logs.followed == [("healthy", "c")]
    assert followed.ended(101.0) == []


def test_each_container_instance_is_followed_once(logs: FakeLogs, followed: LogFollower) -> None:
    first, restarted = status(ready=True), status(ready=True, restarts=1)
    restarted["containerID"] = "containerd://2"
    other = {**status("d", ready=True), "containerID": "containerd://3"}
    for containers in ([first], [first, other], [restarted, other], [restarted, other]):
        followed.on_version(version(pod("broken", *containers)))
    end(logs, None, None, None)
    assert sorted(logs.followed) == [("broken", "c"), ("broken", "c"), ("broken", "d")]
    assert sorted(each.title for each in followed.ended(0.0)) == [
        "log of broken c",
        "log of broken c, restart 1",
        "log of broken d",
    ]


def restarted(identifier: str, earlier: str, finished: str) -> dict[str, Any]:
    """The status of a second instance, with what it says of the first."""
    ended = {"terminated": {"exitCode": 1, "containerID": earlier, "finishedAt": finished}}
    return {**status(ready=True, restarts=1), "containerID": identifier, "lastState": ended}


def test_lines_of_the_next_instance_are_not_those_of_the_one_before(logs: FakeLogs, followed: LogFollower) -> None:
    """The log is asked for by the container's name: one that restarts at that moment answers with the next one's."""
    first = {**status(ready=True), "containerID": "containerd://1"}
    followed.on_version(version(pod("broken", first)))
    lines = b"2026-01-01T00:00:09.1Z last words\n", b"2026-01-01T00:00:13.000000001Z started again\n"
    end(logs, *lines, None)
    followed.on_version(version(pod("broken", restarted("containerd://2", "containerd://1", "2026-01-01T00:00:09Z"))))
    end(logs, lines[1], None)
    texts = {each.title: each.text for each in followed.ended(0.0)}
    assert texts == {"log of broken c": "last words\n", "log of broken c, restart 1": "started again\n"}


def test_instance_that_was_never_seen_is_read_afterwards(logs: FakeLogs, followed: LogFollower) -> None:
    followed.on_version(version(pod("broken", restarted("containerd://2", "containerd://1", "1970-01-01T00:00:50Z"))))
    end(logs, b"1970-01-01T00:00:49Z first\n", None, None)
    assert sorted(logs.followed) == [("broken", "c"), ("broken", "c before")]
    (earlier, _) = followed.ended(0.0)
    assert (earlier.title, earlier.ended) == ("log of broken c", 50.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"2026-01-01T00:00:09.123456789Z a b\n", b"a b\n"),
        (b"2026-01-01T00:00:09+01:00 \n", b"\n"),
        (b"2026-01-01 a date of its own\n", b"2026-01-01 a date of its own\n"),
        (b"no moment\n", b"no moment\n"),
        (b"\xff\n", b"\xff\n"),
    ],
)
def test_moment_of_a_line_is_no_part_of_it(line: bytes, words: bytes) -> None:
    assert log_follower.timed(line)[1] == words


def test_container_that_was_never_seen_running_is_followed(logs: FakeLogs, followed: LogFollower) -> None:
    ended = {"terminated": {"exitCode": 0}}
    followed.on_version(version(pod("broken", status(ready=True), init={**status("i", ended), "containerID": "x://2"})))
    end(logs, None, None)
    assert sorted(logs.followed) == [("broken", "c"), ("broken", "i")]


@pytest.mark.parametrize(
    "item",
    [version(pod("broken", status(state=waiting("ImagePullBackOff")))), version(healthy(), kind="Event")],
    ids=["not started", "not a pod"],
)
def test_only_started_containers_are_followed(logs: FakeLogs, followed: LogFollower, item: Version) -> None:
    followed.on_version(item)
    assert logs.followed == []


def test_interrupted_log_is_marked(logs: FakeLogs, followed: LogFollower) -> None:
    followed.on_version(version(healthy()))
    end(logs, b"started\n", ApiException(status=500))
    assert followed.ended(0.0)[0].text == "started\n(not followed to its end: ApiException)\n"


def test_log_that_can_not_be_read_has_no_lines(logs: FakeLogs, followed: LogFollower) -> None:
    followed.on_version(version(healthy("one")))
    end(logs, ApiException(status=403))
    assert not followed.has_lines()
    followed.on_version(version(healthy("two")))
    end(logs, b"started\n", None)
    assert followed.has_lines()


def test_end_of_a_long_log_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "MAX_LOG_BYTES", 10)
    log = ContainerLog("p", "c", 0)
    for line in (b"1234\n", b"5678\n", b"90\n"):
        log.add(line)
    assert log.text == "5678\n90\n"
    log.add(b"x" * 100)
    assert log.text == "x" * 10


def test_secret_is_found_in_a_line_that_is_no_longer_kept(logs: FakeLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "MAX_LOG_BYTES", 100)
    secrets = Redactor()
    secrets.add("a-long-password")
    followed = LogFollower(logs, secrets=secrets)
    followed.on_version(version(healthy()))
    end(logs, b"connecting with a-long-password\n", *[b"a line without it\n"] * 20, None)
    (log,) = followed.leaking()
    assert log.leaks == ["connecting with [redacted]"]
    assert "redacted" not in log.text
    assert followed.leaking() == [log]


def test_log_without_a_secret_has_no_finding(logs: FakeLogs, followed: LogFollower) -> None:
    followed.on_version(version(healthy()))
    end(logs, b"started\n", None)
    assert followed.leaking() == []


def test_most_recently_ended_logs_are_kept(
    logs: FakeLogs, followed: LogFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_follower, "MAX_ENDED_LOGS", 1)
    for number in range(2):
        item = healthy(f"pod-{number}")
        followed.on_version(version(item))
        end(logs, b"line\n", None)
    assert [each.text for each in followed.ended(0.0)].count("line\n") == 1


def test_log_of_a_running_container_is_kept_too(logs: FakeLogs, followed: LogFollower) -> None:
    def require_line() -> dict[str, str]:
        if not (found := followed.running()):
            raise NotYet("no log has a line")
        return found

    followed.on_version(version(healthy()))
    logs.lines.put(b"started\n")
    assert eventually("the line to be read", require_line, REQUEST) == {"log of healthy c": "started\n"}
    end(logs, None)
    assert followed.running() == {}


def test_summary_has_last_lines_and_full_logs_as_files() -> None:
    kept: dict[str, str] = {}
    log, quiet = ContainerLog("api-1", "api", 0, ended=90.0), ContainerLog("api-2", "api", 0, ended=91.0)
    log.add(b"started\n")
    log.add(b"could not bind\n")
    summary = summarize_ended([log, quiet], kept.__setitem__, now=100.0)
    assert summary == {"containers that ended": "log of api-1 api, ended 10 s ago: could not bind"}
    assert kept == {"log of api-1 api.txt": "started\ncould not bind\n"}
    assert summarize_ended([quiet], kept.__setitem__, now=100.0) == {}


class Kubelet(BaseHTTPRequestHandler):
    """Sends a followed log in two chunks."""

    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"started\nthe last")
        self.wfile.flush()
        self.wfile.write(b" line\n")

    def log_message(self, *_: object) -> None:
        pass


def test_log_is_followed_through_the_api_server() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
        objects = Objects(client.ApiClient(settings), "n")
        assert b"".join(objects.log("api-1", "api")) == b"started\nthe last line\n"
        server.shutdown()
    assert Kubelet.paths == [
        "/api/v1/namespaces/n/pods/api-1/log?container=api&follow=true&previous=false&timestamps=true"
    ]


class IdleCluster:
    """A cluster with one pod, in which nothing changes."""

    def list(self, kind: str) -> Listing:
        return Listing("1", (healthy(),) if kind == "Pod" else ())

    def watch(self, *_: object) -> Iterator[dict[str, Any]]:
        return iter(())


def test_recorder_reports_every_version() -> None:
    recorded: list[Version] = []
    with Recorder(IdleCluster(), ["Pod"], recorded.append) as recorder:
        assert recorded == recorder.history.versions("Pod")
        assert len(recorded) == 1
    added: list[Version] = []
    on_version: Callable[[Version], None] = added.append
    History(on_version).add(recorded[0])
    assert added == recorded
