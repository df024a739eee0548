"""Responses that contain a credential of the release are found, in any usual form; ordinary words are not."""

from __future__ import annotations

import base64

import pytest
import requests

from acceptance.client.response_watch import MAX_FINDINGS, ResponseWatch

KEY = "q7Rk2VbX9mTz4LwH8sPd"
CREDENTIALS = {
    "DATABASE_URL": f"postgresql://todo:{KEY}@db.example.com/todo?sslmode=require",
    "BETTER_AUTH_SECRET": "Zt6yN3cJ0fQe5uGa1iKo",
    "OPENAI_API_KEY": "postgres-postgres",
}


def answer(text: str, path: str = "/health", headers: dict[str, str] | None = None) -> requests.Response:
    found = requests.Response()
    found.status_code, found._content, found.encoding = 200, text.encode(), "utf-8"
    found.headers.update(headers or {})
    found.request = requests.Request("GET", f"http://backend:8000{path}?q=1").prepare()
    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CREDENTIALS["DATABASE_URL"], "DATABASE_URL"),
        (f'{{"password": "{KEY}"}}', "DATABASE_URL"),
        (base64.b64encode(CREDENTIALS["BETTER_AUTH_SECRET"].encode()).decode(), "BETTER_AUTH_SECRET"),
    ],
)
def test_credential_in_a_response_is_found_once(text: str, name: str) -> None:
    watch = ResponseWatch(CREDENTIALS)
    for _ in range(2):
        watch.search(answer(f"state: {text}"))
    (finding,) = watch.findings("SCY-10")
    assert (finding.object, finding.actual) == ("GET /health", name)


def test_credential_in_a_header_is_found() -> None:
    watch = ResponseWatch(CREDENTIALS)
    watch.search(answer("", headers={"X-Debug": CREDENTIALS["BETTER_AUTH_SECRET"]}))
    assert len(watch.findings("SCY-10")) == 1


def test_ordinary_words_are_no_credentials() -> None:
    watch = ResponseWatch(CREDENTIALS)
    assert watch.searched_for == ["BETTER_AUTH_SECRET", "DATABASE_URL"]
    watch.search(answer("postgresql for postgres-postgres at db.example.com"))
    assert watch.findings("SCY-10") == []


def test_number_of_findings_is_limited() -> None:
    watch = ResponseWatch(CREDENTIALS)
    for number in range(MAX_FINDINGS + 5):
        watch.search(answer(KEY, f"/{number}"))
    assert len(watch.findings("SCY-10")) == MAX_FINDINGS
