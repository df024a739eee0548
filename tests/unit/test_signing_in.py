"""Signing up and in at applications of every kind, and the requests with the token that they give."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acceptance.checks.finding import Untested
from acceptance.client import sessions
from acceptance.client.accounts import (
    random_account,
    random_password,
    sign_in_content,
    sign_in_entries,
    sign_up_body,
    sign_up_entries,
)
from acceptance.client.forged_tokens import BAD_TOKENS, Forge
from acceptance.client.sessions import Credentials, Session, expiry, is_signed_with_secret
from acceptance.client.signing_in import session_token, sign_up
from acceptance.client.user import User
from acceptance.client.visitor import Visitor
from acceptance.core.target import Auth, Screens, Target
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release
from acceptance.traffic.plans import page_views, task_writes
from tests.unit.foreign_application import ForeignApplication, LoopbackGateway, Request, Response

ORIGIN = "http://todo.example"
KEY = "k" * 32
TOKEN_IN_JSON = {
    "kind": "token",
    "service": "backend",
    "sign_up": "/auth/register",
    "sign_in": "/auth/login",
    "user_claim": "user_id",
}
OAUTH2 = TOKEN_IN_JSON | {
    "sign_in": "/auth/token",
    "sign_in_format": "form",
    "sign_in_fields": {"username": "{email}", "password": "{password}", "grant_type": "password"},
    "user_claim": False,
    "user_field": "id",
}
EXCHANGE = {
    "kind": "exchange",
    "cookie": "better-auth.session_token",
    "token_field": "token",
    "user_claim": False,
}
SignUp = Callable[..., User]
"""`sign_up(auth, frontend=answers, backend=answers)`: signs up at an application with these answers by component."""


def reply(status: int, body: object, *cookies: str) -> Response:
    return status, body, list(cookies)


def token(**claims: object) -> str:
    return jwt.encode({"exp": int(time.time()) + 86400, **claims}, KEY)


def needs_bearer(expected: str, answer: Response) -> Callable[[Request], Response]:
    """`answer` to a request with the token in its Authorization header alone."""

    def respond(request: Request) -> Response:
        bare = request.headers.get("Authorization") == f"Bearer {expected}" and "Cookie" not in request.headers
        return answer if bare else reply(401, {"detail": "Not authenticated"})

    return respond


@pytest.fixture
def redacted() -> set[str]:
    return set()


@pytest.fixture
def applications() -> dict[str, ForeignApplication]:
    """The applications that `signed_up` has started."""
    return {}


@pytest.fixture
def signed_up(target: Target, redacted: set[str], applications: dict[str, ForeignApplication]) -> Iterator[SignUp]:
    with ExitStack() as stack:

        def start(auth: dict[str, Any], **answers: dict[str, Any]) -> User:
            api = {"tasks": "/api/tasks", "task": "/api/tasks/{id}", "page_query": None}
            stated = target.model_copy(
                update={"auth": Auth.model_validate(auth), "api": target.api.model_copy(update=api)}
            )
            for component, each in answers.items():
                applications[component] = stack.enter_context(ForeignApplication(each).running())
            gateway = LoopbackGateway(stated, "127.0.0.1", 1, applications=applications)
            return sign_up(stated, gateway, ORIGIN, redacted.add)

        yield start


def test_token_in_the_json_of_sign_in_is_sent(
    signed_up: SignUp, redacted: set[str], applications: dict[str, ForeignApplication]
) -> None:
    """Sign-up at the backend does not sign in, and users and tasks have numbers as identifiers."""
    given = token(user_id=7)
    backend = {
        "POST /auth/register": reply(201, {"message": "welcome"}),
        "POST /auth/login": reply(200, {"access_token": given, "token_type": "bearer"}),
        "GET /api/tasks": needs_bearer(given, reply(200, [{"id": 1, "title": "a"}])),
        "POST /api/tasks": needs_bearer(given, reply(201, {"id": 2, "title": "b"})),
    }
    user = signed_up(TOKEN_IN_JSON, backend=backend)
    assert (user.id, user.token, user.cookies) == ("7", given, {})
    assert [user.tasks()[0]["id"], user.add_task("b")["id"]] == [1, 2]
    register, login, *_ = applications["backend"].asked
    assert register.body == {"name": user.name, "email": user.email, "password": user.password}
    assert login.body == {"email": user.email, "password": user.password}
    assert login.headers["Origin"] == ORIGIN
    assert redacted == {user.password, given}
    writes = task_writes(user)
    assert writes.headers["Authorization"] == f"Bearer {given}"
    assert (writes.valid_until, writes.refusals) == (expiry(given), frozenset({401}))
    assert page_views(user).valid_until is None


def test_token_within_the_json_of_sign_up_is_found(
    signed_up: SignUp, applications: dict[str, ForeignApplication]
) -> None:
    auth = TOKEN_IN_JSON | {
        "token_field": "data.token",
        "user_claim": "user.uid",
        "sign_up_fields": {
            "username": "{name}",
            "email": "{email}",
            "password": "{password}",
            "confirmPassword": "{password}",
            "first_name": "Ada",
            "terms": True,
        },
    }
    given = token(user={"uid": 0})
    user = signed_up(auth, backend={"POST /auth/register": reply(200, {"data": {"token": given}})})
    assert (user.id, user.token) == ("0", given)
    (register,) = applications["backend"].asked
    assert register.body == {
        "username": user.name,
        "email": user.email,
        "password": user.password,
        "confirmPassword": user.password,
        "first_name": "Ada",
        "terms": True,
    }


def test_password_grant_of_oauth2_is_a_form(signed_up: SignUp, applications: dict[str, ForeignApplication]) -> None:
    """The token names the user by the email, so the response to sign-up has the identifier."""
    given = token(sub="a@example.com")
    backend = {
        "POST /auth/register": reply(201, {"id": 12, "email": "a@example.com"}),
        "POST /auth/token": reply(200, {"access_token": given}),
    }
    user = signed_up(OAUTH2, backend=backend)
    assert (user.id, user.token) == ("12", given)
    login = applications["backend"].asked[-1]
    assert login.body == {"username": user.email, "password": user.password, "grant_type": "password"}
    assert login.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_identifier_may_be_in_the_response_to_sign_in(signed_up: SignUp) -> None:
    """A token that can't be read serves as well."""
    auth = OAUTH2 | {"user_field": "user.id"}
    backend = {
        "POST /auth/register": reply(201, {"access_token": "opaque"}),
        "POST /auth/token": reply(200, {"access_token": "opaque too", "user": {"id": "u-1"}}),
    }
    user = signed_up(auth, backend=backend)
    assert (user.id, user.token) == ("u-1", "opaque")


