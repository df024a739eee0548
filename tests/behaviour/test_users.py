"""Two users side by side: neither sees, changes or deletes anything of the other's."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, report_findings
from acceptance.client.endpoints import Resources, create_resources, endpoints
from acceptance.client.rows import user_rows
from acceptance.client.user import User, send


@pytest.fixture(scope="module")
def marker() -> str:
    """Text of everything that the user has here."""
    return f"mine {secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def resources(user: User, marker: str) -> Resources:
    return create_resources(user, marker)


@pytest.mark.rule("STA-05")
def test_another_users_things_are_absent_on_ones_own_path(
    user: User, other_user: User, resources: Resources, admin_connection: Connection[Any]
) -> None:
    """The stranger's own path and token, with the identifiers of what is the user's."""
    target = user.target
    stolen = Resources(other_user.id, resources.task, resources.tag, resources.conversation)
    before = user_rows(admin_connection, target.tables, user.id)
    asked = [each for each in endpoints(target.api, stolen, "stolen") if each.names]
    assert asked, "no endpoint names a thing"
    found = []
    for each in asked:
        answer = other_user.call(each.method, each.path, json=each.body)
        if answer.status_code != target.api.absent:
            seen = f"{answer.status_code}: {answer.text[:200]}"
            wanted = str(target.api.absent)
            found.append(Finding("STA-05", each.route, "answer about another user's thing", wanted, seen))
    if user_rows(admin_connection, target.tables, user.id) != before:
        found.append(Finding("STA-05", "the user's rows", "after a stranger's requests", "as before", "changed"))
    report_findings(found, target)


@pytest.mark.rule("STA-05")
def test_lists_hold_nothing_of_another_users(user: User, other_user: User, resources: Resources, marker: str) -> None:
    api = user.target.api
    seen = 0
    for path in (api.tasks, api.tags, api.conversations):
        if path is None:
            continue
        mine = json.dumps(user.request_json("GET", user.path(path)))
        theirs = json.dumps(other_user.request_json("GET", other_user.path(path)))
        assert marker in mine, f"GET {path}: wanted what {resources} are called in the user's own list"
        assert marker not in theirs, f"GET {path}: wanted nothing of the user's in another's list, seen {marker}"
        seen += 1
    assert seen, "the target names no list"


@pytest.mark.rule("STA-05")
def test_pages_hold_nothing_of_another_users(user: User, other_user: User, resources: Resources, marker: str) -> None:
    url = user.gateway.url("frontend", user.target.pages.tasks)
    mine, theirs = (send(user.gateway, "GET", url, headers=who.cookie) for who in (user, other_user))
    assert mine.ok, f"{url}: wanted the user's page, seen {mine.status_code}"
    assert theirs.ok, f"{url}: wanted the stranger's page, seen {theirs.status_code}"
    assert marker in mine.text, f"{url}: wanted the task of {resources} on the user's page, seen none"
    assert marker not in theirs.text, f"{url}: wanted nothing of the user's on another's page, seen {marker}"
