"""Session tokens: valid ones, and every kind of invalid one."""

import time
from typing import Any

import jwt
import pytest

from todo_backend.auth import COOKIE, BadTokenError, session_cookie, user_of

KEY = b"0123456789abcdef0123456789abcdef"


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "session": {"userId": "ada"},
        "user": {"id": "ada", "email": "ada@example.com"},
        "iat": now,
        "exp": now + 60,
    } | changed


def signed(payload: dict[str, Any], key: bytes = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, key, algorithm=algorithm)


def test_a_valid_token_identifies_its_user_regardless_of_iat() -> None:
    assert user_of(signed(claims()), KEY) == "ada"
    assert user_of(signed(claims(iat=int(time.time()) + 30)), KEY) == "ada"


HEADER, PAYLOAD, SIGNATURE = signed(claims()).split(".")
OTHER_PAYLOAD = signed(claims(user={"id": "eve"}, session={"userId": "eve"})).split(".")[1]
WITHOUT_EXP = {key: value for key, value in claims().items() if key != "exp"}


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("garbage", id="garbage"),
        pytest.param("", id="empty"),
        pytest.param("é.é.é", id="not ASCII"),
        pytest.param(signed(claims(exp=int(time.time()) - 1)), id="expired"),
        pytest.param(signed(WITHOUT_EXP), id="never expires"),
        pytest.param(signed(claims(), b"another key, another key, another"), id="other key"),
        pytest.param(jwt.encode(claims(), "", algorithm="none"), id="alg none"),
        pytest.param(f"{HEADER}.{PAYLOAD}.", id="unsigned"),
        pytest.param(f"{HEADER}.{OTHER_PAYLOAD}.{SIGNATURE}", id="tampered"),
        pytest.param(signed(claims(), KEY * 2, "HS512"), id="other algorithm, other key"),
        pytest.param(signed({"email": "ada@example.com", "exp": int(time.time()) + 60}), id="mail verification"),
        pytest.param(signed(claims(session={"userId": "eve"})), id="session of another user"),
        pytest.param(signed(claims(user={"id": 7}, session={"userId": 7})), id="id is no text"),
        pytest.param(signed(claims(user={"id": ""}, session={"userId": ""})), id="id is empty"),
        pytest.param(signed(claims(user=["ada"])), id="user is no object"),
        pytest.param(signed(claims(exp="soon")), id="exp is no number"),
    ],
)
def test_a_bad_token_is_refused(token: str) -> None:
    with pytest.raises(BadTokenError):
        user_of(token, KEY)


@pytest.mark.parametrize(
    ("cookies", "token"),
    [
        ({COOKIE: "t"}, "t"),
        ({f"__Secure-{COOKIE}": "t", COOKIE: "old"}, "t"),
        ({f"{COOKIE}.{i}": str(i) for i in (10, 2, 1, 0, 3, 4, 5, 6, 7, 8, 9)}, "012345678910"),
        ({"better-auth.session_token": "t", f"{COOKIE}.1": "t"}, None),
    ],
)
def test_the_session_cookie(cookies: dict[str, str], token: str | None) -> None:
    assert session_cookie(cookies) == token