def test_identifier_may_be_that_of_the_own_user(signed_up: SignUp, applications: dict[str, ForeignApplication]) -> None:
    """Which is asked for with the token, so that nobody signs in for it."""
    given = token(sub="a@example.com")
    backend = {
        "POST /auth/register": reply(201, {"access_token": given}),
        "GET /auth/me": needs_bearer(given, reply(200, {"user": {"id": 3}})),
    }
    user = signed_up(TOKEN_IN_JSON | {"user": "/auth/me", "user_field": "user.id"}, backend=backend)
    assert user.id == "3"
    assert [each.path for each in applications["backend"].asked] == ["/auth/register", "/auth/me"]
    with pytest.raises(ValueError, match="user needs user_field"):
        Auth.model_validate({"user": "/auth/me"})


def test_cookie_is_exchanged_for_the_token_of_the_api(
    signed_up: SignUp, redacted: set[str], applications: dict[str, ForeignApplication]
) -> None:
    """Sessions of the frontend are opaque, and the API's tokens are signed with a key pair."""
    claims = {"sub": "u1", "exp": int(time.time()) + 900}
    given = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA")

    def exchange(request: Request) -> Response:
        known = request.headers.get("Cookie") == "better-auth.session_token=opaque.sig%3D"
        return reply(200, {"token": given}) if known else reply(401, {"message": "Unauthorized"})

    frontend = {
        "POST /api/auth/sign-up/email": reply(200, {"token": "opaque"}, "better-auth.session_token=opaque.sig%3D"),
        "GET /api/auth/token": exchange,
    }
    user = signed_up(EXCHANGE, frontend=frontend, backend={"GET /api/tasks": needs_bearer(given, reply(200, []))})
    assert (user.id, user.token, user.tasks()) == ("u1", given, [])
    assert user.cookie == page_views(user).headers == {"Cookie": "better-auth.session_token=opaque.sig%3D"}
    assert applications["frontend"].asked[-1].headers["Origin"] == ORIGIN
    assert redacted == {user.password, given, "opaque.sig%3D"}


