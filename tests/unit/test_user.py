"""A user's requests: whole lists in parts, and answers of another shape than expected."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from urllib3 import HTTPHeaderDict, HTTPResponse

from acceptance.checks.finding import Untested
from acceptance.client import user as module
from acceptance.client.endpoints import create_resources
from acceptance.client.sessions import Session
from acceptance.client.user import User
from acceptance.core.target import Target
from acceptance.provision.gateway import Gateway
from acceptance.traffic.plans import page_views, task_writes

PAGED = "limit={limit}&offset={offset}"


@dataclass
class Application:
    """Answers requests in place of the release; `answer` returns status, body and cookies for a method and URL."""

    answer: Callable[[str, str], tuple[int, object, list[str]]]
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def send(self, _: Gateway, method: str, url: str, **kwargs: Any) -> requests.Response:
        self.asked.append(f"{method} {url.partition('//')[2].partition('/')[2]}")
        self.headers.append(kwargs.get("headers", {}))
        status, body, cookies = self.answer(method, url)
        response = requests.Response()
        response.status_code = status
        response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response.raw = HTTPResponse(headers=HTTPHeaderDict([("Set-Cookie", each) for each in cookies]))
        return response


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, str], object]], Application]:
    """`released(answer)` is an application whose responses have the status that is asked for, and this body."""

    def start(answer: Callable[[str, str], object]) -> Application:
        application = Application(lambda method, url: (201 if method == "POST" else 200, answer(method, url), []))
        monkeypatch.setattr(module, "send", application.send)
        return application

    return start


def person(target: Target, **api: object) -> User:
    stated = target.model_copy(update={"api": target.api.model_copy(update=api)})
    cookies = {"better-auth.session_token": "s", target.auth.cookie: "a.b.c"}
    session = Session.of(stated.auth, cookies)
    return User(stated, Gateway(stated, "127.0.0.1", 1), "u1", "a@example.com", "password", session)


def part_of(items: list[dict[str, Any]], url: str, *, default: int, most: int) -> list[dict[str, Any]]:
    """What an API that gives parts answers: as many items as are asked for, but not more than `most`."""
    query = {name: int(values[0]) for name, values in parse_qs(urlsplit(url).query).items() if name != "q"}
    begin = query.get("offset", 0)
    return items[begin : begin + min(query.get("limit", default), most)]


@pytest.mark.parametrize(("default", "most"), [(10, 30), (20, 100), (50, 50), (120, 120), (1000, 1000)])
@pytest.mark.parametrize("count", [0, 10, 120])
def test_all_items_are_read_in_parts(
    target: Target, released: Callable[..., Application], default: int, most: int, count: int
) -> None:
    items = [{"id": number} for number in range(count)]
    application = released(lambda _, url: part_of(items, url, default=default, most=most))
    user = person(target, page_query=PAGED, messages_page_query=PAGED)
    assert user.tasks() == items
    assert user.tasks("/api/u1/tasks?q=7") == items
    assert user.conversations() == items
    assert user.messages(3) == items
    if count:
        for path in ("tasks?q=7&limit=50", "conversations?limit=50", "conversations/3/messages?limit=50"):
            assert any(each.startswith(f"GET api/u1/{path}&offset=") for each in application.asked)


@pytest.mark.parametrize("query", ["page={page}&size={limit}", "page={page}"])
@pytest.mark.parametrize("size", [10, 20, 50])
@pytest.mark.parametrize("beyond", [200, 404])
@pytest.mark.parametrize("count", [0, 7, 20, 45, 100])
def test_all_items_are_read_by_the_numbers_of_parts(
    target: Target, monkeypatch: pytest.MonkeyPatch, query: str, size: int, beyond: int, count: int
) -> None:
    """Django's REST framework answers 404 for a page after the last one; others answer an empty list."""
    items = [{"id": number} for number in range(count)]

    def answer(_: str, url: str) -> tuple[int, object, list[str]]:
        number = int(parse_qs(urlsplit(url).query)["page"][0])
        found = items[size * (number - 1) : size * number]
        return (200 if found or number == 1 else beyond), found, []

    monkeypatch.setattr(module, "send", Application(answer).send)
    assert person(target, page_query=query).tasks() == items


def test_list_without_a_query_for_parts_is_read_once(target: Target, released: Callable[..., Application]) -> None:
    application = released(lambda *_: [{"id": 1}])
    user = person(target, page_query=None)
    assert [user.tasks(), user.messages(3), user.tags()] == [[{"id": 1}]] * 3
    assert len(application.asked) == 3


def test_content_of_an_envelope_is_what_was_asked_for(target: Target, released: Callable[..., Application]) -> None:
    """As Express applications often answer: `{"success": true, "data": {"task": {"id": 1}}}`."""
    contents = {"tasks": {"task": {"id": 1, "title": "a"}}, "tags": {"id": 2}, "chat": {"conversation_id": 3}}
    released(lambda _, url: {"success": True, "data": contents[url.rpartition("/")[2]]})
    user = person(target, envelope="data", task_field="task", tasks_field="items", page_query=None)
    assert (user.add_task("a")["id"], user.add_tag("b")["id"]) == (1, 2)
    released(lambda *_: {"data": {"items": [{"id": 1}], "total": 1}})
    assert user.tasks() == [{"id": 1}]
    released(lambda *_: {"detail": "no envelope here"})
    with pytest.raises(AssertionError, match=r"expected (the field id|a task)"):
        user.add_task("a")


