"""Server rendering: the pages' HTML before any script runs."""

from __future__ import annotations

import secrets

import pytest

from acceptance.checks.finding import Untested
from acceptance.client.answers import SIGNED_OUT
from acceptance.client.documents import Document
from acceptance.client.pods import origins
from acceptance.client.user import User, send
from acceptance.provision.release import Release


@pytest.mark.rule("STA-10")
def test_first_html_contains_the_users_tasks(ready_release: Release, user: User) -> None:
    title = f"rendered {secrets.token_hex(6)} & <shown>"
    user.add_task(title)
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + user.target.pages.tasks
        answer = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        assert answer.status_code == 200, f"{pod}: expected 200, got {answer.status_code}"
        kind = answer.headers.get("Content-Type", "")
        assert kind.startswith("text/html"), f"{pod}: expected text/html, got {kind}"
        count = Document(answer.text).text.count(title)
        assert count, f"{pod}: expected the task's title in the text of the HTML"


@pytest.mark.rule("STA-10")
def test_signed_out_page_shows_no_tasks(ready_release: Release, user: User) -> None:
    """A request without a session, after the same pod has rendered the page for the user."""
    title = f"hidden {secrets.token_hex(6)}"
    user.add_task(title)
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + user.target.pages.tasks
        shown = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        if title not in shown.text:
            raise Untested(f"{pod}: the first HTML does not show the user's tasks (STA-10)")
        answer = send(user.gateway, "GET", url, allow_redirects=False)
        assert answer.status_code in SIGNED_OUT, f"{pod}: expected sign-in, got {answer.status_code}"
        assert title not in answer.text, f"{pod}: expected no task without a session, got {title}"
