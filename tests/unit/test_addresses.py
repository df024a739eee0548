"""URLs of pods: an IPv6 address is in brackets, wherever a request is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from urllib3.util import parse_url

from acceptance.client import pods
from acceptance.core.target import Target
from acceptance.core.urls import authority
from acceptance.provision.gateway import Gateway
from acceptance.traffic import preflight
from acceptance.traffic.plans import Plan, to_pod

ADDRESSES = pytest.mark.parametrize(
    ("address", "written"), [("10.244.0.7", "10.244.0.7:8000"), ("fd00:10:244::7", "[fd00:10:244::7]:8000")]
)


@ADDRESSES
def test_authority_of_an_address(address: str, written: str) -> None:
    assert authority(address, 8000) == written
    assert parse_url(f"http://{written}/").port == 8000


@ADDRESSES
def test_origin_of_a_pod(target: Target, address: str, written: str) -> None:
    release: Any = SimpleNamespace(target=target)
    assert pods.origin(release, "backend", {"status": {"podIP": address}}) == f"http://{written}"


@ADDRESSES
def test_first_request_of_a_plan_for_a_pod(
    target: Target, monkeypatch: pytest.MonkeyPatch, address: str, written: str
) -> None:
    asked = []

    def send(_gateway: Gateway, _method: str, url: str, **_: object) -> requests.Response:
        asked.append(url)
        answer = requests.Response()
        answer.status_code, answer._content = 200, url.encode()
        return answer

    monkeypatch.setattr(preflight, "send", send)
    plan = Plan("service", 80, 1.0, "GET", "/tasks?q={token}", "m", 200)
    assert preflight.plan_obstacle(to_pod(plan, address, 8000), Gateway(target, "127.0.0.1", 1)) is None
    assert asked[0].startswith(f"http://{written}/tasks?q=m")