@pytest.mark.parametrize(("word", "completed"), [("todo", False), ("done", True), ("DONE", True), ("later", "later")])
def test_state_in_words_is_true_or_false(
    target: Target, released: Callable[..., Application], word: str, completed: object
) -> None:
    released(lambda method, _: {"id": 1, "status": word} if method == "POST" else [{"id": 1, "status": word}])
    user = person(target, completed_field="status", completed_words=("todo", "done"), page_query=None)
    assert user.add_task("a")["status"] == user.tasks()[0]["status"] == completed
    assert user.target.api.state(completed=True) == {"status": "done"}
    assert user.target.api.state(completed=False) == {"status": "todo"}


@pytest.mark.parametrize("value", [True, False, None, "done", 1])
def test_state_without_words_is_left_as_it_is(target: Target, value: object) -> None:
    assert target.api.is_completed(value) is value


def test_query_that_has_no_effect_fails(target: Target, released: Callable[..., Application]) -> None:
    released(lambda *_: [{"id": 1}, {"id": 2}])
    with pytest.raises(AssertionError, match="offset=2 what follows the first 2, got the first"):
        person(target, page_query=PAGED).tasks()


def test_missing_field_fails_with_the_request(target: Target, released: Callable[..., Application]) -> None:
    released(lambda *_: [{"id": 1, "tags": [{"label": "home"}]}])
    (task,) = person(target, page_query=None).tasks()
    assert task["id"] == 1
    assert task.get("title") is None
    with pytest.raises(AssertionError, match=r"GET /api/u1/tasks: expected the field title, got \{'id': 1"):
        task["title"]
    with pytest.raises(AssertionError, match="expected the field name"):
        task["tags"][0]["name"]


@pytest.mark.parametrize("body", [b"<p>Welcome</p>", [1, 2], {"items": []}, "text", None, 5])
def test_answer_of_another_shape_fails(target: Target, released: Callable[..., Application], body: object) -> None:
    released(lambda *_: body)
    user = person(target)
    for request in (user.tasks, lambda: user.add_task("a"), lambda: user.add_tag("a")):
        with pytest.raises(AssertionError, match="expected"):
            request()


@pytest.mark.parametrize("tag", [{"name": "a"}, {"id": None}, ["a"], None])
def test_tag_without_an_identifier_is_none(target: Target, released: Callable[..., Application], tag: object) -> None:
    released(lambda _, url: tag if url.endswith("tags") else {"id": 1})
    with pytest.raises(AssertionError, match="expected a tag"):
        create_resources(person(target, chat=None), "text")


def test_requests_carry_the_token_as_the_target_says(target: Target, released: Callable[..., Application]) -> None:
    application = released(lambda *_: [])
    by_header = person(target)
    cookies = {"Cookie": "better-auth.session_token=s; better-auth.session_data=a.b.c"}
    auth = target.auth.model_copy(update={"carriers": ("cookie",)})
    by_cookie = person(target.model_copy(update={"auth": auth}))
    for user, expected in ((by_header, {"Authorization": "Bearer a.b.c"}), (by_cookie, cookies)):
        user.tasks()
        assert application.headers[-1] == expected
        assert task_writes(user).headers == expected | {"Content-Type": "application/json"}
        assert page_views(user).headers == cookies
    assert by_cookie.token_header("forged") == {"Cookie": "better-auth.session_data=forged"}


@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8"])
def test_turn_that_is_streamed_is_untested(target: Target, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An agent that sends its words one by one is no defect, but no JSON either."""
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'event: token\ndata: {"delta": "Hello"}\n\n'
    answer.headers["Content-Type"] = kind
    monkeypatch.setattr(module, "send", lambda *_, **__: answer)
    with pytest.raises(Untested, match="POST /api/u1/chat is answered with a stream of events"):
        person(target).send_message("hello")
    monkeypatch.setattr(User, "add_task", lambda *_: {"id": 1})
    monkeypatch.setattr(User, "add_tag", lambda *_: {"id": 2})
    resources = create_resources(person(target), "text")
    assert (resources.conversation, resources.may_chat) == (None, False)


def test_turn_has_the_status_that_the_target_states(target: Target, released: Callable[..., Application]) -> None:
    """NestJS answers every POST with 201 unless it is told otherwise."""
    released(lambda *_: {"response": "hello"})
    assert person(target, turn=201).send_message("hello") == {"response": "hello"}
    with pytest.raises(AssertionError, match="expected 200, got 201"):
        person(target).send_message("hello")


@pytest.mark.parametrize(("strict", "failing"), [(False, (502,)), (True, (502,)), (False, (429,))])
def test_request_that_a_rate_limit_refuses_is_untested(
    target: Target, monkeypatch: pytest.MonkeyPatch, *, strict: bool, failing: tuple[int, ...]
) -> None:
    monkeypatch.setattr(module, "send", Application(lambda *_: (429, {}, [])).send)
    user = person(target.model_copy(update={"strict": strict}), model_failing=failing)
    if strict or 429 in failing:
        assert user.call("GET", "/tasks").status_code == 429
    else:
        with pytest.raises(Untested, match="GET /tasks: refused by the application's rate limit"):
            user.call("GET", "/tasks")
