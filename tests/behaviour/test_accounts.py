"""Accounts: unusual names and passwords work as they are, only the right password signs in, and cookies are closed."""

from __future__ import annotations

import itertools
import secrets
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.accounts import asks_for, random_account, random_password, sign_in_entries, signs_in_by_name
from acceptance.client.answers import describe, set_cookies
from acceptance.client.caching import shared_storage
from acceptance.client.documents import Document
from acceptance.client.pods import origins
from acceptance.client.rows import rows
from acceptance.client.sessions import NO_COOKIE, claims_in, expiry, user_id
from acceptance.client.signing_in import (
    credentials_of,
    send_sign_in,
    send_sign_up,
    session_answers,
    session_token,
    sign_up,
)
from acceptance.client.tokens import authorization, cookie_header
from acceptance.client.user import User, send
from acceptance.client.visitor import Visitor
from acceptance.core.deadlines import LOGGED
from acceptance.core.fields import mapping_at
from acceptance.core.redaction import redactor, written_forms
from acceptance.core.target import CARRIERS, COMPONENTS, Target
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

TAIL = 2000
"""Lines of a log: more than what the requests of this module write."""
SESSION_TOLERANCE = 60.0
"""Seconds; of the server's clock, whole seconds, and what it takes to sign in."""
LONG_NAME = 3000
"""Characters that make a session longer than the 4 kB of a cookie."""


@pytest.fixture(scope="module")
def odd_account(target: Target) -> dict[str, str]:
    """An account whose name and password need encoding almost everywhere; a name that signs in is an ordinary one."""
    account = random_account()
    local, at, domain = account["email"].partition("@")
    odd_name = f'Siân O\'Brien-漢 <b id="n{secrets.token_hex(4)}"> & "Co" \\ %s'
    return {
        "name": account["name"] if signs_in_by_name(target.auth) else odd_name,
        "email": f"{local}+tag{at}{domain}",
        "password": f" {random_password()} '\"\\ %40?#&+=@:/;<é漢✓> ",
    }


@pytest.fixture(scope="module")
def odd_user(ready_release: Release, user: User, odd_account: dict[str, str]) -> User | AssertionError:
    """The user who signed up with the odd account, or why that failed: a finding of one test."""
    try:
        return sign_up(ready_release.target, user.gateway, ready_release.origin, redactor.add, account=odd_account)
    except AssertionError as error:
        return error


@pytest.fixture(scope="module")
def odd_sign_in(
    ready_release: Release, gateway: Gateway, odd_account: dict[str, str], odd_user: object
) -> Response | AssertionError:
    """The response to a sign-in with the odd account after sign-up, or why there is none: a finding of one test."""
    assert odd_user
    try:
        answer = send_sign_in(gateway, odd_account, ready_release.origin)
    except AssertionError as error:
        return error
    if token := session_token(ready_release.target, answer):
        redactor.add(token)
    return answer


@pytest.mark.rule("PER-09")
def test_odd_name_and_password_are_kept(
    ready_release: Release,
    gateway: Gateway,
    odd_user: User | AssertionError,
    odd_sign_in: Response | AssertionError,
    odd_account: dict[str, str],
    admin_connection: Connection[Any],
) -> None:
    """In the token, in PostgreSQL, and on the page, where the name is text; then the same password signs in."""
    if isinstance(odd_user, AssertionError):
        raise odd_user
    if isinstance(odd_sign_in, AssertionError):
        raise odd_sign_in
    target, tables, findings = ready_release.target, ready_release.target.tables, []
    # A token may name its user by `sub` alone, or be none that can be read.
    claimed = mapping_at(claims_in(odd_user.token), "user")
    if claimed and (name := claimed.get("name")) != odd_account["name"]:
        findings.append(Finding("PER-09", "the session's token", "user's name", odd_account["name"], str(name)))
    stored = rows(admin_connection, tables.user, {tables.user_id: odd_user.id})
    given = [what for what in ("name", "email") if asks_for(target.auth.sign_up_fields, what)]
    missing = [what for what in given if not any(odd_account[what] in row.values() for row in stored)]
    findings += [Finding("PER-09", tables.user, what, odd_account[what], "in no column") for what in missing]
    page = send(gateway, "GET", gateway.url("frontend", target.pages.tasks), headers=odd_user.browser_headers)
    if not page.ok or Document(page.text).ids & set(odd_account["name"].split('"')[1:2]):
        findings.append(Finding("PER-09", target.pages.tasks, "page", "200, the name as text", describe(target, page)))
    if not odd_sign_in.ok or session_token(target, odd_sign_in) is None:
        findings.append(Finding("PER-09", target.auth.sign_in, "password", "signs in", describe(target, odd_sign_in)))
    report_findings(findings, target)


