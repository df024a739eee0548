"""Forms of the real frontend change PostgreSQL: what is added, completed and deleted on the page, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import expect
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.browser_user import BrowserUser
from acceptance.client.rows import Row, changed_tables, rows, user_rows
from acceptance.client.user import User
from acceptance.core.deadlines import REQUEST
from acceptance.provision.database import Database


@pytest.fixture(scope="module")
def postgres(database: Database) -> Iterator[Connection[Any]]:
    """A superuser's connection to the external PostgreSQL."""
    with database.admin() as connection:
        yield connection


def open_tasks(person: BrowserUser, user: User) -> None:
    """Give the person the session of the run's user, and open the page with the tasks.

    Where the pages' scripts keep the session, the person signs in.
    """
    if person.target.auth.has_cookie:
        cookies = [{"name": name, "value": value, "url": person.origin} for name, value in user.cookies.items()]
        person.context.add_cookies(cookies)  # type: ignore[arg-type]
    else:
        person.sign_in(user.account)
    person.open(person.screens.tasks)
    person.expect_signed_in()


@pytest.mark.rule("PER-09")
def test_forms_change_the_rows_that_they_name(person: BrowserUser, user: User, postgres: Connection[Any]) -> None:
    """Two tasks are added; one is completed, opened again and deleted, while the other stays as it was."""
    open_tasks(person, user)
    screens, tables, api = person.screens, user.target.tables, user.target.api
    text = f"O'Brien's <b>list</b> & 1+1=2, 100%20 #? {secrets.token_hex(6)}"
    kept, gone = f"{text} kept", f"{text} gone"
    before = user_rows(postgres, tables, user.id)

    def stored() -> list[tuple[str, object]]:
        found = rows(postgres, tables.task, {tables.owner: user.id})
        mine = [row for row in found if text in row[tables.task_title]]
        return sorted((row[tables.task_title], api.is_completed(row[tables.task_completed])) for row in mine)

    def others(found: dict[str, list[Row]]) -> dict[str, list[Row]]:
        return found | {tables.task: [row for row in found[tables.task] if text not in row[tables.task_title]]}

    def assert_stored(step: str, *expected: tuple[str, bool]) -> None:
        assert stored() == sorted(expected), f"{tables.task} after {step}: expected {sorted(expected)}, got {stored()}"

    for title in (gone, kept):
        answer = person.add_task(title)
        assert answer.status < 400, f"adding a task: expected 2xx or a redirect, got {answer.status}"
        expect(person.task(title)).to_have_count(1)
    assert_stored("adding", (gone, False), (kept, False))
    named = person.is_checkbox_named(gone)
    for completed in (True, False):
        if not completed and screens.complete_button and not screens.reopen_button:
            continue  # a completed task stays so
        toggle = person.completion(gone, completed=completed)
        person.submit(partial(person.click, toggle))
        person.expect_completed(gone, completed=completed)
        assert_stored("completing" if completed else "opening", (gone, completed), (kept, False))
    if screens.delete_button is None:
        raise Untested("the target names no button that deletes a task")
    delete = person.button(screens.delete_button.format(title=gone))
    person.submit(lambda: person.click(delete))
    expect(person.task(gone)).to_have_count(0)
    assert_stored("deleting", (kept, False))
    person.reload()
    expect(person.task(kept)).to_have_count(1)
    expect(person.task(gone)).to_have_count(0)
    changed = changed_tables(others(before), others(user_rows(postgres, tables, user.id)))
    assert not changed, f"expected the user's other rows unchanged, got {changed}"
    if not named:
        object_ = f"Deployment/{person.target.component('frontend').deployment}"
        where, expected = f"checkbox of a task at {screens.tasks}", "an accessible name with the task's title"
        report_findings([Finding("PER-09", object_, where, expected, "none", advice=True)], person.target)


@pytest.mark.rule("PER-09")
def test_double_click_adds_one_task(person: BrowserUser, user: User, postgres: Connection[Any]) -> None:
    open_tasks(person, user)
    screens, tables, title = person.screens, user.target.tables, f"clicked twice {secrets.token_hex(6)}"
    person.open_new_task()
    person.type_into(screens.new_task, title)
    person.submit(lambda: person.double_click(person.button(screens.add_button)))
    expect(person.task(title).first).to_be_visible()
    person.reload()
    expect(person.task(title).first).to_be_visible()
    count = len(rows(postgres, tables.task, {tables.owner: user.id, tables.task_title: title}))
    assert count == 1, f"{tables.task} after a double click on {screens.add_button}: expected 1 row, got {count}"


@pytest.mark.rule("PER-09")
def test_task_is_open_after_completing_it_has_failed(person: BrowserUser, user: User) -> None:
    """The network is gone for a moment: what was not stored is not shown."""
    open_tasks(person, user)
    title = f"completed offline {secrets.token_hex(6)}"
    person.add_task(title)
    expect(person.task(title)).to_have_count(1)
    toggle = person.completion(title, completed=True)
    with person.offline():
        try:
            with person.page.expect_event("requestfailed", timeout=REQUEST.seconds * 1000):
                person.click(toggle)
        except PlaywrightTimeoutError:
            raise Untested("completing a task sends no request that can fail at once") from None
        if not person.page.url.startswith(person.origin):
            raise Untested("completing a task leads to another page, which can't be loaded")
        person.expect_completed(title, completed=False)
    person.reload()
    person.expect_completed(title, completed=False)


@pytest.mark.rule("SCY-10")
def test_signed_out_browser_has_no_session(person: BrowserUser, user: User) -> None:
    """After sign-out no cookie of the session is left, and the page of tasks asks to sign in."""
    title, screens = f"hidden {secrets.token_hex(6)}", person.screens
    user.add_task(title)
    person.sign_in(user.account)
    person.open(screens.tasks)
    expect(person.task(title)).to_have_count(1)
    person.submit(lambda: person.click(person.button(screens.sign_out_button)))
    expect(person.button(screens.sign_in_button)).to_be_visible()
    left = [each.get("name", "") for each in person.context.cookies() if each.get("value")]
    own = person.target.auth.cookie
    sessions = [name for name in left if person.target.auth.has_cookie and ("session" in name or name.endswith(own))]
    assert not sessions, f"expected no cookie of the session after sign-out, got {sessions}"
    person.open(screens.tasks)
    expect(person.button(screens.sign_in_button)).to_be_visible()
    expect(person.task(title)).to_have_count(0)
