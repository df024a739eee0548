"""Authentication: a valid token works on every pod, an invalid one on no endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import SIGNED_OUT, JsonObject, describe
from acceptance.client.clocks import clock_ahead
from acceptance.client.endpoints import Endpoint, UserResources, endpoints, require_resources, tags_are_shared
from acceptance.client.forged_tokens import BAD_TOKENS, ODD_TOKENS, SECONDS, Forge
from acceptance.client.live_config import secret
from acceptance.client.pods import origins
from acceptance.client.rows import user_rows
from acceptance.client.sessions import NO_COOKIE
from acceptance.client.tokens import token_in
from acceptance.client.user import User, send
from acceptance.core.redaction import redactor
from acceptance.core.target import CARRIERS, COMPONENTS, Carrier, ComponentName, Target
from acceptance.core.wait import dwell
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

LIFETIME = 12
"""Seconds for which a token is valid: one request to each pod takes less than one."""
OK = 200
FRONTEND: tuple[Carrier, ...] = ("cookie",)
"""How the frontend takes a token, where the session's cookie is one."""


@pytest.fixture(scope="module")
def protected_text() -> str:
    """A text that every text of the resources contains, and nothing else."""
    return f"protected {secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def resources(user: User, protected_text: str) -> UserResources:
    """What the user has, with the text that no other user may read."""
    return require_resources(user, protected_text)


@pytest.fixture(scope="module")
def forge(ready_release: Release, user: User, other_user: User) -> Forge:
    """Forges tokens from the user's, with the release's signing key."""
    key = secret(ready_release, ready_release.target.secret.auth_secret)
    return Forge(user, other_user, key, clock_ahead(user))


@contextmanager
def assert_rows_unchanged(admin_connection: Connection[Any], user: User) -> Iterator[None]:
    """Assert that the user's rows in PostgreSQL are the same at exit as at entry.

    Raises:
        Untested: At exit, there are no such rows to compare.
    """
    tables = user.target.tables
    try:
        before = user_rows(admin_connection, tables, user.id)
    except Untested as reason:
        yield
        raise reason from None
    yield
    after = user_rows(admin_connection, tables, user.id)
    changed = [table for table in before if before[table] != after[table]]
    assert not changed, f"requests without a valid token changed the user's rows of {', '.join(changed)}"


def require_carrier(target: Target, carrier: Carrier) -> None:
    """Raise `Untested` if the backend does not accept a token in that carrier."""
    if carrier not in target.auth.carriers:
        raise Untested(f"the target's backend accepts no token in a {carrier}")


def refusal_findings(
    gateway: Gateway,
    tested: list[Endpoint],
    headers: dict[str, str],
    statuses: Collection[int],
    what: str,
    protected: str = "",
) -> list[Finding]:
    """Send a request to every endpoint; a finding for each that does not refuse it.

    Args:
        gateway: The way to the backend.
        tested: The endpoints, with valid requests.
        headers: Those of every request.
        statuses: How a request may be refused.
        what: What is wrong with the requests, for the findings.
        protected: A text that no response may contain.
    """
    findings = []
    for each in tested:
        answer = send(gateway, each.method, gateway.url("backend", each.path), headers=headers, json=each.body)
        leaks = bool(protected) and protected in answer.text
        if answer.status_code not in statuses or leaks:
            expected = " or ".join(map(str, statuses)) + (" with nothing of the user's" if leaks else "")
            actual = describe(gateway.target, answer)
            findings.append(Finding("STA-05", each.route, f"response to {what}", expected, actual))
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
    carrier: Carrier,
) -> None:
    require_carrier(target, carrier)
    headers = forge.user.token_header(BAD_TOKENS[kind](forge), carrier)
    tested = endpoints(target.api, resources, "never")
    with assert_rows_unchanged(admin_connection, forge.user):
        report_findings(
            refusal_findings(gateway, tested, headers, {target.api.invalid_token}, f"a token {kind} as {carrier}"),
            target,
        )


