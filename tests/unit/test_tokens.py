"""Sessions: which cookies a browser keeps and sends, and how the backend is given the token."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.checks.finding import Untested
from acceptance.client.answers import cookies_in
from acceptance.client.forged_tokens import BAD_TOKENS, Forge
from acceptance.client.sessions import Session
from acceptance.client.tokens import (
    authorization,
    cookie_header,
    kept_cookies,
    token_cookie,
    token_header,
    token_in,
)
from acceptance.core.target import Auth

AUTH = Auth()


def received(*lines: str, had: dict[str, str] | None = None) -> dict[str, str]:
    return kept_cookies(had or {}, cookies_in(lines))


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("a=new; Path=/; HttpOnly; Max-Age=86400", {"a": "new"}),
        ("a=new; Expires=Wed, 21 Oct 2099 07:28:00 GMT", {"a": "new"}),
        ("a=new; Expires=Wed, 21 Oct 2015 07:28:00 GMT", {}),
        ("a=new; Expires=Thu, 01-Jan-1970 00:00:00 GMT", {}),
        ("a=new; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60", {"a": "new"}),
        ("a=new; Max-Age=0", {}),
        ("a=new; Max-Age=-1", {}),
        ("a=; Path=/", {}),
        ('a="new"', {"a": '"new"'}),
        ("a=new; Secure; HttpOnly; SameSite=None; Path=/; Partitioned", {"a": "new"}),
        ("a=new; Priority=High; Max-Age=60; HttpOnly", {"a": "new"}),
        ("a=new; Max-Age", {"a": "new"}),
        ('a={"id":1}; Path=/', {"a": '{"id":1}'}),
        ("a=x y,z==; Path=/", {"a": "x y,z=="}),
        ("no pair; Path=/", {"a": "old"}),
        ("=new", {"a": "old"}),
        ("b=2", {"a": "old", "b": "2"}),
    ],
)
def test_cookies_are_kept_as_a_browser_does(line: str, kept: dict[str, str]) -> None:
    assert received(line, had={"a": "old"}) == kept


def test_every_cookie_is_sent_under_its_own_name() -> None:
    cookies = received("__Secure-better-auth.session_token=s.sig%3D", "__Secure-better-auth.session_data=a.b.c")
    expected = "__Secure-better-auth.session_token=s.sig%3D; __Secure-better-auth.session_data=a.b.c"
    assert cookie_header(cookies) == {"Cookie": expected}
    assert cookie_header({}) == {}
    assert token_in(AUTH, cookies) == "a.b.c"
    assert token_cookie(AUTH, cookies) == "__Secure-better-auth.session_data"


def test_split_token_is_joined_in_order() -> None:
    cookies = {f"better-auth.session_data.{number}": f"{number}-" for number in (10, 2, 0, 1)}
    assert token_in(AUTH, cookies) == "0-1-2-10-"
    assert token_cookie(AUTH, cookies) == "better-auth.session_data"


def test_cookies_without_a_session_have_no_token() -> None:
    cookies = {"better-auth.session_data_old": "a.b.c", "theme": "dark"}
    assert token_in(AUTH, cookies) is None
    assert token_cookie(AUTH, cookies) == "better-auth.session_data"


def test_backend_is_given_the_token_as_it_takes_it() -> None:
    cookies = {"better-auth.session_token": "s", "better-auth.session_data": "a.b.c"}
    assert authorization(AUTH, cookies, "a.b.c") == {"Authorization": "Bearer a.b.c"}
    by_cookie = AUTH.model_copy(update={"carriers": ("cookie",)})
    assert authorization(by_cookie, cookies, "a.b.c") == cookie_header(cookies)
    assert token_header("cookie", "forged", "name") == {"Cookie": "name=forged"}
    assert token_header("bearer", "forged", "name") == {"Authorization": "Bearer forged"}


def test_short_values_are_no_secrets() -> None:
    session = Session.of(AUTH, {"theme": "dark", "better-auth.session_data": "a" * 20})
    assert session.credentials.secrets() == {"a" * 20}


def test_backend_takes_the_token_in_some_way() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Auth.model_validate({"carriers": []})


@pytest.mark.parametrize(
    "token",
    [
        "v4.local.aaaa",
        "eyJpZCI6MX0.Z1x2.0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.WzFd.c2ln",
        "eyJhbGciOiJub25lIn0.e30.",
        "opaque",
        "a.b",
        "1.2.3.4.5",
    ],
)
@pytest.mark.parametrize("kind", [kind for kind in BAD_TOKENS if not kind.startswith("garbage")])
def test_forged_tokens_of_one_that_is_no_jwt_are_untested(token: str, kind: str) -> None:
    """PASETO's, and those of a signed cookie with its moment, have two dots too."""
    someone: Any = SimpleNamespace(token=token, id="1", email="a@example.com", target=SimpleNamespace(auth=Auth()))
    forge = Forge(someone, someone, "a key of the release, 32 bytes long")
    with pytest.raises(Untested):
        BAD_TOKENS[kind](forge)


def test_attributes_of_a_cookie_are_its_own() -> None:
    """As Chrome's own `Priority`, which is none of RFC 6265's."""
    ((name, cookie),) = cookies_in(["s=abc; Path=/; Priority=High; HttpOnly; samesite=Lax; Partitioned; Secure"])
    assert (name, cookie.value, cookie["httponly"], cookie["secure"], cookie["samesite"]) == (
        "s",
        "abc",
        True,
        True,
        "Lax",
    )
