"""User journeys in a real browser, by mouse and keyboard only, also while all pods are replaced."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from acceptance.client.accounts import random_account, sign_in_entries, signs_in_by_name
from acceptance.client.browser_user import BrowserUser
from acceptance.client.pods import origins, ready_pods
from acceptance.client.user import User, send, wait_answered
from acceptance.core.fields import text_at
from acceptance.core.redaction import redactor
from acceptance.experiments import faults
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.provision.cluster import Cluster
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

DESKTOP = {"color_scheme": "light"}
PHONE = {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}, "has_touch": True}


def session_cookie(person: BrowserUser) -> Mapping[str, Any]:
    """Return the session's cookie, as the browser has it."""
    cookies = person.context.cookies()
    found = [each for each in cookies if str(each.get("name")).endswith(person.target.auth.cookie)]
    names = [each.get("name") for each in cookies]
    assert len(found) == 1, f"expected one cookie {person.target.auth.cookie}, got {names}"
    return found[0]


def earlier_session(user: User, component: str, cookie: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a session that is older than the pods: the browser's cookie or, at the backend, a token."""
    auth = user.target.auth
    sent = {"Cookie": f"{auth.cookie}={cookie['value']}"} if cookie else {}
    if component == "backend":
        sent["Authorization"] = f"Bearer {cookie['value'] if auth.cookie_holds_token else user.token}"
    return sent


def assert_sound_pages(person: BrowserUser) -> None:
    """The browser sent requests to the frontend only, got each file of its pages, and their scripts had no errors."""
    expected = {urlsplit(person.origin).netloc}
    assert person.hosts() == expected, f"expected requests to {expected} only, got requests to {person.hosts()}"
    assert not person.missing_files, f"expected every script, style, font and image, got {person.missing_files}"
    assert not person.page_errors, f"expected no script errors, got {person.page_errors}"


@pytest.mark.rule("SCY-06", "STA-04")
@pytest.mark.usefixtures("model")  # no turn reaches a model that costs money
def test_user_signs_up_and_completes_a_task_from_the_chat(person: BrowserUser, ready_release: Release) -> None:
    assert ready_release
    screens = person.screens
    account = random_account()
    account["password"] += "&+=%41#"
    if not signs_in_by_name(person.target.auth):
        account["name"] = "Ada Person"
    redactor.add(account["password"])
    title = f"buy bread & butter + 100% = {secrets.token_hex(4)}"

    person.sign_up(account)
    person.screenshot("signed up")
    person.click(person.link(screens.chat_link))
    answer = person.send_message(f"add task: {title}")
    expect(answer).to_contain_text(title)
    person.screenshot("asked the assistant")

    person.click(person.link(screens.tasks_link))
    task = person.task(title)
    person.expect_completed(title, completed=False)
    person.screenshot("task in the list")
    answered = person.submit(lambda: person.click(person.completion(title, completed=True)))
    assert answered.status < 400, f"completing the task: expected 2xx or a redirect, got {answered.status}"
    person.expect_completed(title, completed=True)
    person.reload()
    person.expect_completed(title, completed=True)
    person.screenshot("completed and reloaded")

    if person.target.auth.has_cookie:
        cookie = session_cookie(person)
        assert cookie["httpOnly"], f"expected the session's cookie {cookie['name']} to be HttpOnly"
        assert cookie["sameSite"] in ("Lax", "Strict"), f"expected SameSite Lax or Strict, got {cookie['sameSite']}"
        is_token = cookie["value"].count(".") == 2 or not person.target.auth.cookie_holds_token
        assert is_token, "expected a JWT in the session's cookie"

    person.submit(lambda: person.click(person.button(screens.sign_out_button)))
    expect(person.button(screens.sign_in_button)).to_be_visible()
    person.screenshot("signed out")
    person.open(screens.tasks)
    expect(person.button(screens.sign_in_button)).to_be_visible()
    expect(task).to_have_count(0)

    person.sign_in(account)
    person.click(person.link(screens.tasks_link))
    person.expect_completed(title, completed=True)
    person.screenshot("signed in again")
    assert_sound_pages(person)


@pytest.mark.rule("STA-02", "STA-04", "PER-04", "SCY-06")
def test_open_tab_works_after_every_pod_is_replaced(
    person: BrowserUser, user: User, ready_release: Release, cluster: Cluster, model: ModelStub
) -> None:
    """All pods of both components are deleted gracefully at once; the tab stays open and is not used meanwhile."""
    screens, target = person.screens, ready_release.target
    first = f"add task: buy seeds {secrets.token_hex(4)}"
    person.sign_in(user.account)
    person.click(person.link(screens.chat_link))
    expect(person.send_message(first)).to_contain_text(first.partition(": ")[2])
    person.screenshot("before the pods are replaced")
    cookie = session_cookie(person) if target.auth.has_cookie else {}

    old = [pod for component in target.components for pod in ready_pods(ready_release, component)]
    for pod in old:
        faults.delete(cluster, pod)
    for replaced, part in target.components.items():
        wait_rolled_out(ready_release.objects, part)
        wait_answered(user.gateway, replaced)
    new = [pod for component in target.components for pod in ready_pods(ready_release, component)]
    uids = [{text_at(pod, "metadata.uid") for pod in pods} for pods in (old, new)]
    assert not uids[0] & uids[1], f"expected every pod to be replaced, got {uids[0] & uids[1]} again"

    second = f"what did I ask for? {secrets.token_hex(4)}"
    answer = person.send_message(second)
    expect(answer).to_contain_text(first)
    expect(person.messages_by(screens.you)).to_have_text([first, second])
    person.screenshot("conversation continued on new pods")
    requests = [each for each in model.requests() if second in str(each["body"])]
    assert requests, f"expected a request to the model with {second!r}, got none"
    assert any(first in str(each["body"]) for each in requests), (
        f"expected {first!r} in a request to the model, got {requests}"
    )

    person.reload()
    expect(person.messages_by(screens.you)).to_have_text([first, second])
    person.click(person.link(screens.tasks_link))
    person.expect_signed_in()
    expect(person.task(first.partition(": ")[2])).to_have_count(1)
    person.screenshot("still signed in")

    paths = {"backend": user.path(target.api.tasks), "frontend": target.pages.tasks}
    for component, path in paths.items():
        headers = earlier_session(user, component, cookie)
        for name, origin in origins(ready_release, component).items():
            status = send(user.gateway, "GET", origin + path, headers=headers, allow_redirects=False).status_code
            assert status == 200, f"{name}: expected 200 for the earlier token, got {status}"
    assert_sound_pages(person)


@pytest.mark.rule("SCY-06", "STA-04")
@pytest.mark.parametrize("person", [DESKTOP, PHONE], ids=["light desktop", "dark phone"], indirect=True)
def test_user_adds_a_task_by_keyboard_only(person: BrowserUser, users: Callable[[], User]) -> None:
    """With Tab, Enter, Space and letters, in the page's tab order; the user has no other task."""
    user, screens, keyboard = users(), person.screens, person.page.keyboard
    person.open(screens.sign_in)
    expect(person.button(screens.sign_in_button)).to_be_visible()
    for label, text in sign_in_entries(screens, person.target.auth, user.account).items():
        person.tab_to(person.text_field(label))
        keyboard.type(text)
    person.screenshot("filled in by keyboard")
    person.submit_with_retry(lambda: keyboard.press("Enter"))
    person.expect_signed_in()
    title = f"typed {secrets.token_hex(6)}"
    if screens.new_task_button is not None:
        person.tab_to(person.button(screens.new_task_button))
        keyboard.press("Enter")
    person.tab_to(person.text_field(screens.new_task))
    keyboard.type(title)
    person.submit(lambda: keyboard.press("Enter"))
    person.expect_completed(title, completed=False)
    person.tab_to(person.completion(title, completed=True))
    person.submit(lambda: keyboard.press("Space"))
    person.expect_completed(title, completed=True)
    person.screenshot("task completed by keyboard")
    excess = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert excess <= 0, f"expected the page to fit the screen's width, got {excess} px more"
    assert_sound_pages(person)
