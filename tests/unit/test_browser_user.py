"""A page that does not let itself be used is a finding; a browser or gateway that is broken is an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Error
from playwright.sync_api import TimeoutError as TooLate

from acceptance.client.browser_user import BrowserUser
from acceptance.core.target import Target


@dataclass
class FakePage:
    """A page on which everything ends as `error`, and whose requests have the given methods."""

    error: Exception | None = None
    methods: list[str] = field(default_factory=list)
    closed: bool = False
    url: str = "http://todo.example/tasks"
    context: Any = field(default_factory=lambda: SimpleNamespace(on=lambda *_: None))

    def on(self, *_: object) -> None: ...

    def set_default_timeout(self, _: float) -> None: ...

    def is_closed(self) -> bool:
        return self.closed

    def fail(self, *_: object, **__: object) -> None:
        if self.error is not None:
            raise self.error

    goto = reload = screenshot = fail

    @contextmanager
    def expect_response(self, predicate: Any) -> Iterator[SimpleNamespace]:
        info = SimpleNamespace(value=None)
        yield info
        answers = [SimpleNamespace(request=SimpleNamespace(method=method)) for method in self.methods]
        info.value = next((answer for answer in answers if predicate(answer)), None)
        if info.value is None:
            raise TooLate('Timeout 15000ms exceeded while waiting for event "response"')


def person(target: Target, page: FakePage) -> BrowserUser:
    assert target.screens
    return BrowserUser(target, target.screens, "http://todo.example", page, lambda *_: None)  # type: ignore[arg-type]


def test_page_that_does_not_load_is_a_finding(target: Target) -> None:
    user = person(target, FakePage(TooLate("Page.goto: Timeout 15000ms exceeded.")))
    with pytest.raises(AssertionError, match=r"opening /tasks at http://todo\.example/tasks: Page\.goto: Timeout"):
        user.open("/tasks")
    with pytest.raises(AssertionError, match="reloading"):
        user.reload()
    user.screenshot("end")


@pytest.mark.parametrize(
    "page",
    [
        FakePage(Error("net::ERR_PROXY_CONNECTION_FAILED at http://todo.example/tasks")),
        FakePage(Error("Page crashed")),
        FakePage(Error("Target page, context or browser has been closed"), closed=True),
    ],
)
def test_broken_browser_or_gateway_is_an_error(target: Target, page: FakePage) -> None:
    with pytest.raises(Error):
        person(target, page).open("/tasks")


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_any_request_that_changes_something_submits(target: Target, method: str) -> None:
    answer = person(target, FakePage(methods=["GET", "OPTIONS", method])).submit(lambda: None)
    assert answer.request.method == method


def test_button_that_sends_nothing_is_a_finding(target: Target) -> None:
    with pytest.raises(AssertionError, match="response to a change"):
        person(target, FakePage(methods=["GET"])).submit(lambda: None)
