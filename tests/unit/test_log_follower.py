"""Logs that are followed: what a container said before it was gone is there, and no more than there is room for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from acceptance.kube import log_follower
from acceptance.kube.client import Listing, Objects
from acceptance.kube.history import History, Version
from acceptance.kube.log_follower import ContainerLog, LogFollower, summarize_ended
from acceptance.kube.recorder import Recorder
from tests.unit.pods import pod, status, waiting, well


class Node:
    """Containers that say what they are told to, until they are told to end (None) or their log breaks."""

    def __init__(self) -> None:
        self.followed: list[tuple[str, str]] = []
        self.words: queue.Queue[bytes | Exception | None] = queue.Queue()

    def log(self, pod: str, container: str) -> Iterator[bytes]:
        self.followed.append((pod, container))
        while (word := self.words.get(timeout=10)) is not None:
            if isinstance(word, Exception):
                raise word
            yield word


def end(node: Node, *words: bytes | Exception | None) -> None:
    """Let the containers say that, and wait until their logs have been read."""
    for word in words:
        node.words.put(word)
    for thread in threading.enumerate():
        if "_follow" in thread.name:
            thread.join(10)


def version(item: dict[str, Any], *, kind: str = "Pod", deleted: bool = False) -> Version:
    return Version(kind, 1.0, item, deleted)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def followed(node: Node) -> LogFollower:
    return LogFollower(node, now=lambda: 100.0)


def test_log_survives_its_container(node: Node, followed: LogFollower) -> None:
    followed.on_version(version(well()))
    followed.on_version(version(well(), deleted=True))
    assert followed.ended(0.0) == []
    end(node, b"began\n", b"the last word\n", None)
    (life,) = followed.ended(0.0)
    assert (life.title, life.text) == ("log of well c", "began\nthe last word\n")
    assert node.followed == [("well", "c")]
    assert followed.ended(101.0) == []


def test_each_container_instance_is_followed_once(node: Node, followed: LogFollower) -> None:
    first, again = status(ready=True), status(ready=True, restarts=1)
    again["containerID"] = "containerd://2"
    other = {**status("d", ready=True), "containerID": "containerd://3"}
    for containers in ([first], [first, other], [again, other], [again, other]):
        followed.on_version(version(pod("ill", *containers)))
    end(node, None, None, None)
    assert sorted(node.followed) == [("ill", "c"), ("ill", "c"), ("ill", "d")]
    assert sorted(life.title for life in followed.ended(0.0)) == [
        "log of ill c",
        "log of ill c, restart 1",
        "log of ill d",
    ]


@pytest.mark.parametrize(
    "what",
    [version(pod("ill", status(state=waiting("ImagePullBackOff")))), version(well(), kind="Event")],
    ids=["does not run", "no pod"],
)
def test_only_running_containers_are_followed(node: Node, followed: LogFollower, what: Version) -> None:
    followed.on_version(what)
    assert node.followed == []


def test_interrupted_log_is_marked(node: Node, followed: LogFollower) -> None:
    followed.on_version(version(well()))
    end(node, b"began\n", ApiException(status=500))
    assert followed.ended(0.0)[0].text == "began\n(not followed to its end: ApiException)\n"


def test_end_of_a_long_log_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "MAX_LOG_BYTES", 10)
    life = ContainerLog("p", "c", 0)
    for line in (b"1234\n", b"5678\n", b"90\n"):
        life.add(line)
    assert life.text == "5678\n90\n"
    life.add(b"x" * 100)
    assert life.text == "x" * 10


def test_most_recently_ended_logs_are_kept(node: Node, followed: LogFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "MAX_ENDED_LOGS", 1)
    for number in range(2):
        item = well(f"pod-{number}")
        followed.on_version(version(item))
        end(node, b"word\n", None)
    assert [life.text for life in followed.ended(0.0)].count("word\n") == 1


def test_summary_has_last_lines_and_full_logs_as_files() -> None:
    kept: dict[str, str] = {}
    life, quiet = ContainerLog("api-1", "api", 0, ended=90.0), ContainerLog("api-2", "api", 0, ended=91.0)
    life.add(b"began\n")
    life.add(b"could not bind\n")
    found = summarize_ended([life, quiet], kept.__setitem__, now=100.0)
    assert found == {"containers that ended": "log of api-1 api, ended 10 s ago: could not bind"}
    assert kept == {"log of api-1 api.txt": "began\ncould not bind\n"}
    assert summarize_ended([quiet], kept.__setitem__, now=100.0) == {}


class Kubelet(BaseHTTPRequestHandler):
    """Answers for a log that is followed, in two pieces."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"began\nthe last")
        self.wfile.flush()
        self.wfile.write(b" word\n")

    def log_message(self, *_: object) -> None:
        pass


def test_log_is_followed_through_the_api_server() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
        objects = Objects(client.ApiClient(settings), "n")
        assert b"".join(objects.log("api-1", "api")) == b"began\nthe last word\n"
        server.shutdown()
    assert Kubelet.asked == ["/api/v1/namespaces/n/pods/api-1/log?container=api&follow=true"]


class Still:
    """A cluster with one pod, in which nothing happens."""

    def list(self, kind: str) -> Listing:
        return Listing("1", (well(),) if kind == "Pod" else ())

    def watch(self, *_: object) -> Iterator[dict[str, Any]]:
        return iter(())


def test_recorder_reports_every_version() -> None:
    heard: list[Version] = []
    with Recorder(Still(), ["Pod"], heard.append) as recorder:
        assert heard == recorder.history.versions("Pod")
        assert len(heard) == 1
    told_: list[Version] = []
    tell: Callable[[Version], None] = told_.append
    History(tell).add(heard[0])
    assert told_ == heard