def test_forged_tokens_need_the_key_of_the_valid_ones(signed_up: SignUp) -> None:
    """Of a key pair, only tokens of a wrong key and altered ones can be made; the others say why they can't."""
    key = Ed25519PrivateKey.generate()
    given, others = (jwt.encode({"sub": each}, key, algorithm="EdDSA") for each in ("u1", "u2"))
    user, other = (
        signed_up(
            TOKEN_IN_JSON | {"user_claim": "sub"}, backend={"POST /auth/register": reply(200, {"access_token": each})}
        )
        for each in (given, others)
    )
    forge = Forge(user, other, KEY)
    for kind in ("garbage", "of another key", "of an empty key", "alg none", "tampered signature", "tampered claims"):
        assert BAD_TOKENS[kind](forge)
    for kind in ("expired", "without an expiry", "not valid yet", "of another purpose"):
        with pytest.raises(Untested, match="not a HS256 JWT signed with the release's key"):
            BAD_TOKENS[kind](forge)
    assert not is_signed_with_secret(given)
    assert is_signed_with_secret(token(sub="u1"))
    assert not is_signed_with_secret("opaque")


def test_email_as_claim_makes_no_token_of_another_purpose(signed_up: SignUp) -> None:
    given = token(email="a@example.com")
    backend = {"POST /auth/register": reply(200, {"access_token": given})}
    user = signed_up(TOKEN_IN_JSON | {"user_claim": "email"}, backend=backend)
    assert user.id == "a@example.com"
    with pytest.raises(Untested, match="names its user by the email"):
        Forge(user, user, KEY).of_another_purpose()


def test_pages_without_a_session_cookie_are_not_judged(signed_up: SignUp) -> None:
    backend = {"POST /auth/register": reply(200, {"access_token": token(user_id=1)})}
    user = signed_up(TOKEN_IN_JSON, backend=backend)
    assert page_views(user).headers == user.browser_headers == {}
    release = cast("Release", type("Stand", (), {"target": user.target, "origin": ORIGIN}))
    for judged in (
        lambda: user.cookie,
        lambda: Visitor.signed_in(release, user),
        lambda: Visitor(release, user.gateway, {}).session,
    ):
        with pytest.raises(Untested, match="keeps a session in its pages' scripts"):
            judged()


LOGIN, REGISTER, EXCHANGED = "POST /auth/login", "POST /auth/register", "GET /api/auth/token"


@pytest.mark.parametrize(
    ("auth", "answers", "message"),
    [
        (
            TOKEN_IN_JSON,
            {REGISTER: reply(422, {"detail": "weak password"})},
            "sign-up was answered 422: .*weak",
        ),
        (TOKEN_IN_JSON, {REGISTER: reply(201, {})}, "sign-in was answered 404: .*Not Found"),
        (
            TOKEN_IN_JSON,
            {REGISTER: reply(201, {"id": 1}), LOGIN: reply(200, {"token": "secret", "user": {"id": 1}})},
            r"answered with the token in access_token, but with \['id'\] and \['token', 'user.id'\]$",
        ),
        (
            TOKEN_IN_JSON,
            {REGISTER: reply(201, b""), LOGIN: reply(200, b"<p>Welcome</p>")},
            "in access_token, but with no JSON object and no JSON object",
        ),
        (TOKEN_IN_JSON, {REGISTER: reply(200, {"access_token": "opaque"})}, "is no JWT .* names no auth.user_field"),
        (
            TOKEN_IN_JSON,
            {REGISTER: reply(200, {"access_token": token(sub="a")})},
            r"expected a token with user_id, got one with \['exp', 'sub'\]",
        ),
        (
            TOKEN_IN_JSON | {"user_field": "user.id"},
            {REGISTER: reply(200, {"access_token": token()}), LOGIN: reply(200, {"access_token": token(), "id": 1})},
            r"the user's identifier in user.id, got \['access_token'\] and \['access_token', 'id'\]",
        ),
        (
            TOKEN_IN_JSON | {"user_field": "id", "user": "/auth/me"},
            {REGISTER: reply(200, {"access_token": token()}), "GET /auth/me": reply(200, {"user": {"id": 1}})},
            r"^GET /auth/me: expected the user's identifier in id, got \['user.id'\]",
        ),
        (
            TOKEN_IN_JSON | {"user_field": "id", "user": "/auth/me"},
            {REGISTER: reply(200, {"access_token": token()})},
            "GET /auth/me with the token was answered 404",
        ),
        (
            EXCHANGE | {"service": "backend", "sign_up": "/auth/register", "sign_in": "/auth/login"},
            {REGISTER: reply(200, {}), LOGIN: reply(200, {}, "theme=dark")},
            r"set the cookie better-auth.session_token, but \['theme'\]",
        ),
        (
            EXCHANGE | {"service": "backend", "sign_up": "/auth/register"},
            {REGISTER: reply(200, {}, "better-auth.session_token=s"), EXCHANGED: reply(404, {})},
            "GET /api/auth/token with the session's cookie was answered 404",
        ),
        (
            EXCHANGE | {"service": "backend", "sign_up": "/auth/register"},
            {REGISTER: reply(200, {}, "better-auth.session_token=s"), EXCHANGED: reply(200, {"jwt": "secret"})},
            r"GET /api/auth/token: expected the token in token, got \['jwt'\]",
        ),
    ],
)
def test_wrong_answer_is_explained(
    signed_up: SignUp, auth: dict[str, Any], answers: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message) as raised:
        signed_up(auth, backend=answers)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("signs_in", [True, False])