def signed_in_as(gateway: Gateway, origin: str, answer: Response) -> str | None:
    """What the token of the session that a response opens names its user; None if it opens none."""
    if session_token(gateway.target, answer) is None:
        return None
    credentials = credentials_of(gateway, origin, [answer])
    for secret in credentials.secrets():
        redactor.add(secret)
    return user_id(gateway.target.auth, credentials.token)


@pytest.mark.rule("SCY-10")
def test_session_lasts_as_long_as_the_target_states(target: Target, odd_sign_in: Response | AssertionError) -> None:
    """Whoever is signed out sooner loses what they type; a token that is valid longer is a key that was forgotten."""
    auth = target.auth
    if auth.session_seconds is None or auth.kind == "exchange":
        raise Untested("the target does not say how long a session lasts, or its token is another one's")
    if isinstance(odd_sign_in, AssertionError):
        raise Untested(f"nobody could sign in: {str(odd_sign_in)[:200]}")
    if "Date" not in odd_sign_in.headers:
        raise Untested("the response to sign-in has no Date, from which the session's lifetime counts")
    answered = parsedate_to_datetime(odd_sign_in.headers["Date"]).timestamp()
    end = expiry(session_token(target, odd_sign_in) or "")
    lifetimes = {"lifetime of the token": None if end is None else end - answered} | {
        f"Max-Age of the cookie {name}": float(cookie["max-age"])
        for name, cookie in set_cookies(odd_sign_in)
        if name.endswith(auth.cookie) and cookie["max-age"]
    }
    expected = f"{auth.session_seconds} s, {SESSION_TOLERANCE:g} s more or less"
    report_findings(
        [
            Finding("SCY-10", "session", what, expected, "no end" if seconds is None else f"{seconds:.0f} s")
            for what, seconds in lifetimes.items()
            if seconds is None or abs(seconds - auth.session_seconds) > SESSION_TOLERANCE
        ],
        target,
    )


@pytest.mark.rule("SCY-10")
def test_password_without_its_spaces_is_refused(
    ready_release: Release, gateway: Gateway, odd_user: User | AssertionError, odd_account: dict[str, str]
) -> None:
    if isinstance(odd_user, AssertionError):
        raise Untested("nobody can sign up with such a password (PER-09)")
    target, wrong = ready_release.target, odd_account | {"password": odd_account["password"].strip()}
    redactor.add(wrong["password"])
    answer = send_sign_in(gateway, wrong, ready_release.origin)
    described = describe(target, answer)
    assert 400 <= answer.status_code < 500, f"another password: expected it refused, got {described}"
    assert session_token(target, answer) is None, "another password: expected no session, got one"


