"""Authentication: a valid token works on every pod, an invalid one on no endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.endpoints import Endpoint, UserResources, endpoints, require_resources
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
def resources(user: User) -> UserResources:
    return require_resources(user, f"protected {secrets.token_hex(6)}")


@pytest.fixture(scope="module")
def forge(ready_release: Release, user: User, other_user: User) -> Forge:
    return Forge(user, other_user, secret(ready_release, ready_release.target.secret.auth_secret))


@contextmanager
def assert_rows_unchanged(admin_connection: Connection[Any], user: User) -> Iterator[None]:
    """The user's rows in PostgreSQL are the same at exit as at entry."""
    tables = user.target.tables
    before = user_rows(admin_connection, tables, user.id)
    yield
    after = user_rows(admin_connection, tables, user.id)
    changed = [table for table in before if before[table] != after[table]]
    assert not changed, f"requests without a valid token changed the user's rows of {', '.join(changed)}"


def token_header(target: Target, token: str, carrier: str) -> dict[str, str]:
    """The header that carries a token; raises `Untested` if the backend does not accept that carrier."""
    if carrier not in target.auth.carriers:
        raise Untested(f"the target's backend accepts no token in a {carrier}")
    return {"Authorization": f"Bearer {token}"} if carrier == "bearer" else {"Cookie": f"{target.auth.cookie}={token}"}


def refusal_findings(
    gateway: Gateway, tested: list[Endpoint], headers: dict[str, str], status: int, what: str
) -> list[Finding]:
    """Send a request to every endpoint; a finding for each that does not refuse it with `status`."""
    findings = []
    for each in tested:
        answer = send(gateway, each.method, gateway.url("backend", each.path), headers=headers, json=each.body)
        if answer.status_code != status:
            actual = f"{answer.status_code}: {answer.text[:200]}"
            findings.append(Finding("STA-05", each.route, f"response to {what}", str(status), actual))
    return findings


@pytest.mark.rule("STA-05")
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_invalid_token_is_refused_everywhere(
    gateway: Gateway,
    target: Target,
    resources: UserResources,
    forge: Forge,
    admin_connection: Connection[Any],
    kind: str,
    carrier: str,
) -> None:
    token = BAD_TOKENS[kind](forge)
    tested = endpoints(target.api, resources, "never")
    headers = token_header(target, token, carrier)
    with assert_rows_unchanged(admin_connection, forge.user):
        report_findings(
            refusal_findings(gateway, tested, headers, target.api.invalid_token, f"a token {kind} as {carrier}"), target
        )


@pytest.mark.rule("STA-05")
def test_missing_token_is_refused_everywhere(
    gateway: Gateway, target: Target, resources: UserResources, user: User, admin_connection: Connection[Any]
) -> None:
    tested = endpoints(target.api, resources, "never")
    with assert_rows_unchanged(admin_connection, user):
        report_findings(
            refusal_findings(gateway, tested, {}, target.api.missing_token, "a request without a token"), target
        )


@pytest.mark.rule("STA-05")
def test_other_users_path_is_refused_everywhere(
    gateway: Gateway,
    target: Target,
    resources: UserResources,
    user: User,
    other_user: User,
    admin_connection: Connection[Any],
) -> None:
    tested = endpoints(target.api, resources, "never")
    headers = {"Authorization": f"Bearer {other_user.token}"}
    with assert_rows_unchanged(admin_connection, user):
        report_findings(
            refusal_findings(gateway, tested, headers, target.api.other_user, "another user's valid token"), target
        )


@pytest.mark.rule("STA-04", "STA-05")
def test_newly_signed_token_is_accepted(forge: Forge, user: User) -> None:
    """The control of the invalid tokens: a token without a sign-in, signed with the release's key, is valid."""
    headers = {"Authorization": f"Bearer {forge.reissued()}"}
    answer = user.call("GET", user.path(user.target.api.tasks), headers=headers)
    assert answer.status_code == 200, f"a token signed with the release's key: expected 200, got {answer.status_code}"


@pytest.mark.rule("STA-04")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_token_is_valid_on_every_backend_pod(ready_release: Release, user: User, carrier: str) -> None:
    headers = token_header(user.target, user.token, carrier)
    for pod, origin in origins(ready_release, "backend").items():
        answer = send(user.gateway, "GET", origin + user.path(user.target.api.tasks), headers=headers)
        assert answer.status_code == 200, f"{pod}: expected 200 for the token as {carrier}, got {answer.status_code}"


@pytest.mark.rule("STA-04")
@pytest.mark.parametrize("component", ["frontend"])
def test_token_is_valid_on_every_frontend_pod(ready_release: Release, user: User, component: str) -> None:
    title = f"every pod {secrets.token_hex(6)}"
    user.add_task(title)
    for pod, origin in origins(ready_release, component).items():
        url = origin + user.target.pages.tasks
        answer = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
        assert answer.status_code == 200, f"{pod}: expected 200 for the page, got {answer.status_code}"
        if title not in answer.text and send(user.gateway, "GET", url, allow_redirects=False).status_code == 200:
            raise Untested("the page's first HTML is the same with and without a token (STA-10)")
