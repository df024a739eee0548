"""Requests that get no answer: the release's failure, unless it is the gateway that lets nothing through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
import requests

from acceptance.client import ask
from acceptance.gateway import Gateway
from acceptance.target import Target
from acceptance.wait import NotYet
from tests.harness.echo_server import EchoServer


@dataclass(frozen=True)
class Way(Gateway):
    """Straight to this machine's loopback; `ill` is what is wrong with the gateway, or empty."""

    ill: str = ""

    def session(self) -> requests.Session:
        return requests.Session()

    def demand(self) -> None:
        if self.ill:
            raise NotYet(self.ill)


def way(ill: str = "") -> Way:
    return Way(cast("Target", None), "127.0.0.1", 0, ill)


def test_an_answer_is_an_answer_whatever_its_status() -> None:
    with EchoServer().running() as server:
        url = f"http://127.0.0.1:{server.port}/a"
        assert ask(way(), "GET", url).status_code == 200
        server.behaviour = "fail"
        assert ask(way("never asked"), "GET", url).status_code == 503


@pytest.mark.parametrize("behaviour", ["close", "cut"])
def test_no_answer_is_a_failure_of_the_release(behaviour: str) -> None:
    with EchoServer().running() as server:
        server.behaviour = behaviour
        url = f"http://127.0.0.1:{server.port}/a"
        with pytest.raises(AssertionError, match=f"GET {url}: wanted an answer, seen "):
            ask(way(), "GET", url)
        with pytest.raises(requests.RequestException):
            ask(way("the node is gone"), "GET", url)
