"""The recorder, with a scripted source: no change is lost without a recorded gap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from kubernetes.client import ApiException

from acceptance.core.deadlines import Deadline
from acceptance.core.wait import WaitError
from acceptance.kube import recorder
from acceptance.kube.client import Listing
from acceptance.kube.history import GapError, History
from acceptance.kube.recorder import Recorder, Reflector


def pod(name: str, version: int, **status: object) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}, "status": status}


def event(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": item}


READ_TIMEOUT = urllib3.exceptions.ReadTimeoutError(None, "", "")  # type: ignore[arg-type]
GONE = event("ERROR", {"code": 410, "message": "too old resource version"})


class Script:
    """A source with prepared listings and watches; a watch is a list of events and errors."""

    def __init__(self, listings: list[Listing], watches: list[list[Any]]) -> None:
        self._listings = listings
        self._watches = watches
        self.versions: list[str] = []

    def list(self, kind: str) -> Listing:
        assert kind == "Pod"
        return self._listings.pop(0) if len(self._listings) > 1 else self._listings[0]

    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]:
        assert kind == "Pod"
        assert silence > seconds
        self.versions.append(version)
        for step in self._watches.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step


def recorded(script: Script, watches: int) -> tuple[History, list[str | None]]:
    history = History()
    moments = iter(range(1, 100))
    reflector = Reflector("Pod", script, history, now=lambda: float(next(moments)))
    reflector.start()
    return history, [reflector.watch_once() for _ in range(watches)]


def versions(history: History) -> list[tuple[str, str, bool]]:
    return [
        (item.object["metadata"]["name"], item.object["metadata"]["resourceVersion"], item.deleted)
        for item in history.versions("Pod")
    ]


START = Listing("10", (pod("a", 1), pod("b", 2)))


def test_every_version_is_kept_including_deleted_pods() -> None:
    script = Script(
        [START],
        [[event("MODIFIED", pod("a", 11, phase="Running")), event("DELETED", pod("a", 12))]],
    )
    history, errors = recorded(script, 1)
    assert errors == [None]
    assert versions(history) == [("a", "1", False), ("b", "2", False), ("a", "11", False), ("a", "12", True)]
    assert [item["metadata"]["name"] for item in history.current("Pod")] == ["b"]
    assert history.versions("Pod")[2].object["status"] == {"phase": "Running"}
    assert history.gaps("Pod") == []


def test_watch_resumes_at_the_last_version() -> None:
    script = Script(
        [START],
        [[event("ADDED", pod("c", 11))], [event("BOOKMARK", pod("", 15))], [event("ADDED", pod("d", 16))]],
    )
    history, _ = recorded(script, 3)
    assert script.versions == ["10", "11", "15"]
    assert [name for name, *_ in versions(history)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (READ_TIMEOUT, "silent for 13 s"),
        (urllib3.exceptions.ProtocolError("broken"), "the connection failed: ProtocolError"),
        (ConnectionResetError(), "the connection failed: ConnectionResetError"),
        (ApiException(status=500), "the API server answered 500"),
        (event("ERROR", {"code": 500, "message": "etcd"}), "the watch ended with 500: etcd"),
    ],
)
def test_interrupted_watch_is_recorded_and_resumed(error: Any, reason: str) -> None:
    script = Script([START], [[event("ADDED", pod("c", 11)), error], [event("ADDED", pod("d", 12))]])
    history, errors = recorded(script, 2)
    assert errors == [reason, None]
    (gap,) = history.gaps("Pod")
    assert (gap.reason, gap.lost) == (reason, False)
    assert script.versions == ["10", "11"]
    assert [name for name, *_ in versions(history)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("gone", [GONE, ApiException(status=410)])
def test_expired_versions_are_a_gap(gone: Any) -> None:
    script = Script([START, Listing("30", (pod("b", 25), pod("c", 28)))], [[gone], []])
    history, errors = recorded(script, 2)
    assert errors == ["the watch's resource version has expired (410)", None]
    assert script.versions == ["10", "30"]
    assert versions(history)[2:] == [("a", "1", True), ("b", "25", False), ("c", "28", False)]
    history.complete_until("Pod", 50.0)
    with pytest.raises(GapError, match="410"):
        list(history.states("Pod", 1.0, 50.0))


def test_states_list_objects_after_each_change() -> None:
    script = Script(
        [START],
        [[event("ADDED", pod("c", 11)), event("DELETED", pod("a", 12)), event("ADDED", pod("d", 13))]],
    )
    history, _ = recorded(script, 1)
    history.complete_until("Pod", 10.0)
    states = [
        (state.moment, [item["metadata"]["name"] for item in state.objects])
        for state in history.states("Pod", 1.5, 3.0)
    ]
    assert states == [(1.5, ["a", "b"]), (2.0, ["a", "b", "c"]), (3.0, ["b", "c"])]


def test_interval_without_changes_has_one_state() -> None:
    history, _ = recorded(Script([START], [[]]), 1)
    history.complete_until("Pod", 10.0)
    assert [len(state.objects) for state in history.states("Pod", 5.0, 6.0)] == [2]


def test_incomplete_interval_is_rejected() -> None:
    history, _ = recorded(Script([START], [[]]), 1)
    with pytest.raises(GapError, match="not complete up to"):
        list(history.states("Pod", 1.0, 5.0))


class SilentWatch(Script):
    """A source whose watch delivers nothing although the cluster has changed."""

    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]:
        assert (kind, version, seconds < silence) == ("Pod", "10", True)
        threading.Event().wait(0.05)
        return iter(())


def test_watch_that_misses_changes_does_not_become_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "RECORDER_SETTLED", Deadline("settled", 0.3, "short for a test"))
    changed = Listing("20", (pod("a", 15), pod("b", 2)))
    with (
        Recorder(SilentWatch([START, changed], []), ["Pod"]) as silent,
        pytest.raises(WaitError, match="2 versions"),
    ):
        silent.wait_until_current()


class UnavailableServer(SilentWatch):
    """A source whose API server answers the first list only."""

    def list(self, kind: str) -> Listing:
        if len(self._listings) == 1:
            raise ApiException(status=503)
        return super().list(kind)


def test_api_server_that_does_not_answer_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "RECORDER_SETTLED", Deadline("settled", 0.3, "short for a test"))
    with (
        Recorder(UnavailableServer([START, START], []), ["Pod"]) as unavailable,
        pytest.raises(WaitError, match="does not answer: ApiException"),
    ):
        unavailable.wait_until_current()


def test_current_recorder_has_states_since_its_start() -> None:
    with Recorder(SilentWatch([START], []), ["Pod"]) as silent:
        started, moment = time.time(), silent.wait_until_current()
    assert len(next(silent.history.states("Pod", started, moment)).objects) == 2
    with pytest.raises(GapError, match="before the recording of Pod objects"):
        list(silent.history.states("Pod", started - 60, moment))


def test_failed_recorder_is_an_open_gap() -> None:
    history = History()
    reflector = Reflector("Pod", Script([START], [[{"type": "ADDED"}]]), history)
    reflector.start()
    reflector.follow(threading.Event())
    history.complete_until("Pod", 9e9)
    with pytest.raises(GapError, match="the recorder failed: KeyError"):
        list(history.states("Pod", 8e9, 9e9))