def test_sign_up_need_not_sign_in(
    signed_up: SignUp, redacted: set[str], applications: dict[str, ForeignApplication], signs_in: bool
) -> None:
    given = token(user={"id": "u7"})
    session = [f"__Secure-better-auth.session_data={given}; Path=/", "__Secure-better-auth.session_token=a-secret"]
    frontend = {
        "POST /api/auth/sign-up/email": reply(200, {}, *(session if signs_in else ["locale=en"])),
        "POST /api/auth/sign-in/email": reply(200, {}, *session),
    }
    user = signed_up({}, frontend=frontend)
    assert (user.id, user.token) == ("u7", given)
    assert [len(applications["frontend"].asked), "locale" in user.cookies] == ([1, False] if signs_in else [2, True])
    assert redacted == {user.password, given, "a-secret"}
    assert user.authorization == {"Authorization": f"Bearer {given}"}


def test_sign_up_without_a_response_fails(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_: requests.Session, *_args: object, **_kwargs: object) -> requests.Response:
        raise requests.ReadTimeout("read timed out")

    monkeypatch.setattr(requests.Session, "request", hang)
    monkeypatch.setattr(Gateway, "check_connection", lambda _: None)
    with pytest.raises(AssertionError, match=r"sign-up/email: expected an answer, got read timed out"):
        sign_up(target, Gateway(target, "127.0.0.1", 1), ORIGIN, lambda _: None)


