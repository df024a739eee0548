"""Pages of one path that lead to each other, such as the parts of a long list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from acceptance.client.documents import Document
from acceptance.client.user import User, send

MAX_PAGES = 30
"""How many pages are read: a list of 120 tasks has 12 pages of ten, and each may link to filtered lists as well."""


@dataclass(frozen=True)
class LinkedPages:
    """Which of the titles linked pages show, and how many pages show any."""

    titles: frozenset[str]
    pages: int


def follow_links(
    user: User, start: str, titles: Iterable[str], counts: Callable[[str], bool] = lambda _: True
) -> LinkedPages:
    """Read a page and the pages of the same path that are reached from it by links.

    A page most of whose titles have been seen is one before it or a filtered list, and is not counted.

    Args:
        user: Whose pages.
        start: The path of the first page, with its query.
        titles: Titles, each of which is part of no other one.
        counts: Whether a page with this text belongs to the list.
    """
    known = frozenset(titles)
    pending, visited, seen, pages = [start], set[str](), frozenset[str](), 0
    while pending and len(visited) < MAX_PAGES:
        page = pending.pop(0)
        visited.add(page)
        url = user.gateway.url("frontend", page)
        document = Document(send(user.gateway, "GET", url, headers=user.browser_headers, allow_redirects=False).text)
        shown = {title for title in known if title in document.text}
        if len(shown - seen) < len(shown & seen) or not shown or not counts(document.text):
            continue
        seen |= shown
        pages += 1
        for link in _same_path(page, document):
            if link not in visited and link not in pending:
                pending.append(link)
    return LinkedPages(seen, pages)


def _same_path(page: str, document: Document) -> list[str]:
    """Return the path and query of each link to the page's own path."""
    found = []
    for link in document.links:
        target = urlsplit(urljoin(page, link))
        if target.path == urlsplit(page).path and not target.netloc:
            found.append(target.path + (f"?{target.query}" if target.query else ""))
    return found