@pytest.mark.rule("SCY-10")
@pytest.mark.parametrize("written", ["as it is", "in capitals"])
def test_second_account_of_an_email_opens_nothing(
    ready_release: Release, gateway: Gateway, admin_connection: Connection[Any], written: str
) -> None:
    """The second one may be refused or pretended; its password must not open the first, whose own still does."""
    target, tables, findings = ready_release.target, ready_release.target.tables, []
    account = random_account()
    first = sign_up(target, gateway, ready_release.origin, redactor.add, account=account)
    try:
        first_name = user_id(target.auth, first.token)
    except AssertionError as error:
        raise Untested(f"a session does not say whose it is: {error}") from error
    before = rows(admin_connection, tables.user, {tables.user_email: account["email"]})
    email = account["email"] if written == "as it is" else account["email"].upper()
    second = random_account() | {"email": email}
    redactor.add(second["password"])
    answers = [send_sign_up(gateway, second, ready_release.origin)]
    signing_in = [second, second | {key: account[key] for key in ("name", "email")}, account]
    answers += [send_sign_in(gateway, each, ready_release.origin) for each in signing_in]
    *others, own = [signed_in_as(gateway, ready_release.origin, answer) for answer in answers]
    object_, field = target.auth.sign_up, f"an email that has an account, {written}"
    if first_name in others:
        actual = "the session of the first account"
        findings.append(Finding("SCY-10", object_, field, "nothing of the first account", actual))
    if own != first_name:
        actual = describe(target, answers[-1])
        findings.append(Finding("SCY-10", target.auth.sign_in, field, "the first password still signs in", actual))
    after = rows(admin_connection, tables.user, {tables.user_email: account["email"]})
    named = [[account["name"] in row.values() for row in each] for each in (before, after)]
    if named[0] != named[1]:
        actual = f"{len(after)} rows, {named[1].count(True)} of them with the first name"
        findings.append(Finding("SCY-10", tables.user, field, f"{len(before)} row, as it was", actual))
    report_findings(findings, target)


@pytest.mark.rule("PER-09")
def test_user_with_a_long_name_stays_signed_in(
    ready_release: Release, gateway: Gateway, admin_connection: Connection[Any]
) -> None:
    """With every cookie of the session, as a browser sends them: a session may need more than one."""
    target, tables = ready_release.target, ready_release.target.tables
    account = random_account()
    account["name"] += "x" * LONG_NAME
    redactor.add(account["password"])
    if not asks_for(target.auth.sign_up_fields, "name"):
        raise Untested("sign-up takes no name")
    answer = send_sign_up(gateway, account, ready_release.origin)
    if 400 <= answer.status_code < 500:
        raise Untested(f"the application refuses a name of {len(account['name'])} characters")
    answers = session_answers(gateway, account, ready_release.origin, answer)
    credentials = credentials_of(gateway, ready_release.origin, answers)
    for secret in credentials.secrets():
        redactor.add(secret)
    stored = rows(admin_connection, tables.user, {tables.user_email: account["email"]})
    ids = [row[tables.user_id] for row in stored if account["name"] in row.values()]
    assert len(ids) == 1, f"{tables.user}: expected one row with the long name, got {len(ids)} of {len(stored)}"
    cookies, tasks = credentials.cookies, target.api.tasks.format(user_id=ids[0])
    requests = [("backend", tasks, authorization(target.auth, cookies, credentials.token))]
    if target.auth.has_cookie:
        requests.append(("frontend", target.pages.tasks, cookie_header(cookies)))
    if "cookie" in target.auth.carriers:
        requests.append(("backend", tasks, cookie_header(cookies)))
    for component, path, headers in requests:
        answer = send(gateway, "GET", gateway.url(component, path), headers=headers, allow_redirects=False)
        assert answer.status_code == 200, f"{component}, {sorted(cookies)}: got {describe(target, answer)}"


def cookie_findings(target: Target, answer: Response, *, https: bool) -> list[Finding]:
    """A finding for each attribute of a session's cookie that is missing."""
    findings = []
    for name, attributes in set_cookies(answer):
        if "session" not in name and not name.endswith(target.auth.cookie):
            continue
        wrong = [each for each in ("httponly", "secure")[: 1 + https] if not attributes[each]]
        if str(attributes["samesite"]).lower() not in ("lax", "strict"):
            wrong.append(f"SameSite {attributes['samesite'] or 'absent'}")
        if attributes["domain"]:
            wrong.append(f"sent to every host of {attributes['domain']}")
        if wrong:
            expected = "HttpOnly, SameSite Lax or Strict, Secure with https, this host only"
            findings.append(Finding("SCY-10", f"cookie {name}", target.auth.sign_in, expected, ", ".join(wrong)))
    return findings


