"""The pages' forms without scripts: for a signed-in user they do what their buttons say, or explain why not."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urljoin

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Untested
from acceptance.client.accounts import random_account, sign_in_entries, sign_up_entries
from acceptance.client.answers import SEE_OTHER, SIGNED_OUT, describe, explains
from acceptance.client.documents import Document
from acceptance.client.forms import form_with_button, post
from acceptance.client.other_origins import OTHER_ORIGINS
from acceptance.client.rows import Row, rows
from acceptance.client.sessions import NO_COOKIE
from acceptance.client.signing_in import session_token
from acceptance.client.user import User, send
from acceptance.client.visitor import Visitor, path_of
from acceptance.core.redaction import redactor
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release


@pytest.fixture
def visitor(ready_release: Release, user: User) -> Visitor:
    """The user's browser."""
    return Visitor.signed_in(ready_release, user)


@pytest.fixture
def new_visitor(ready_release: Release, gateway: Gateway) -> Visitor:
    """The browser of somebody who is not signed in."""
    return Visitor(ready_release, gateway, {})


def task_rows(postgres: Connection[Any], user: User, title: str) -> list[Row]:
    """Return the user's tasks of a title."""
    tables = user.target.tables
    return rows(postgres, tables.task, {tables.owner: user.id, tables.task_title: title})


@pytest.mark.rule("PER-09")
def test_form_adds_completes_and_deletes_a_task(
    visitor: Visitor, user: User, admin_connection: Connection[Any]
) -> None:
    """Of two tasks whose titles begin alike, one is completed, opened and deleted by its own buttons.

    An older tab's form for completing it does not open it again.
    """
    screens, tables = visitor.screens, user.target.tables
    title = f'by form {secrets.token_hex(6)} & "é" <b>'
    other = f"{title} too"
    space = " " if user.target.api.trims_text else ""
    for each in (title, other):
        typed = {screens.new_task: f"{space}{each}{space}"}
        shown = visitor.shown(visitor.press(screens.tasks, screens.add_button, typed))
        assert each in shown, f"expected the task {each} on the page after the form"

    def check_states(*, completed: bool) -> None:
        found = [task_rows(admin_connection, user, each) for each in (title, other)]
        states = [[user.target.api.is_completed(row[tables.task_completed]) for row in each] for each in found]
        assert states == [[completed], [False]], f"expected {title} {completed} and the other open, got {states}"

    completing = screens.completion(title, completed=True)
    assert completing
    earlier, same = (visitor.form(screens.tasks, completing) for _ in range(2))
    visitor.shown(visitor.press(screens.tasks, completing))
    check_states(completed=True)
    if (reopening := screens.completion(title, completed=False)) is not None:
        now = visitor.form(screens.tasks, reopening)
        # A form that states the state can be sent twice; one that toggles the state is the same in both states.
        if (set(earlier.entries) & set(same.entries)) - set(now.entries):
            visitor.submit(earlier, screens.tasks)
            check_states(completed=True)
        visitor.shown(visitor.press(screens.tasks, reopening))
        check_states(completed=False)
    if screens.delete_button is None:
        raise Untested("the target names no button that deletes a task")
    visitor.shown(visitor.press(screens.tasks, screens.delete_button.format(title=title)))
    counts = [len(task_rows(admin_connection, user, each)) for each in (title, other)]
    assert counts == [0, 1], f"expected one task deleted and the other kept, got {counts} rows"
    # The page that the form leads to may name what was deleted, once.
    left = Document(visitor.read(screens.tasks).text).text
    assert other in left, f"expected the other task {other} on the page"
    assert title not in left.replace(other, ""), f"expected no deleted task on the page, got {title}"


@pytest.mark.rule("PER-04")
@pytest.mark.usefixtures("model")
def test_form_sends_messages_in_one_conversation(
    visitor: Visitor, user: User, admin_connection: Connection[Any]
) -> None:
    """Each is answered on the page that the form leads to, and both are rows of the same conversation."""
    pages, tables, screens = user.target.pages, user.target.tables, visitor.screens
    if pages.chat is None or user.chat_obstacle:
        raise Untested(user.chat_obstacle or "the target names no page for chat")
    page, found = visitor.read(pages.chat), []
    for number in range(2):
        form = form_with_button(page.text, screens.send_button)
        if form is None:
            raise Untested(f"the HTML of {path_of(page.url)} has no posted form with the button {screens.send_button}")
        message = f"by form {number} {secrets.token_hex(6)}"
        page = visitor.follow(visitor.submit(form, path_of(page.url), {screens.message: message}))
        assert message in Document(page.text).text, f"expected the message on the page {path_of(page.url)}"
        stored = rows(admin_connection, tables.message, {tables.message_content: message})
        found += [row[tables.message_conversation] for row in stored]
    assert len(found) == 2, f"{tables.message}: expected one row for each message, got conversations {found}"
    assert len(set(found)) == 1, f"{tables.message}: expected one conversation, got {found}"


def assert_refused(visitor: Visitor, answer: Response, what: str) -> None:
    """Assert that the form to add a task was answered with 4xx, with a redirect, or with its page again."""
    again = answer.ok and form_with_button(answer.text, visitor.screens.add_button) is not None
    refused = 400 <= answer.status_code < 500 or answer.status_code in SEE_OTHER
    assert refused or again, (
        f"{what}: expected 4xx, a redirect or the form again, got {describe(visitor.target, answer)}"
    )


