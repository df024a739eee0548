"""Screens as other teams have them, in a browser: dialogs, checkboxes without a name, messages without a role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from acceptance.client.accounts import sign_in_entries, sign_up_entries
from acceptance.client.browser_user import BrowserUser
from acceptance.core.target import Target

PAGE = """
<button onclick="document.querySelector('dialog').showModal()">New Task</button>
<dialog><form onsubmit="add(event)">
  <label>Title <input></label><button>Create</button>
</form></dialog>
<div id="tasks"></div>
<div class="mine"><p>hello</p></div><div class="theirs"><p>Hi!</p></div>
<input placeholder="Type a message...">
<script>
  async function add(event) {
    event.preventDefault();
    const title = event.target.querySelector('input').value;
    await fetch('http://todo.example/tasks', {method: 'POST', body: title});
    document.querySelector('dialog').close();
    const row = `<div class="card"><label><input type="checkbox"><span></span></label><h3>${title}</h3></div>`;
    document.querySelector('#tasks').insertAdjacentHTML('beforeend', row);
  }
</script>
"""


@pytest.fixture
def person(chromium: Browser, target: Target) -> Iterator[BrowserUser]:
    assert target.screens
    changes = {
        "new_task": "Title",
        "new_task_button": "New Task",
        "add_button": "Create",
        "task_row": ".card",
        "you": "css=.mine p",
        "assistant": "css=.theirs p",
        "message": "Type a message...",
    }
    screens = target.screens.model_copy(update=changes)
    with chromium.new_context() as context:
        page = context.new_page()
        page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        keep: Callable[[str, bytes], Path] = lambda name, _: Path(name)  # noqa: E731
        user = BrowserUser(target, screens, "http://todo.example", page, keep)
        user.open("/tasks")
        yield user


def test_task_is_added_in_a_dialog_and_found_by_its_row(person: BrowserUser) -> None:
    for title in ("one", "another"):
        assert person.add_task(title).status == 200
        expect(person.task(title)).to_have_count(1)
    person.expect_completed("one", completed=False)
    person.completion("one", completed=True).check()
    person.expect_completed("one", completed=True)
    person.expect_completed("another", completed=False)
    assert not person.is_checkbox_named("one")


def test_messages_and_fields_without_roles_are_found(person: BrowserUser) -> None:
    expect(person.messages_by(person.screens.you)).to_have_text(["hello"])
    expect(person.messages_by(person.screens.assistant)).to_have_text(["Hi!"])
    person.type_into(person.screens.message, "typed")
    expect(person.text_field(person.screens.message)).to_have_value("typed")


def test_password_is_repeated_at_sign_up_only(target: Target) -> None:
    assert target.screens
    screens = target.screens.model_copy(update={"password_again": "Confirm"})
    account = {"name": "a", "email": "b", "password": "c"}
    assert sign_up_entries(screens, account) == {"Name": "a", "Email": "b", "Password": "c", "Confirm": "c"}
    assert sign_in_entries(screens, target.auth, account) == {"Email": "b", "Password": "c"}
