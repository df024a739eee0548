"""Signs users up and in: at the component, with the fields and the kind of session that the target names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import requests

from acceptance.checks.finding import Untested
from acceptance.client.accounts import random_account, sign_in_content, sign_up_body
from acceptance.client.answers import describe, json_in, set_cookies
from acceptance.client.sessions import (
    Credentials,
    Session,
    is_complete,
    names_in,
    opened_by,
    text_in,
    user_of,
)
from acceptance.client.tokens import authorization, cookie_header, kept_cookies
from acceptance.client.user import RateLimitError, User, answer_within_rate_limit, chat_obstacle, send
from acceptance.core.target import Auth, Target
from acceptance.provision.gateway import Gateway


def send_sign_up(gateway: Gateway, account: Mapping[str, str], origin: str) -> requests.Response:
    """Sign up with the `Origin` header of a browser, again while the rate limit answers 429.

    Raises:
        AssertionError: The release sent no response.
        WaitError: The application's rate limit refuses for too long.
    """
    auth = gateway.target.auth
    return _send_account(gateway, auth.sign_up, origin, {"json": sign_up_body(auth, account)})


def send_sign_in(gateway: Gateway, account: Mapping[str, str], origin: str) -> requests.Response:
    """Sign in, in the same way as `send_sign_up`."""
    auth = gateway.target.auth
    return _send_account(gateway, auth.sign_in, origin, sign_in_content(auth, account))


def _send_account(gateway: Gateway, path: str, origin: str, content: Mapping[str, Any]) -> requests.Response:
    url = gateway.url(gateway.target.auth.service, path)
    return answer_within_rate_limit(path, lambda: send(gateway, "POST", url, headers={"Origin": origin}, **content))


def session_token(target: Target, answer: requests.Response) -> str | None:
    """Return the secret by which a response opens a session, in a cookie or as JSON, or None if it opens none."""
    return opened_by(target.auth, kept_cookies({}, set_cookies(answer)), json_in(answer.text))


def credentials_of(gateway: Gateway, origin: str, answers: Sequence[requests.Response]) -> Credentials:
    """Return what responses to sign-up and sign-in have given, and the token for which the cookie is exchanged.

    Raises:
        AssertionError: They have opened no session, or the cookie is exchanged for no token.
    """
    auth = gateway.target.auth
    cookies: dict[str, str] = {}
    for answer in answers:
        cookies = kept_cookies(cookies, set_cookies(answer))
    opened = next((found for each in answers if (found := opened_by(auth, cookies, json_in(each.text)))), None)
    if opened is None:
        last = answers[-1]
        assert last.ok, f"sign-in was answered {describe(gateway.target, last)}"
        raise AssertionError(_nothing_opened(auth, cookies, [json_in(each.text) for each in answers]))
    token = opened if auth.kind != "exchange" else exchanged(gateway, cookies, origin)
    return Credentials(cookies, token)


def _nothing_opened(auth: Auth, cookies: Mapping[str, str], bodies: Iterable[Any]) -> str:
    """Describe what responses have instead of a session, by names only, since any value may be a secret."""
    if auth.has_cookie:
        return f"neither sign-up nor sign-in set the cookie {auth.cookie}, but {list(cookies)}"
    return f"neither sign-up nor sign-in answered with the token in {auth.token_field}, but with {names_in(bodies)}"


def exchanged(gateway: Gateway, cookies: Mapping[str, str], origin: str) -> str:
    """Return the token for which the frontend exchanges a session's cookies; raises `AssertionError` if it does not."""
    auth = gateway.target.auth
    url = gateway.url(auth.service, auth.token)
    answer = answer_within_rate_limit(
        auth.token, lambda: send(gateway, "GET", url, headers={"Origin": origin, **cookie_header(cookies)})
    )
    assert answer.ok, f"GET {auth.token} with the session's cookie was answered {describe(gateway.target, answer)}"
    body = json_in(answer.text)
    token = text_in(body, auth.token_field)
    assert token, f"GET {auth.token}: expected the token in {auth.token_field}, got {names_in([body])}"
    return token


def session_answers(
    gateway: Gateway, account: Mapping[str, str], origin: str, signed_up: requests.Response
) -> list[requests.Response]:
    """Return the responses that open an account's session: that to sign-up, and one to sign-in where more is needed.

    Raises:
        AssertionError: Sign-in got no response.
        WaitError: The application's rate limit refuses the sign-in for too long.
    """
    auth = gateway.target.auth
    if is_complete(auth, kept_cookies({}, set_cookies(signed_up)), json_in(signed_up.text)):
        return [signed_up]
    return [signed_up, send_sign_in(gateway, account, origin)]


def _own_user(gateway: Gateway, path: str, credentials: Credentials) -> requests.Response:
    auth = gateway.target.auth
    headers = authorization(auth, credentials.cookies, credentials.token)
    answer = send(gateway, "GET", gateway.url(auth.service, path), headers=headers)
    assert answer.ok, f"GET {path} with the token was answered {describe(gateway.target, answer)}"
    return answer


def further_user(new_user: Callable[[], User]) -> User:
    """Return a new user, after others have signed up.

    Raises:
        AssertionError: Sign-up fails or opens no session.
        Untested: The application's rate limit permits no more users for now.
    """
    try:
        return new_user()
    except RateLimitError as error:
        raise Untested(f"the application lets nobody else sign up for now: {error}") from error


def sign_up(
    target: Target,
    gateway: Gateway,
    origin: str,
    redact: Callable[[str], None],
    *,
    own_release: bool = True,
    account: Mapping[str, str] | None = None,
) -> User:
    """Sign up a new user, who signs in again before the token expires.

    Args:
        target: The target under test.
        gateway: Connects to the Services.
        origin: The release's origin.
        redact: Called with the password, the token and every cookie, to keep them out of reports.
        own_release: Whether the run installed the release, and so chose its model.
        account: Name, email and password; random by default.

    Raises:
        AssertionError: Sign-up fails or opens no session.
        RateLimitError: The application's rate limit refuses the sign-up for too long.
    """
    account = account or random_account()
    redact(account["password"])

    def redacted(credentials: Credentials) -> Credentials:
        for secret in credentials.secrets():
            redact(secret)
        return credentials

    def renew() -> Credentials:
        return redacted(credentials_of(gateway, origin, [send_sign_in(gateway, account, origin)]))

    answer = send_sign_up(gateway, account, origin)
    assert answer.ok, f"sign-up was answered {describe(target, answer)}"
    answers = session_answers(gateway, account, origin, answer)
    credentials = redacted(credentials_of(gateway, origin, answers))
    if target.auth.user is not None:
        answers = [_own_user(gateway, target.auth.user, credentials)]
    identifier = user_of(target.auth, [json_in(each.text) for each in answers], credentials.token)
    obstacle = chat_obstacle(target, own_release=own_release)
    session = Session(credentials, renew)
    return User(target, gateway, identifier, account["email"], account["password"], session, obstacle, account["name"])
