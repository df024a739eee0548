"""A user's pages that show data, and whether a page without them says that something is wrong."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass

from requests import RequestException

from acceptance.checks.finding import Untested
from acceptance.client.documents import Document
from acceptance.client.user import User, send

WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class UserPage:
    """A page whose first HTML shows a text of the user's.

    Attributes:
        path: The page's path.
        text: A task's title, or a chat message.
        words: Every word on it, and on that of a user who has no data.
    """

    path: str
    text: str
    words: frozenset[str]


@dataclass(frozen=True)
class PageView:
    """How a page was answered, and the text that its HTML shows."""

    page: UserPage
    status: int
    text: str

    @property
    def hides_an_error(self) -> bool:
        """Whether the page lacks the user's data as if there were none: it has no word that it lacks otherwise."""
        return self.status == 200 and self.page.text not in self.text and words(self.text) <= self.page.words


def words(text: str) -> frozenset[str]:
    """Return the words of a text, in lower case."""
    return frozenset(word.lower() for word in WORD.findall(text))


def pages_with_data(user: User, newcomer: User) -> list[UserPage]:
    """Give the user a task and a conversation, and return the pages whose first HTML shows them.

    Args:
        user: Who opens the pages.
        newcomer: A user without data.
    """
    pages = user.target.pages
    title = f"shown {secrets.token_hex(6)}"
    user.add_task(title)
    texts = {pages.tasks: title}
    if pages.chat is not None and not user.chat_obstacle:
        message = f"hello {secrets.token_hex(6)}"
        with suppress(Untested):  # a response that can't be read: then the other page alone is viewed
            user.send_message(message)
            texts[pages.chat] = message
    found = []
    for path, text in texts.items():
        shown, empty = (_text(each, path)[1] for each in (user, newcomer))
        if text in shown:
            found.append(UserPage(path, text, words(shown) | words(empty)))
    return found


def open_page(user: User, page: UserPage) -> PageView | None:
    """Open the page once; None if it is not answered."""
    with suppress(AssertionError, RequestException):
        return PageView(page, *_text(user, page.path))
    return None


def _text(user: User, path: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    url = user.gateway.url("frontend", path)
    answer = send(user.gateway, "GET", url, headers=user.browser_headers, allow_redirects=False)
    return answer.status_code, Document(answer.text).text
