"""What is read of responses, pages and requests to the model."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest
import requests
from requests.structures import CaseInsensitiveDict

from acceptance.checks.finding import Untested
from acceptance.client import prompts
from acceptance.client.answers import describe, explains, pod_of
from acceptance.client.caching import shared_storage
from acceptance.client.documents import Document
from acceptance.client.endpoints import task_lists
from acceptance.client.forged_tokens import ODD_TOKENS, Forge, signed
from acceptance.client.odd_texts import ODD_TEXTS, odd_text
from acceptance.client.rows import changed_tables
from acceptance.client.sessions import Session
from acceptance.client.user import User
from acceptance.core.target import Target
from acceptance.provision.gateway import Gateway

KEY = "k" * 32


def response(status: int, **headers: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.headers = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    answer._content = b"the text"
    return answer


@pytest.mark.parametrize(
    ("headers", "authorization", "kept"),
    [
        ({}, False, False),
        ({"Cache-Control": "private, no-cache, no-store, max-age=0, must-revalidate"}, False, False),
        ({"Cache-Control": "public, max-age=60"}, True, True),
        ({"Cache-Control": "max-age=60"}, False, True),
        ({"Cache-Control": "max-age=60"}, True, False),
        ({"Cache-Control": "max-age=60, private"}, False, False),
        ({"Cache-Control": "s-maxage=1"}, True, True),
        ({"Cache-Control": "max-age=0"}, False, False),
        ({"Cache-Control": "max-age=0, must-revalidate"}, False, False),
        ({"Cache-Control": 'private="Set-Cookie", max-age=60'}, False, True),
        ({"Expires": "Thu, 01 Jan 2099 00:00:00 GMT"}, False, True),
        ({"Expires": "0"}, False, False),
        ({"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}, False, True),
        ({"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}, True, False),
        ({"CDN-Cache-Control": "max-age=60", "Cache-Control": "no-store"}, False, True),
        ({"Surrogate-Control": "no-store", "Cache-Control": "no-store"}, False, False),
    ],
)
def test_shared_caches_may_keep(headers: dict[str, str], authorization: bool, kept: bool) -> None:
    assert bool(shared_storage(CaseInsensitiveDict(headers), authorization=authorization)) == kept


def test_evidence_names_the_pod(target: Target) -> None:
    header = str(target.component("backend").pod_header).replace("-", "_")
    assert describe(target, response(500, **{header: "todo-backend-1"})) == "500 from Pod/todo-backend-1: the text"
    assert describe(target, response(404)) == "404: the text"
    assert pod_of(target, response(200)) == ""


def test_document_has_text_and_elements() -> None:
    page = Document("<title>x</title><p id=a>one &lt;b id=m&gt;</p><script>two</script><b id='c'>three</b>")
    assert (page.text, page.ids) == ("one <b id=m>three", {"a", "c"})


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_odd_texts_are_valid_titles(kind: str) -> None:
    text = odd_text(kind, "m1")
    assert text == text.strip()
    assert len(text) <= 120
    assert "{id}" not in text


def test_prompts_of_both_apis_are_read_alike() -> None:
    messages = [("user", "a"), ("assistant", "b"), ("user", "ä")]
    items = [{"role": role, "content": text} for role, text in messages]
    parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in messages]
    call = {"name": "add_task", "arguments": '{"title": "y"}'}
    old, new = ({"type": "function_call", **call}, {"role": "assistant", "tool_calls": [{"function": call}]})
    responses = {"input": [old, *items, old, {"type": "function_call_output", "output": "x"}]}
    completions = {
        "messages": [{"role": "system", "content": "be kind"}, new, *parts, new, {"role": "tool", "content": "x"}],
    }
    for body in (responses, completions):
        assert prompts.messages(body) == messages
        assert prompts.calls(body) == [("add_task", '{"title": "y"}')]
        assert prompts.results(body) == ["x"]
        assert "ä" in prompts.text(body)
    assert prompts.messages({}) == []
    assert prompts.messages({"input": "hello"}) == [("user", "hello")]


def test_turn_is_distinguished_from_other_model_requests() -> None:
    def body(*said: str, called: bool = False) -> dict[str, object]:
        items = [{"role": "user", "content": text} for text in said]
        return {"messages": [*items, *([{"name": "add_task", "arguments": "{}"}] if called else [])]}

    guard, turn, result, title = body("b"), body("a", "b"), body("a", "b", called=True), body("a title")
    assert prompts.longest([guard, turn, result, title]) is turn
    assert prompts.final([guard, turn, result, title]) is result
    assert (prompts.longest([]), prompts.final([])) == ({}, {})


def test_changed_rows_are_named_by_table() -> None:
    before = {"task": [{"id": 1}, {"id": 2}], "tag": [{"id": 3}]}
    assert changed_tables(before, before) == ""
    assert changed_tables(before, before | {"task": [{"id": 2}]}) == "task: [{'id': 1}] became []"
    assert "tag: [] became [{'id': 4}]" in changed_tables(before, before | {"tag": [{"id": 3}, {"id": 4}]})


def person(target: Target, claims: object) -> User:
    session = Session.of(target.auth, {target.auth.cookie: signed(claims, KEY)})
    return User(target, Gateway(target, "127.0.0.1", 1), "u1", "a@example.com", "password", session)


def test_lists_are_those_of_the_target(target: Target) -> None:
    user = person(target, {})
    lists = task_lists(user, tag="a & b", text="100%")
    assert lists["tasks with the tag"] == "/api/u1/tasks?tag=a%20%26%20b"
    assert lists["tasks found"] == "/api/u1/tasks?q=100%25"
    unnamed = {"pending_query": None, "completed_query": None, "tag_query": None, "search_query": None}
    without = replace(user, target=target.model_copy(update={"api": target.api.model_copy(update=unnamed)}))
    assert task_lists(without, tag="a", text="b") == {"tasks": "/api/u1/tasks"}


def test_tokens_are_made_as_they_are_called(target: Target) -> None:
    user = person(target, {"user": {"id": "u1"}, "session": {"userId": "u1"}, "exp": 2**40})
    forge = Forge(user, user, KEY)
    assert jwt.decode(forge.reissued(), KEY, ["HS256"])["user"] == {"id": "u1"}
    assert jwt.decode(forge.of_unknown_user(), KEY, ["HS256"])["session"] == {"userId": "nobody-any-more"}
    for make in (Forge.just_expired, Forge.not_yet_valid, Forge.extended, Forge.of_own_key_in_header, Forge.truncated):
        with pytest.raises(jwt.PyJWTError):
            jwt.decode(make(forge), KEY, ["HS256"], options={"verify_iat": False})
    assert "exp" not in jwt.decode(forge.without_expiry(), KEY, ["HS256"])
    assert len({make(forge) for make in ODD_TOKENS.values()}) == len(ODD_TOKENS)
    with pytest.raises(Untested, match="does not contain"):
        Forge(person(target, {"exp": 2**40}), user, KEY).of_unknown_user()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"detail": "try again later"}', True),
        ('{"errors": [{"msg": "too long"}]}', True),
        ("<p>Try again later</p>", True),
        ("null", False),
        ("<title>Todo</title><p>[object Object]</p><a href='/'>Todo</a>", False),
        ('{"error": "undefined"}', False),
        ('{"detail": null}', False),
        ("<html></html>", False),
        ("503", False),
        ("", False),
    ],
)
def test_error_with_words_explains(text: str, *, expected: bool) -> None:
    answer = requests.Response()
    answer._content = text.encode()
    assert explains(answer) == expected
