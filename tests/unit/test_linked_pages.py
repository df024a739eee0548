"""Pages that lead to each other are followed on their own path, and those of another list are not counted."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from acceptance.client import linked_pages
from acceptance.client.linked_pages import MAX_PAGES, LinkedPages, follow_links
from acceptance.client.user import User

TITLES = [f"title {number}." for number in range(4)]


def page(*titles: str, links: tuple[str, ...] = ()) -> str:
    """The HTML of a page that shows titles, and links."""
    return "".join(f"<li>{title}</li>" for title in titles) + "".join(f"<a href='{link}'>more</a>" for link in links)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The pages of a site by path and query; others are empty."""
    pages: dict[str, str] = {}

    def send(_gateway: object, _method: str, url: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(text=pages.get(url, ""))

    monkeypatch.setattr(linked_pages, "send", send)
    return pages


def seen(pages: Mapping[str, str], start: str = "/tasks", **kwargs: Any) -> LinkedPages:
    """What is seen from a page by a user whose gateway leads to the site."""
    assert pages
    gateway = SimpleNamespace(url=lambda _component, path: path)
    return follow_links(cast(User, SimpleNamespace(gateway=gateway, browser_headers={})), start, TITLES, **kwargs)


def test_pages_of_a_list_are_followed(site: dict[str, str]) -> None:
    site["/tasks"] = page(*TITLES[:2], links=("?from=2", "/chat", "https://elsewhere.example/tasks?from=2"))
    site["/tasks?from=2"] = page(*TITLES[2:], links=("/tasks?from=0",))
    site["/tasks?from=0"] = page(*TITLES[:2])
    assert seen(site) == LinkedPages(frozenset(TITLES), 2)


def test_page_of_another_list_is_not_counted(site: dict[str, str]) -> None:
    site["/tasks?q=title"] = page(*TITLES[:2], links=("?from=2",))
    site["/tasks?from=2"] = page(*TITLES[2:], "other")
    found = seen(site, "/tasks?q=title", counts=lambda text: "other" not in text)
    assert found == LinkedPages(frozenset(TITLES[:2]), 1)


def test_pages_without_an_end_are_followed_for_a_while(site: dict[str, str]) -> None:
    for number in range(2 * MAX_PAGES):
        query = f"?from={number}" if number else ""
        site[f"/tasks{query}"] = page(TITLES[min(number, 3)], links=(f"?from={number + 1}",))
    assert seen(site).pages <= MAX_PAGES
