"""Server rendering: the pages' HTML before any script runs."""

from __future__ import annotations

import secrets
from urllib.parse import urljoin

import pytest

from acceptance.checks.finding import Untested, report_findings
from acceptance.client.answers import SIGNED_OUT
from acceptance.client.documents import Document
from acceptance.client.pods import health_path, origins
from acceptance.client.response_watch import ResponseWatch
from acceptance.client.user import User, send
from acceptance.core.target import COMPONENTS
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


@pytest.mark.rule("SCY-10")
def test_pages_scripts_and_states_contain_no_credential(
    ready_release: Release, user: User, response_watch: ResponseWatch
) -> None:
    """What the browser is sent: pages with their data, their scripts, and what health checks are answered."""
    if not response_watch.searched_for:
        raise Untested("the release has no credential that is distinct from ordinary words")
    pages, scripts = user.target.pages, set[str]()
    for path in filter(None, (pages.tasks, pages.chat, pages.search)):
        url = user.gateway.url("frontend", path.replace("{token}", "x"))
        page = send(user.gateway, "GET", url, headers=user.browser_headers)
        scripts |= {urljoin(page.url, each) for each in Document(page.text).scripts}
    own = user.gateway.url("frontend", "/")
    for script in sorted(each for each in scripts if each.startswith(own)):
        send(user.gateway, "GET", script)
    for component in COMPONENTS:
        for origin in origins(ready_release, component).values():
            send(user.gateway, "GET", origin + health_path(ready_release, component))
    report_findings(response_watch.findings("SCY-10"), user.target)


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
