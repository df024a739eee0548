"""The release's clock is read from its responses, so that tokens expire by it and not by this machine's."""

from __future__ import annotations

import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from acceptance.client import clocks
from acceptance.client.forged_tokens import SECONDS, Forge, signed
from acceptance.client.sessions import claims_in

KEY = "a key of the release, 32 bytes long"


def person(monkeypatch: pytest.MonkeyPatch, date: str | None) -> Any:
    answer = requests.Response()
    answer.headers.update({} if date is None else {"Date": date})
    monkeypatch.setattr(clocks, "send", lambda *_, **__: answer)
    return SimpleNamespace(
        gateway=SimpleNamespace(url=lambda *_: ""),
        path=lambda _: "/tasks",
        target=SimpleNamespace(api=SimpleNamespace(tasks="/tasks"), auth=SimpleNamespace(leeway_seconds=0)),
        token=signed({"sub": "1"}, KEY),
    )


@pytest.mark.parametrize("ahead", [-7200.0, -5.0, 0.0, 5.0, 7200.0])
def test_token_has_expired_by_the_clock_of_the_release(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    """A release whose clock is slow would rightly accept what has expired by this machine's."""
    user = person(monkeypatch, formatdate(time.time() + ahead, usegmt=True))
    found = clocks.clock_ahead(user)
    assert abs(found - ahead) <= clocks.RESOLUTION
    expired = claims_in(Forge(user, user, KEY, found).just_expired())["exp"]
    assert SECONDS - 2 <= time.time() + ahead - expired <= SECONDS + 2


def test_difference_within_a_second_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acceptance.client.clocks.time.time", lambda: 1_700_000_000.9)
    assert clocks.clock_ahead(person(monkeypatch, formatdate(1_700_000_000, usegmt=True))) == 0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_response_without_a_date_tells_nothing(monkeypatch: pytest.MonkeyPatch, date: str | None) -> None:
    assert clocks.clock_ahead(person(monkeypatch, date)) == 0
