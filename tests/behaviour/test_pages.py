"""Pages as the server sends them, before any script has run."""

from __future__ import annotations

import secrets
from html.parser import HTMLParser

import pytest

from acceptance.client.pods import origins
from acceptance.client.user import User, send
from acceptance.provision.release import Release


class Shown(HTMLParser):
    """The text of a document outside its scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.text = ""
        self._hidden = 0
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in ("script", "style", "template")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "template")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data


@pytest.mark.rule("STA-10")
def test_the_first_html_holds_the_users_tasks(ready_release: Release, user: User) -> None:
    title = f"rendered {secrets.token_hex(6)} & <shown>"
    user.add_task(title)
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + user.target.pages.tasks
        answer = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        assert answer.status_code == 200, f"{pod}: wanted 200, seen {answer.status_code}"
        kind = answer.headers.get("Content-Type", "")
        assert kind.startswith("text/html"), f"{pod}: wanted text/html, seen {kind}"
        count = Shown(answer.text).text.count(title)
        assert count == 1, f"{pod}: wanted the task's title once in the text of the HTML, seen it {count} times"


@pytest.mark.rule("STA-10")
def test_nobodys_page_holds_no_tasks(ready_release: Release, user: User) -> None:
    """Without a session the same page is not the user's, though the pod has just shown it to them."""
    title = f"hidden {secrets.token_hex(6)}"
    user.add_task(title)
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + user.target.pages.tasks
        shown = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        assert title in shown.text, f"{pod}: wanted the user's task in the page, seen {shown.status_code} without it"
        answer = send(user.gateway, "GET", url, allow_redirects=False)
        assert answer.status_code in (302, 303, 307, 308, 401), f"{pod}: wanted a redirect, seen {answer.status_code}"
        assert title not in answer.text, f"{pod}: wanted no task without a session, seen {title}"