@pytest.mark.rule("PER-09")
def test_form_with_bad_input_says_why_and_stores_nothing(
    visitor: Visitor, user: User, admin_connection: Connection[Any]
) -> None:
    screens, limit = visitor.screens, user.target.api.title_limit
    if limit is None:
        raise Untested("the target names no longest title")
    title = (secrets.token_hex(6) + "x" * limit)[: limit + 1]
    before = Document(visitor.read(screens.tasks).text).text
    answer = visitor.press(screens.tasks, screens.add_button, {screens.new_task: title})
    assert_refused(visitor, answer, "one character too many")
    if answer.status_code not in SEE_OTHER:
        explained = explains(answer) and (not answer.ok or Document(answer.text).text != before)
        assert explained, f"expected an explanation, got {describe(user.target, answer)}"
    location = answer.headers.get("Location", "")
    assert screens.sign_in not in location, f"expected the user to stay signed in, got {location}"
    assert not task_rows(admin_connection, user, title), "expected no row of the refused title"


@pytest.mark.rule("PER-09")
def test_what_is_no_form_stores_nothing(visitor: Visitor, user: User, admin_connection: Connection[Any]) -> None:
    """Content of another kind is sent to the URL of a form."""
    screens = visitor.screens
    form = visitor.form(screens.tasks, screens.add_button)
    title = f"no form {secrets.token_hex(6)}"
    url = urljoin(visitor.gateway.url("frontend", screens.tasks), form.action)
    headers = {**visitor.headers(), "Content-Type": "text/plain"}
    answer = send(visitor.gateway, "POST", url, data=title, headers=headers, allow_redirects=False)
    assert_refused(visitor, answer, "content that is no form")
    assert not task_rows(admin_connection, user, title), "expected no row of the refused content"


FORM_ORIGINS = ("another site", "a longer name", "another port", "a subdomain", "a sandboxed page")
"""Without another scheme: behind a proxy that ends TLS the frontend does not know its own."""


@pytest.mark.rule("STA-05")
def test_form_of_another_site_has_no_effect(visitor: Visitor, user: User, admin_connection: Connection[Any]) -> None:
    """It has the user's cookie, which some browsers send. The same form on a page of the release has an effect."""
    if not user.target.auth.refuses_other_sites:
        raise Untested("the target does not say that forms of other sites are refused")
    screens = visitor.screens
    form = visitor.form(screens.tasks, screens.add_button)
    page = visitor.gateway.url("frontend", screens.tasks)
    for kind in FORM_ORIGINS:
        origin = OTHER_ORIGINS[kind](visitor.origin)
        title = f"of another site {secrets.token_hex(6)}"
        values = form.labelled({screens.new_task: title})
        answer = post(visitor.gateway, form, page, values, visitor.headers(origin))
        assert_refused(visitor, answer, f"form of {origin}")
        assert not task_rows(admin_connection, user, title), f"expected no row of the form of {origin}"


@pytest.mark.rule("STA-05")
def test_form_without_a_session_leads_to_sign_in(
    visitor: Visitor, new_visitor: Visitor, user: User, admin_connection: Connection[Any]
) -> None:
    """A form that was opened while signed in is sent without the session, and with a bad one."""
    screens = visitor.screens
    form = visitor.form(screens.tasks, screens.add_button)
    page = visitor.gateway.url("frontend", screens.tasks)
    for cookies in ({}, {user.target.auth.cookie: f"{user.token}x"}):
        new_visitor.cookies = cookies
        title = f"without a session {secrets.token_hex(6)}"
        answer = post(visitor.gateway, form, page, form.labelled({screens.new_task: title}), new_visitor.headers())
        described = describe(user.target, answer)
        location = answer.headers.get("Location", "")
        assert answer.status_code in SIGNED_OUT, f"expected {screens.sign_in}, got {described}"
        asked = answer.status_code not in SEE_OTHER or screens.sign_in in location
        assert asked, f"expected {screens.sign_in}, got {described} {location}"
        assert not task_rows(admin_connection, user, title), "expected no row of the refused form"


@pytest.mark.rule("SCY-10")
def test_account_forms_sign_up_out_and_in(new_visitor: Visitor) -> None:
    """Another password does not sign in. If the sign-up page has its form without scripts, the sign-in page has too."""
    if not new_visitor.target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    target, screens, account = new_visitor.target, new_visitor.screens, random_account()
    password = f" {account['password']} "
    account["password"] = password
    redactor.add(password)
    entered = sign_up_entries(screens, account)
    shown = new_visitor.shown(new_visitor.press_within_limit(screens.sign_up, screens.sign_up_button, entered))
    if not new_visitor.session:  # signing up need not sign in
        entered = sign_in_entries(screens, target.auth, account)
        shown = new_visitor.shown(new_visitor.press_within_limit(screens.sign_in, screens.sign_in_button, entered))
    assert new_visitor.session, f"expected a session after sign-up, got {shown[:200]}"
    redactor.add(new_visitor.session)
    assert new_visitor.read(screens.tasks).ok, "expected the page of tasks after sign-up"
    new_visitor.press(screens.tasks, screens.sign_out_button)
    assert not new_visitor.session, "expected sign-out to clear the session's cookie"
    assert new_visitor.has_form(screens.sign_in, screens.sign_in_button), "expected a form to sign in, as to sign up"
    for attempt, ok in ((f"{password}x", False), (password.strip(), False), (password, True)):
        redactor.add(attempt)
        entered = sign_in_entries(screens, target.auth, account | {"password": attempt})
        answer = new_visitor.press_within_limit(screens.sign_in, screens.sign_in_button, entered)
        token = session_token(target, answer)
        assert bool(token) == ok, f"sign-in by form: expected a session {ok}, got {describe(target, answer)}"
        assert ok or explains(answer), f"expected an explanation, got {describe(target, answer)}"
    redactor.add(new_visitor.session)
    assert new_visitor.read(screens.tasks).ok, "expected a session after sign-in"