@pytest.mark.rule("STA-05")
def test_missing_token_is_refused_everywhere(
    gateway: Gateway, target: Target, resources: UserResources, user: User, admin_connection: Connection[Any]
) -> None:
    tested = endpoints(target.api, resources, "never")
    with assert_rows_unchanged(admin_connection, user):
        report_findings(
            refusal_findings(gateway, tested, {}, {target.api.missing_token}, "a request without a token"), target
        )


@pytest.mark.rule("STA-05")
def test_other_users_path_is_refused_everywhere(
    gateway: Gateway,
    target: Target,
    resources: UserResources,
    protected_text: str,
    user: User,
    other_user: User,
    admin_connection: Connection[Any],
) -> None:
    """Paths that name neither a user nor a resource belong to the token's own user, and are left out.

    So are tags that all users share: the test of lists reports them.
    """
    owned = replace(resources, tag=None) if tags_are_shared(other_user, protected_text) else resources
    tested = [each for each in endpoints(target.api, owned, "never") if each.names or "{user_id}" in each.template]
    assert tested, "no endpoint has the identifier of a user or of a resource"
    headers = other_user.authorization
    with assert_rows_unchanged(admin_connection, user):
        what, statuses = "another user's valid token", target.api.other_user_statuses
        report_findings(refusal_findings(gateway, tested, headers, statuses, what, protected_text), target)


@pytest.mark.rule("STA-04", "STA-05")
def test_newly_signed_token_is_accepted(forge: Forge, user: User) -> None:
    """The control for the invalid tokens: a token that the suite signs with the release's key is valid."""
    answer = user.call("GET", user.path(user.target.api.tasks), headers=user.token_header(forge.reissued()))
    assert answer.status_code == 200, f"a token signed with the release's key: expected 200, got {answer.status_code}"


@pytest.mark.rule("STA-04")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_token_is_valid_on_every_backend_pod(ready_release: Release, user: User, carrier: Carrier) -> None:
    require_carrier(user.target, carrier)
    headers = user.browser_headers if carrier == "cookie" else user.token_header(user.token, carrier)
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


def as_header(value: str) -> bytes:
    """Return the bytes of a header's value, which may be no ASCII."""
    return value.encode()


@pytest.mark.rule("STA-05")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_unusual_token_is_no_error_of_the_server(
    gateway: Gateway, user: User, forge: Forge, admin_connection: Connection[Any], carrier: Carrier
) -> None:
    """It may be accepted or refused, also as another user's, but a refused token changes nothing."""
    target, findings = user.target, []
    require_carrier(target, carrier)
    before = user_rows(admin_connection, target.tables, user.id)
    url = gateway.url("backend", user.path(target.api.tasks))
    for kind, make in ODD_TOKENS.items():
        headers = {name: as_header(value) for name, value in user.token_header(make(forge), carrier).items()}
        answer = send(gateway, "GET", url, headers=headers)
        if answer.status_code not in (200, target.api.invalid_token, *target.api.other_user_statuses, 400, 431):
            expected = f"200 or {target.api.invalid_token}"
            findings.append(Finding("STA-05", f"a token {kind}", carrier, expected, describe(target, answer)))
    if user_rows(admin_connection, target.tables, user.id) != before:
        findings.append(Finding("STA-05", "the user's rows", "after unusual tokens", "unchanged", "changed"))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_token_of_a_deleted_user_reads_nothing(
    gateway: Gateway,
    user: User,
    forge: Forge,
    resources: UserResources,
    protected_text: str,
    admin_connection: Connection[Any],
) -> None:
    """A stateless token outlives its user: no request with it fails in the server, or shows anything of others."""
    target = user.target
    headers = user.token_header(forge.of_unknown_user())
    gone = replace(resources, user_id=forge.unknown_user)
    findings = []
    with assert_rows_unchanged(admin_connection, user):
        for each in endpoints(target.api, gone, "never"):
            answer = send(gateway, each.method, gateway.url("backend", each.path), headers=headers, json=each.body)
            if answer.status_code >= 500 or protected_text in answer.text:
                expected = "no error of the server, and nothing of other users"
                findings.append(Finding("STA-05", each.route, "deleted user", expected, describe(target, answer)))
    report_findings(findings, target)


