"""Isolation of users: none can read, change or delete anything of another."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.endpoints import UserResources, endpoints, require_resources
from acceptance.client.rows import user_rows
from acceptance.client.user import User, send


@pytest.fixture(scope="module")
def marker() -> str:
    """The text of all resources that the user has here."""
    return f"mine {secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def resources(user: User, marker: str) -> UserResources:
    return require_resources(user, marker)


@pytest.mark.rule("STA-05")
def test_other_users_resources_return_404(
    user: User, other_user: User, resources: UserResources, admin_connection: Connection[Any]
) -> None:
    """The other user's path and token, with the identifiers of the user's resources."""
    target = user.target
    foreign = UserResources(other_user.id, resources.task, resources.tag, resources.conversation)
    before = user_rows(admin_connection, target.tables, user.id)
    tested = [each for each in endpoints(target.api, foreign, "foreign") if each.names]
    assert tested, "no endpoint has the identifier of a resource"
    findings = []
    for each in tested:
        answer = other_user.call(each.method, each.path, json=each.body)
        if answer.status_code != target.api.absent:
            expected, actual = str(target.api.absent), f"{answer.status_code}: {answer.text[:200]}"
            findings.append(Finding("STA-05", each.route, "response about another user's resource", expected, actual))
    if user_rows(admin_connection, target.tables, user.id) != before:
        findings.append(Finding("STA-05", "the user's rows", "after another user's requests", "unchanged", "changed"))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_lists_contain_nothing_of_other_users(
    user: User, other_user: User, resources: UserResources, marker: str
) -> None:
    api = user.target.api
    tested = 0
    for path in (api.tasks, api.tags, api.conversations):
        if path is None:
            continue
        own = json.dumps(user.request_json("GET", user.path(path)))
        others = json.dumps(other_user.request_json("GET", other_user.path(path)))
        assert marker in own, f"GET {path}: expected {resources} in the user's list"
        assert marker not in others, f"GET {path}: expected nothing of the user in another user's list, got {marker}"
        tested += 1
    assert tested, "the target names no list"


@pytest.mark.rule("STA-05")
def test_pages_contain_nothing_of_other_users(
    user: User, other_user: User, resources: UserResources, marker: str
) -> None:
    url = user.gateway.url("frontend", user.target.pages.tasks)
    own, others = (send(user.gateway, "GET", url, headers=who.cookie) for who in (user, other_user))
    assert own.ok, f"{url}: expected the user's page, got {own.status_code}"
    assert others.ok, f"{url}: expected the other user's page, got {others.status_code}"
    if marker not in own.text:
        raise Untested(f"the page's first HTML does not have the task of {resources.user_id} (STA-10)")
    assert marker not in others.text, f"{url}: expected nothing of the user on another user's page, got {marker}"
