"""What is judged of a page's first HTML, with an answer in place of the frontend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.checks.finding import Untested
from tests.behaviour import test_pages as judged


def judge(monkeypatch: pytest.MonkeyPatch, *, rendered: bool, signed_out: int, leaks: bool = False) -> None:
    """Judge a page that has the user's task or not, and another answer for somebody without a session."""
    titles: list[str] = []
    user: Any = SimpleNamespace(
        add_task=titles.append,
        cookie={"Cookie": "a=b"},
        gateway=None,
        target=SimpleNamespace(pages=SimpleNamespace(tasks="/tasks")),
    )

    def send(*_: object, headers: dict[str, str] | None = None, **__: object) -> Any:
        shown = rendered if headers else leaks
        return SimpleNamespace(status_code=200 if headers else signed_out, text=titles[-1] if shown else "<main>")

    monkeypatch.setattr(judged, "send", send)
    monkeypatch.setattr(judged, "origins", lambda *_: {"pod": "http://pod"})
    judged.test_signed_out_page_shows_no_tasks(SimpleNamespace(), user)  # type: ignore[arg-type]


def test_page_rendered_in_the_browser_is_judged_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Untested, match="STA-10"):
        judge(monkeypatch, rendered=False, signed_out=200)


def test_page_without_a_session_must_not_show_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, rendered=True, signed_out=307)
    with pytest.raises(AssertionError, match="expected no task"):
        judge(monkeypatch, rendered=True, signed_out=307, leaks=True)
