"""A request without a response fails the release, unless the gateway itself is broken."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client import user
from acceptance.client.endpoints import UserResources, endpoints
from acceptance.client.sessions import Session
from acceptance.client.signing_in import further_user
from acceptance.client.simultaneous import send_together
from acceptance.client.user import send
from acceptance.core.deadlines import ENDPOINTS, RATE_LIMIT, Deadline
from acceptance.core.target import Api, Target
from acceptance.core.wait import NotYet, WaitError
from acceptance.provision.gateway import Gateway, service_url
from acceptance.traffic.plans import Plan
from acceptance.traffic.preflight import plan_obstacle
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

    def send_in_turn(_: Gateway, method: str, url: str, timeout: float) -> None:
        assert timeout < ENDPOINTS.seconds
        assert (method, url) == ("GET", service_url(target, "backend") + target.component("backend").probes.readiness)
        if (error := next(outcomes)) is not None:
            raise error

    monkeypatch.setattr(user, "send", send_in_turn)
    user.wait_answered(Gateway(target, "127.0.0.1", 0), "backend")
    assert list(outcomes) == []


def test_unresponsive_service_is_reported(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def send_in_vain(*_: object, **__: object) -> None:
        raise AssertionError("expected an answer, got none")

    monkeypatch.setattr(user, "send", send_in_vain)
    monkeypatch.setattr(user, "ENDPOINTS", Deadline("endpoints follow", 0.2, "short for a test"))
    with pytest.raises(WaitError, match=r"an answer of the frontend's Service.*got none"):
        user.wait_answered(Gateway(target, "127.0.0.1", 0), "frontend")


def test_no_chat_turn_is_sent_to_a_real_model(target: Target) -> None:
    def person(**changes: object) -> user.User:
        stated = target.model_copy(update=changes)
        obstacle, session = user.chat_obstacle(stated, own_release=True), Session.of(target.auth, {})
        return user.User(stated, gateway("not asked"), "1", "a@example.com", "password", session, obstacle)

    assert person().chat_path == "/api/1/chat"
    without_url = person(values=target.values.model_copy(update={"model_base_url": None}))
    with pytest.raises(Untested, match=r"no values\.model_base_url, so a chat turn would reach a real model"):
        without_url.send_message("hello")
    with pytest.raises(Untested, match="no path for chat"):
        person(api=target.api.model_copy(update={"chat": None})).send_message("hello")
    assert "did not install" in user.chat_obstacle(target, own_release=False)


def test_api_without_chat_is_a_target() -> None:
    api = Api.model_validate({"chat": False, "tags": False, "tasks_field": "items"})
    assert (api.chat, api.tags, api.tasks_field) == (None, None, "items")


def test_endpoints_without_a_conversation_send_no_turn(target: Target) -> None:
    resources = UserResources("1", 2, 3, None, may_chat=False)
    paths = {each.path for each in endpoints(target.api, resources, "text")}
    assert "/api/1/tasks/2" in paths
    assert not [path for path in paths if "chat" in path or "messages" in path]


def test_plan_that_cannot_succeed_has_an_obstacle() -> None:
    with EchoServer().running() as server:
        plan = Plan("127.0.0.1", server.port, 1, "GET", "/?q={token}", "t", 200)
        assert plan_obstacle(plan, gateway()) is None
        absent = plan_obstacle(replace(plan, echo='value="{token}"'), gateway())
        assert absent is not None
        assert absent.startswith("the response to GET /?q={token} does not contain the token as value=")
        server.behaviour = "fail"
        assert plan_obstacle(plan, gateway()) == (
            "nothing was measured with GET /?q={token}, which was answered 503 instead of 200 before anything was "
            "disturbed: /?q=" + server.served[-1].decode().partition("=")[2]
        )


def test_requests_that_are_sent_together_start_together_and_keep_their_order() -> None:
    waiting = threading.Barrier(3, timeout=10)

    def request(number: int) -> int:
        waiting.wait()  # breaks unless all three are under way
        return number

    assert send_together([partial(request, number) for number in range(3)]) == [0, 1, 2]


def test_first_error_of_requests_that_are_sent_together_is_raised() -> None:
    def refuse() -> int:
        raise AssertionError("refused")

    with pytest.raises(AssertionError, match="refused"):
        send_together([lambda: 1, refuse])


def test_limit_on_sign_ups_leaves_what_needs_another_user_untested(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application may let three people an hour sign up from one address."""
    monkeypatch.setattr(user, "RATE_LIMIT", replace(RATE_LIMIT, seconds=0.0))
    refused = requests.Response()
    refused.status_code = 429
    with pytest.raises(Untested, match=r"nobody else sign up for now: .* was answered 429"):
        further_user(lambda: user.answer_within_rate_limit("/register", lambda: refused))  # type: ignore[arg-type, return-value]