@pytest.mark.rule("SCY-10")
def test_session_cookie_is_closed_to_scripts_and_other_sites(
    ready_release: Release, odd_sign_in: Response | AssertionError
) -> None:
    """Every cookie of a session that sign-in sets, and the caching of the response that sets it."""
    target = ready_release.target
    if not target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    if isinstance(odd_sign_in, AssertionError) or session_token(target, odd_sign_in) is None:
        raise Untested("sign-in sets no session's cookie (PER-09)")
    findings = cookie_findings(target, odd_sign_in, https=ready_release.origin.startswith("https:"))
    if kept := shared_storage(odd_sign_in.headers):
        findings.append(Finding("SCY-10", target.auth.sign_in, "response with a cookie", "kept by no cache", kept))
    report_findings(findings, target)


@pytest.fixture(scope="module")
def refused_password(ready_release: Release, gateway: Gateway, odd_user: User | AssertionError) -> str:
    """A wrong password, which was refused at sign-in with JSON and by the page's form."""
    password = f"wrong {random_password()}"
    redactor.add(password)
    target = ready_release.target
    account = random_account() if isinstance(odd_user, AssertionError) else odd_user.account
    account |= {"password": password}
    send_sign_in(gateway, account, ready_release.origin)
    if (screens := target.screens) is not None:
        visitor = Visitor(ready_release, gateway, {})
        if visitor.has_form(screens.sign_in, screens.sign_in_button):
            entered = sign_in_entries(screens, target.auth, account)
            visitor.press_within_limit(screens.sign_in, screens.sign_in_button, entered)
    return password


@pytest.mark.rule("SCY-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_logs_contain_no_password_and_no_token(
    ready_release: Release,
    odd_user: User | AssertionError,
    odd_sign_in: Response | AssertionError,
    refused_password: str,
    component: str,
) -> None:
    """After sign-up, sign-in, a refused one, and requests with the token in header and cookie, good and altered."""
    if isinstance(odd_user, AssertionError) or isinstance(odd_sign_in, AssertionError):
        raise Untested("nobody can sign up or sign in with such a password (PER-09)")
    target, part, findings = ready_release.target, ready_release.target.component(component), []
    tokens = [token for token in (odd_user.token, session_token(target, odd_sign_in)) if token]
    secret = {
        "a password": written_forms(odd_user.password.strip()),
        "a refused password": written_forms(refused_password),
        "a session's token": set(tokens),
    }
    for pod, origin in origins(ready_release, component).items():
        path = odd_user.path(target.api.tasks) if component == "backend" else target.pages.tasks
        for token, carrier in itertools.product((odd_user.token, f"{odd_user.token}x"), CARRIERS):
            header = odd_user.token_header(token, carrier)
            send(odd_user.gateway, "GET", origin + path, headers=header, allow_redirects=False)
        last = f"/log-{secrets.token_hex(8)}"
        send(odd_user.gateway, "GET", origin + last, allow_redirects=False)

        def read(pod: str = pod, last: str = last) -> str:
            log = ready_release.objects.tail(pod, part.container, TAIL)
            if last not in log:
                raise NotYet(f"not in {len(log.splitlines())} lines")
            return log

        try:
            log = eventually(f"the log of {pod} to show the last request", read, LOGGED)
        except WaitError as error:
            raise Untested(f"the log of {pod} shows no requests (PER-06)") from error
        logged = [what for what, forms in secret.items() if any(form in log for form in forms)]
        findings += [Finding("SCY-10", f"Pod/{pod}", "log", "no password and no token", what) for what in logged]
    report_findings(findings, target)
