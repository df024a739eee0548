"""A request without a response fails the release, unless the gateway itself is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
import requests

from acceptance.client import user
from acceptance.client.user import send
from acceptance.core.deadlines import Deadline
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, WaitError
from acceptance.provision.gateway import Gateway, service_url
from tests.unit.echo_server import EchoServer


@dataclass(frozen=True)
class DirectGateway(Gateway):
    """A gateway that connects directly to loopback; `fault` is its connection check's error, if any."""

    fault: str = ""

    def session(self) -> requests.Session:
        return requests.Session()

    def check_connection(self) -> None:
        if self.fault:
            raise NotYet(self.fault)


def gateway(fault: str = "") -> DirectGateway:
    return DirectGateway(cast("Target", None), "127.0.0.1", 0, fault)


def test_send_returns_responses_of_any_status() -> None:
    with EchoServer().running() as server:
        url = f"http://127.0.0.1:{server.port}/a"
        assert send(gateway(), "GET", url).status_code == 200
        server.behaviour = "fail"
        assert send(gateway("not checked"), "GET", url).status_code == 503


@pytest.mark.parametrize("behaviour", ["close", "cut"])
def test_missing_response_fails_the_release(behaviour: str) -> None:
    with EchoServer().running() as server:
        server.behaviour = behaviour
        url = f"http://127.0.0.1:{server.port}/a"
        with pytest.raises(AssertionError, match=f"GET {url}: expected an answer, got "):
            send(gateway(), "GET", url)
        with pytest.raises(requests.RequestException):
            send(gateway("the node is gone"), "GET", url)


def test_service_is_polled_until_it_responds(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([AssertionError("refused"), AssertionError("refused"), None])

    def send_in_turn(_: Gateway, method: str, url: str) -> None:
        assert (method, url) == ("GET", service_url(target, "backend") + target.component("backend").probes.readiness)
        if (error := next(outcomes)) is not None:
            raise error

    monkeypatch.setattr(user, "send", send_in_turn)
    user.wait_answered(Gateway(target, "127.0.0.1", 0), "backend")
    assert list(outcomes) == []


def test_unresponsive_service_is_reported(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def send_in_vain(*_: object) -> None:
        raise AssertionError("expected an answer, got none")

    monkeypatch.setattr(user, "send", send_in_vain)
    monkeypatch.setattr(user, "ENDPOINTS", Deadline("endpoints follow", 0.2, "short for a test"))
    with pytest.raises(WaitError, match=r"an answer of the frontend's Service.*got none"):
        user.wait_answered(Gateway(target, "127.0.0.1", 0), "frontend")