def test_user_signs_in_again_before_the_token_expires(
    signed_up: SignUp,
    redacted: set[str],
    applications: dict[str, ForeignApplication],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time()
    tokens = [token(user_id=7, exp=int(now) + 1800), token(user_id=7, exp=int(now) + 3600)]
    backend = {
        REGISTER: reply(200, {"access_token": tokens[0]}),
        LOGIN: reply(200, {"access_token": tokens[1]}),
    }
    user = signed_up(TOKEN_IN_JSON, backend=backend)
    assert user.token == tokens[0]
    monkeypatch.setattr(sessions, "time", SimpleNamespace(time=lambda: now + 1201))
    assert [user.token, user.token] == [tokens[1]] * 2
    assert [each.path for each in applications["backend"].asked] == ["/auth/register", "/auth/login"]
    assert tokens[1] in redacted


def test_token_is_renewed_in_time() -> None:
    """Long before an expiry, and at half of a short life."""
    now = time.time()
    for lifetime, renewed in ((3600, 3000), (900, 450)):
        assert Credentials({}, token(exp=int(now) + lifetime), now).renewed_at == pytest.approx(now + renewed, abs=1)
    for unlimited in ("opaque", jwt.encode({}, KEY), token(exp=int(now) - 1)):
        assert Credentials({}, unlimited, now).renewed_at == float("inf")


def test_token_that_can_not_be_renewed_is_used_until_it_expires() -> None:
    """It is not tried again at each request."""
    attempts: list[float] = []

    def fail() -> Credentials:
        attempts.append(time.time())
        raise AssertionError("sign-in was answered 503")

    now = int(time.time())
    nearly, expired = (Credentials({}, token(exp=end), now - 60) for end in (now + 30, now - 1))
    session = Session(nearly, fail)
    assert [session.credentials, session.credentials] == [nearly] * 2
    assert len(attempts) == 1
    with pytest.raises(Untested, match="has expired, and no other can be obtained: sign-in was answered 503"):
        assert Session(expired, fail).credentials


def test_token_is_kept_while_it_must_stay() -> None:
    now = int(time.time())
    given = [Credentials({}, token(exp=now + 3600), now), Credentials({}, token(exp=now + 7200), now)]
    session = Session(Credentials({}, token(exp=now + 1), now - 60), iter(given).__next__)
    with session.kept():
        assert session.credentials == given[0]
        session._credentials = Credentials({}, token(exp=now - 1), now - 60)
        assert session.credentials.token == token(exp=now - 1)
    assert session.credentials == given[1]


def test_response_of_each_kind_opens_a_session(target: Target) -> None:
    answer = requests.Response()
    answer._content = b'{"access_token": "t"}'
    answer.raw = type(
        "Raw", (), {"headers": type("Headers", (), {"getlist": lambda *_: ["better-auth.session_data=c"]})()}
    )
    by_kind = {
        kind: session_token(target.model_copy(update={"auth": Auth.model_validate({"kind": kind})}), answer)
        for kind in ("cookie", "better-auth", "exchange", "token")
    }
    assert by_kind == {"cookie": "c", "better-auth": "c", "exchange": "c", "token": "t"}


def test_only_a_cookie_that_holds_the_token_carries_it() -> None:
    assert Auth.model_validate({}).carriers == ("bearer", "cookie")
    for kind in ("token", "exchange"):
        assert Auth.model_validate({"kind": kind}).carriers == ("bearer",)
        with pytest.raises(ValueError, match=f"with the kind {kind} no cookie holds the token"):
            Auth.model_validate({"kind": kind, "carriers": ["bearer", "cookie"]})


def test_passwords_satisfy_common_policies() -> None:
    policy = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[@$!%*?&])[A-Za-z\d@$!%*?&]{8,32}")
    found = {random_password() for _ in range(200)}
    assert len(found) == 200
    assert all(policy.fullmatch(each) for each in found)
    assert re.fullmatch(r"[a-z0-9]{3,20}", random_account()["name"])


def test_bodies_and_forms_are_filled_in_as_the_target_says(target: Target) -> None:
    account = {"name": "ada", "email": "ada@example.com", "password": "{email}!"}
    auth = Auth.model_validate(
        {
            "sign_up_fields": {"user": {"email": "{email}", "age": 30}, "full_name": "{name} Person", "tags": ["{x}"]},
            "sign_in_fields": {"username": "{name}", "password": "{password}"},
        }
    )
    assert sign_up_body(auth, account) == {
        "user": {"email": "ada@example.com", "age": 30},
        "full_name": "ada Person",
        "tags": ["{x}"],
    }
    assert sign_in_content(auth, account) == {"json": {"username": "ada", "password": "{email}!"}}
    assert target.screens is not None
    unnamed = Screens.model_validate(target.screens.model_dump() | {"name": False})
    by_email = {"Email": "ada@example.com", "Password": "{email}!"}
    assert sign_up_entries(target.screens, account) == by_email | {"Name": "ada"}
    assert sign_up_entries(unnamed, account) == by_email
    assert sign_in_entries(target.screens, Auth(), account) == by_email
    assert sign_in_entries(target.screens, auth, account) == {"Name": "ada", "Password": "{email}!"}


def test_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        Auth.model_validate({"kind": "basic"})


def test_repositorys_own_target_keeps_its_meaning(target: Target) -> None:
    auth = target.auth
    assert (auth.cookie_holds_token, auth.has_cookie, auth.service) == (True, True, "frontend")
    account = random_account()
    assert sign_up_body(auth, account) == account
    assert sign_in_content(auth, account) == {"json": {key: account[key] for key in ("email", "password")}}
