"""A second sign-up with an account's email gives no access to that account.

Apart from `test_accounts.py`: together, the tests of accounts would wait longest for the application's rate limit.
"""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.accounts import random_account
from acceptance.client.answers import describe
from acceptance.client.rows import rows
from acceptance.client.sessions import user_id
from acceptance.client.signing_in import credentials_of, send_sign_in, send_sign_up, session_token, sign_up
from acceptance.core.redaction import redactor
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release


def signed_in_as(gateway: Gateway, origin: str, answer: Response) -> str | None:
    """Return the user that the token of a response's session names; None if the response opens no session."""
    if session_token(gateway.target, answer) is None:
        return None
    credentials = credentials_of(gateway, origin, [answer])
    for secret in credentials.secrets():
        redactor.add(secret)
    return user_id(gateway.target.auth, credentials.token)


@pytest.mark.rule("SCY-10")
@pytest.mark.parametrize("written", ["as it is", "in capitals"])
def test_second_account_of_an_email_opens_nothing(
    ready_release: Release, gateway: Gateway, admin_connection: Connection[Any], written: str
) -> None:
    """The second sign-up may be refused, or seem to succeed; only the first one's password may open the account."""
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
