"""Accounts: unusual names and passwords work as they are, only the right password signs in, cookies are protected."""

from __future__ import annotations

import itertools
import secrets
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.accounts import (
    asks_for,
    random_account,
    random_password,
    sign_in_content,
    sign_in_entries,
    signs_in_by_name,
)
from acceptance.client.answers import describe, set_cookies
from acceptance.client.caching import shared_storage
from acceptance.client.documents import Document
from acceptance.client.pods import origins
from acceptance.client.rows import rows
from acceptance.client.sessions import NO_COOKIE, claims_in, expiry
from acceptance.client.signing_in import (
    credentials_of,
    send_sign_in,
    send_sign_up,
    session_answers,
    session_token,
    sign_up,
)
from acceptance.client.stored_passwords import readable_forms, tables_with, values_beside
from acceptance.client.tokens import authorization, cookie_header
from acceptance.client.user import TOO_MANY, User, send
from acceptance.client.visitor import Visitor
from acceptance.core.deadlines import LOGGED
from acceptance.core.fields import mapping_at
from acceptance.core.redaction import redactor, written_forms
from acceptance.core.target import CARRIERS, COMPONENTS, Target
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

TAIL = 2000
"""Lines that are read of a log: more than the requests of this module write."""
SESSION_TOLERANCE = 60.0
"""Seconds for a difference of clocks, for rounding to whole seconds, and for the sign-in itself."""
ATTEMPTS = 30
"""Wrong passwords in a row: more than anyone types, and far fewer than a password can be guessed by."""
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
    """The token, PostgreSQL and the page have the name as text, and the same password signs in again."""
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


@pytest.mark.rule("SCY-10")
def test_session_lasts_as_long_as_the_target_states(target: Target, odd_sign_in: Response | AssertionError) -> None:
    """Users who are signed out sooner lose what they type; a token that is valid for longer is a longer risk."""
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


@pytest.mark.rule("PER-09")
def test_user_with_a_long_name_stays_signed_in(
    ready_release: Release, gateway: Gateway, admin_connection: Connection[Any]
) -> None:
    """Every cookie of the session is sent, as a browser does it: a session may need more than one."""
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
    """Return a finding for each attribute of a session's cookie that is missing."""
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
    """Judges every cookie of a session that sign-in sets, and whether the response that sets it may be cached."""
    target = ready_release.target
    if not target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    if isinstance(odd_sign_in, AssertionError) or session_token(target, odd_sign_in) is None:
        raise Untested("sign-in sets no session's cookie (PER-09)")
    findings = cookie_findings(target, odd_sign_in, https=ready_release.origin.startswith("https:"))
    if kept := shared_storage(odd_sign_in.headers):
        findings.append(Finding("SCY-10", target.auth.sign_in, "response with a cookie", "kept by no cache", kept))
    report_findings(findings, target)


@pytest.mark.rule("SCY-10")
def test_sign_in_is_refused_after_many_wrong_passwords(ready_release: Release, gateway: Gateway) -> None:
    """Somebody who tries one password after the other is refused for a while; then the right one signs in again."""
    target, auth, findings = ready_release.target, ready_release.target.auth, []
    if not auth.limits_sign_in:
        raise Untested("the target does not say that sign-in is refused after many wrong passwords")
    account = sign_up(target, gateway, ready_release.origin, redactor.add).account
    url, headers = gateway.url(auth.service, auth.sign_in), {"Origin": ready_release.origin}

    def attempt() -> int:
        wrong = account | {"password": f"wrong {random_password()}"}
        redactor.add(wrong["password"])
        return send(gateway, "POST", url, headers=headers, **sign_in_content(auth, wrong)).status_code

    statuses = list(itertools.takewhile(lambda status: status != TOO_MANY, (attempt() for _ in range(ATTEMPTS))))
    if len(statuses) == ATTEMPTS:
        expected, actual = f"{TOO_MANY} after some of them", f"{sorted(set(statuses))} each time"
        findings.append(Finding("SCY-10", auth.sign_in, f"{ATTEMPTS} wrong passwords", expected, actual))
    answer = send_sign_in(gateway, account, ready_release.origin)
    if token := session_token(target, answer):
        redactor.add(token)
    else:
        actual = describe(target, answer)
        findings.append(Finding("SCY-10", auth.sign_in, "the right password afterwards", "signs in", actual))
    report_findings(findings, target)


@pytest.mark.rule("SCY-10")
def test_stored_passwords_can_not_be_read_or_looked_up(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    """Two of three users have the same password: without a salt of each one's own, they have the same hash."""
    target, password, expected = ready_release.target, random_password(), "a hash with a salt of its own"
    accounts: tuple[dict[str, str], ...] = ({"password": password}, {"password": password}, {})
    users = [
        sign_up(target, user.gateway, ready_release.origin, redactor.add, account=random_account() | changes)
        for changes in accounts
    ]
    findings = [
        Finding("SCY-10", f"table {table}", "password", expected, what)
        for what, texts in readable_forms(password).items()
        for table in tables_with(admin_connection, texts)
    ]
    # An identifier that is a number may be anything else in another column.
    keys = [[each.email, *([] if str(each.id).isdigit() else [str(each.id)])] for each in users]
    one, same, other = (values_beside(admin_connection, each) for each in keys)
    assert one, f"expected rows with {' or '.join(keys[0])}, got none"
    if not findings and (tables := sorted({table for table, _ in (one & same) - other})):
        actual = "the same hash for two users with the same password"
        findings += [Finding("SCY-10", f"table {table}", "password", expected, actual) for table in tables]
    report_findings(findings, target)


@pytest.fixture(scope="module")
def refused_password(ready_release: Release, gateway: Gateway, odd_user: User | AssertionError) -> str:
    """A wrong password that was refused at sign-in, with JSON and by the page's form."""
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
    """The logs are read after sign-up, sign-in, a refused sign-in, and requests with good and altered tokens."""
    if isinstance(odd_user, AssertionError) or isinstance(odd_sign_in, AssertionError):
        raise Untested("nobody can sign up or sign in with such a password (PER-09)")
    target, part, findings = ready_release.target, ready_release.target.component(component), []
    silent = ""
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
        except WaitError:  # what else it has may tell a secret all the same
            silent, log = pod, ready_release.objects.tail(pod, part.container, TAIL)
        logged = [what for what, forms in secret.items() if any(form in log for form in forms)]
        findings += [Finding("SCY-10", f"Pod/{pod}", "log", "no password and no token", what) for what in logged]
    report_findings(findings, target)
    if silent:
        raise Untested(f"the log of {silent} shows no requests (PER-06)")