def statuses(release: Release, component: ComponentName, user: User, token: str, task: JsonObject) -> dict[str, int]:
    """Return how each pod of a component answers a token, by the pod and how the token is sent.

    An answer of 200 without the title of the user's task is that of somebody who is not signed in: 401 stands for it.
    """
    target, found = release.target, {}
    carriers = target.auth.carriers if component == "backend" else FRONTEND if target.auth.cookie_holds_token else ()
    one = user.path(target.api.task, id=task[target.api.id_field])
    path = one if component == "backend" else target.pages.tasks
    for pod, origin in origins(release, component).items():
        for carrier in carriers:
            headers = user.token_header(token, carrier)
            answer = send(user.gateway, "GET", origin + path, headers=headers, allow_redirects=False)
            hidden = answer.status_code == OK and task[target.api.title_field] not in answer.text
            found[f"Pod/{pod} as {carrier}"] = 401 if hidden else answer.status_code
    return found


@pytest.mark.rule("STA-05")
def test_accepted_token_expires_on_every_pod(ready_release: Release, forge: Forge) -> None:
    """A pod refuses a token that it has accepted once the token has expired: verifications must not be cached."""
    target, user = ready_release.target, forge.user
    end = forge.now() + LIFETIME
    token = forge.with_claims(exp=end - target.auth.leeway_seconds)
    redactor.add(token)
    task = user.add_task(f"expires {secrets.token_hex(6)}")
    before = {component: statuses(ready_release, component, user, token, task) for component in COMPONENTS}
    if forge.now() >= end:
        raise Untested(f"the first requests took longer than the token's {LIFETIME} s")
    if OK not in before["frontend"].values():
        del before["frontend"]  # its pages need other cookies of the session too, or are made by scripts (STA-10)
    accepted = {status for each in before.values() for status in each.values()}
    assert accepted == {OK}, f"a new token: expected {OK} of every pod, got {before}"
    dwell(end + SECONDS - forge.now(), "the token expires")
    refused = {target.api.invalid_token, *SIGNED_OUT} - {OK}
    findings = [
        Finding("STA-05", where, "accepted token after its expiry", f"one of {sorted(refused)}", str(status))
        for component in before
        for where, status in statuses(ready_release, component, user, token, task).items()
        if status not in refused
    ]
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_page_with_a_bad_cookie_leads_to_sign_in(ready_release: Release, user: User, forge: Forge) -> None:
    """Every pod is sent every bad or unusual token as the session's cookie; also an empty and a percent-encoded one.

    A cookie that is exchanged for the token is none itself: it is altered, and there is another one.
    """
    target = ready_release.target
    if not target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    title = f"protected {secrets.token_hex(6)}"
    user.add_task(title)
    if target.auth.cookie_holds_token:
        cookies = {f"a token {kind}": make(forge) for kind, make in {**BAD_TOKENS, **ODD_TOKENS}.items()}
    else:
        session = token_in(target.auth, user.cookies)
        cookies = {"another session": secrets.token_urlsafe(48), "an altered session": f"{session}x"}
    cookies |= {"nothing": "", "bad percent encoding": "%ZZ%", "percent-encoded garbage": "%00%ff%7b"}
    accepted = {f"a token {kind}" for kind in ODD_TOKENS}
    findings = []
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + target.pages.tasks
        for what, token in cookies.items():
            header = {"Cookie": as_header(f"{user.token_cookie}={token}")}
            answer = send(user.gateway, "GET", url, headers=header, allow_redirects=False)
            shown = title in answer.text
            expected = {*SIGNED_OUT, 400, 431}
            if answer.status_code not in expected or (shown and what not in accepted):
                actual = describe(target, answer)
                findings.append(Finding("STA-05", f"Pod/{pod}", f"page with {what} as cookie", "sign-in", actual))
    report_findings(findings, target)
