"""Who is let in: good tokens on every pod, bad ones on no endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.endpoints import Endpoint, Resources, create_resources, endpoints
from acceptance.client.forged_tokens import BAD_TOKENS, Forge
from acceptance.client.live_config import secret
from acceptance.client.pods import origins
from acceptance.client.rows import user_rows
from acceptance.client.user import User, send
from acceptance.core.target import Target
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

CARRIERS = ("bearer", "cookie")


@pytest.fixture(scope="module")
def things(user: User) -> Resources:
    return create_resources(user, f"guarded {secrets.token_hex(6)}")


@pytest.fixture(scope="module")
def forge(ready_release: Release, user: User, other_user: User) -> Forge:
    return Forge(user, other_user, secret(ready_release, ready_release.target.secret.auth_secret))


@contextmanager
def unharmed(admin_connection: Connection[Any], user: User) -> Iterator[None]:
    """What the user has is the same before and after, in PostgreSQL."""
    tables = user.target.tables
    before = user_rows(admin_connection, tables, user.id)
    yield
    after = user_rows(admin_connection, tables, user.id)
    changed = [table for table in before if before[table] != after[table]]
    assert not changed, f"requests without a good token changed the user's rows of {', '.join(changed)}"


def carried(target: Target, token: str, carrier: str) -> dict[str, str]:
    """The header that brings a token."""
    if carrier not in target.auth.carriers:
        raise Untested(f"the target's backend takes no token from a {carrier}")
    return {"Authorization": f"Bearer {token}"} if carrier == "bearer" else {"Cookie": f"{target.auth.cookie}={token}"}


def refusals(gateway: Gateway, asked: list[Endpoint], headers: dict[str, str], wanted: int, what: str) -> list[Finding]:
    """Ask every endpoint; a finding for each that does not refuse."""
    found = []
    for each in asked:
        answer = send(gateway, each.method, gateway.url("backend", each.path), headers=headers, json=each.body)
        if answer.status_code != wanted:
            seen = f"{answer.status_code}: {answer.text[:200]}"
            found.append(Finding("STA-05", each.route, f"answer to {what}", str(wanted), seen))
    return found


@pytest.mark.rule("STA-05")
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_opens_nothing(
    gateway: Gateway,
    target: Target,
    things: Resources,
    forge: Forge,
    admin_connection: Connection[Any],
    kind: str,
    carrier: str,
) -> None:
    try:
        token = BAD_TOKENS[kind](forge)
    except Untested as reason:
        raise Untested(str(reason)) from reason
    asked = endpoints(target.api, things, "never")
    headers = carried(target, token, carrier)
    with unharmed(admin_connection, forge.user):
        report_findings(refusals(gateway, asked, headers, 401, f"a token {kind} as {carrier}"), target)


@pytest.mark.rule("STA-05")
def test_no_token_opens_nothing(
    gateway: Gateway, target: Target, things: Resources, user: User, admin_connection: Connection[Any]
) -> None:
    asked = endpoints(target.api, things, "never")
    with unharmed(admin_connection, user):
        report_findings(refusals(gateway, asked, {}, target.api.missing_token, "a request without a token"), target)


@pytest.mark.rule("STA-05")
def test_another_users_path_is_closed(
    gateway: Gateway, target: Target, things: Resources, user: User, other_user: User, admin_connection: Connection[Any]
) -> None:
    asked = endpoints(target.api, things, "never")
    headers = {"Authorization": f"Bearer {other_user.token}"}
    with unharmed(admin_connection, user):
        report_findings(refusals(gateway, asked, headers, target.api.other_user, "another user's good token"), target)


@pytest.mark.rule("STA-04", "STA-05")
def test_a_token_is_judged_by_itself(forge: Forge, user: User) -> None:
    """The control of the bad ones: a token that no sign-in gave, but the release's key has signed, is good."""
    try:
        token = forge.reissued()
    except Untested as reason:
        raise Untested(str(reason)) from reason
    answer = user.call("GET", user.path(user.target.api.tasks), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, f"a good token of the release's key: wanted 200, seen {answer.status_code}"


@pytest.mark.rule("STA-04")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_token_is_good_on_every_backend_pod(ready_release: Release, user: User, carrier: str) -> None:
    headers = carried(user.target, user.token, carrier)
    for pod, origin in origins(ready_release, "backend").items():
        answer = send(user.gateway, "GET", origin + user.path(user.target.api.tasks), headers=headers)
        assert answer.status_code == 200, f"{pod}: wanted 200 for the token as {carrier}, seen {answer.status_code}"


@pytest.mark.rule("STA-04")
@pytest.mark.parametrize("component", ["frontend"])
def test_a_token_is_good_on_every_frontend_pod(ready_release: Release, user: User, component: str) -> None:
    title = f"every pod {secrets.token_hex(6)}"
    user.add_task(title)
    for pod, origin in origins(ready_release, component).items():
        url = origin + user.target.pages.tasks
        answer = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        assert answer.status_code == 200, f"{pod}: wanted 200 for the page, seen {answer.status_code}"
        assert title in answer.text, f"{pod}: wanted the user's task in the page, seen none"
