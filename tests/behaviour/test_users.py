"""Two users side by side: neither sees, changes or deletes anything of the other's."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from psycopg import Connection

from acceptance.client import User, ask
from acceptance.endpoints import Things, endpoints, things_of
from acceptance.finding import Finding, accept
from acceptance.rows import all_of


@pytest.fixture(scope="module")
def mark() -> str:
    """Text of everything that the user has here."""
    return f"mine {secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def things(user: User, mark: str) -> Things:
    return things_of(user, mark)


@pytest.mark.rule("STA-05")
def test_another_users_things_are_absent_on_ones_own_path(
    user: User, stranger: User, things: Things, postgres: Connection[Any]
) -> None:
    """The stranger's own path and token, with the identifiers of what is the user's."""
    target = user.target
    stolen = Things(stranger.id, things.task, things.tag, things.conversation)
    before = all_of(postgres, target.tables, user.id)
    asked = [each for each in endpoints(target.api, stolen, "stolen") if each.names]
    assert asked, "no endpoint names a thing"
    found = []
    for each in asked:
        answer = stranger.call(each.method, each.path, json=each.body)
        if answer.status_code != target.api.absent:
            seen = f"{answer.status_code}: {answer.text[:200]}"
            wanted = str(target.api.absent)
            found.append(Finding("STA-05", each.route, "answer about another user's thing", wanted, seen))
    if all_of(postgres, target.tables, user.id) != before:
        found.append(Finding("STA-05", "the user's rows", "after a stranger's requests", "as before", "changed"))
    accept(found, target)


@pytest.mark.rule("STA-05")
def test_lists_hold_nothing_of_another_users(user: User, stranger: User, things: Things, mark: str) -> None:
    api = user.target.api
    seen = 0
    for path in (api.tasks, api.tags, api.conversations):
        if path is None:
            continue
        mine = json.dumps(user.ask_json("GET", user.path(path)))
        theirs = json.dumps(stranger.ask_json("GET", stranger.path(path)))
        assert mark in mine, f"GET {path}: wanted what {things} are called in the user's own list"
        assert mark not in theirs, f"GET {path}: wanted nothing of the user's in another's list, seen {mark}"
        seen += 1
    assert seen, "the target names no list"


@pytest.mark.rule("STA-05")
def test_pages_hold_nothing_of_another_users(user: User, stranger: User, things: Things, mark: str) -> None:
    url = user.gateway.url("frontend", user.target.pages.tasks)
    mine, theirs = (ask(user.gateway, "GET", url, headers=who.cookie) for who in (user, stranger))
    assert mine.ok, f"{url}: wanted the user's page, seen {mine.status_code}"
    assert theirs.ok, f"{url}: wanted the stranger's page, seen {theirs.status_code}"
    assert mark in mine.text, f"{url}: wanted the task of {things} on the user's page, seen none"
    assert mark not in theirs.text, f"{url}: wanted nothing of the user's on another's page, seen {mark}"
