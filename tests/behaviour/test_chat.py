"""Chat turns: stored whole and once, with their history on every pod, or not at all."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Untested
from acceptance.client.endpoints import require_path
from acceptance.client.pods import origins
from acceptance.client.rows import rows, user_rows
from acceptance.client.user import User
from acceptance.core.deadlines import MODEL_ASKED, MODEL_BACK
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

pytestmark = pytest.mark.usefixtures("model")  # no turn goes to a model that costs money
OK = 200


@pytest.mark.rule("PER-01", "PER-04")
def test_a_turn_is_stored_once(user: User, admin_connection: Connection[Any]) -> None:
    """In PostgreSQL itself: one conversation, one message of each side, the tool's call and its effect."""
    api, tables = user.target.api, user.target.tables
    title = f"by chat {secrets.token_hex(6)}"
    message = f"add task: {title}"
    answer = user.send_message(message)
    calls, response = answer[api.tool_calls_field], answer[api.response_field]
    assert title in json.dumps(calls), f"wanted a tool call with {title}, seen {calls}"
    identifier = answer[api.conversation_field]
    conversations = rows(admin_connection, tables.conversation, {tables.conversation_id: identifier})
    owners = [row[tables.owner] for row in conversations]
    assert owners == [user.id], f"{tables.conversation}: wanted one row of {user.id}, seen those of {owners}"
    messages = rows(admin_connection, tables.message, {tables.message_conversation: identifier})
    seen = sorted((row[tables.message_role], row[tables.message_content]) for row in messages)
    wanted = [("assistant", response), ("user", message)]
    assert seen == wanted, f"{tables.message}: wanted {wanted}, seen {seen}"
    tasks = rows(admin_connection, tables.task, {tables.task_title: title})
    assert [row[tables.owner] for row in tasks] == [user.id], f"{tables.task}: wanted one row {title}, seen {tasks}"
    if tables.message_tool_calls:
        stored = {row[tables.message_role]: json.dumps(row[tables.message_tool_calls]) for row in messages}
        assert title in stored["assistant"], f"{tables.message}: wanted the tool call in its row, seen {stored}"


@pytest.mark.rule("STA-01", "PER-04")
def test_a_conversation_reads_the_same_on_every_pod(ready_release: Release, user: User) -> None:
    api = ready_release.target.api
    one = require_path(api.messages, "a conversation's messages")
    pods = origins(ready_release, "backend")
    identifier, told = None, []
    for number, origin in enumerate(pods.values()):
        message = f"turn {number} {secrets.token_hex(4)}"
        answer = user.send_message(message, identifier, origin=origin)
        identifier = answer[api.conversation_field]
        told += [("user", message), ("assistant", answer[api.response_field])]
    for pod, origin in pods.items():
        listed = user.request_json("GET", user.path(one, id=identifier), origin=origin)
        seen = [(each[api.role_field], each[api.content_field]) for each in listed]
        assert seen == told, f"{pod}: wanted {told}, seen {seen}"
        if api.conversations:
            known = [
                each[api.id_field] for each in user.request_json("GET", user.path(api.conversations), origin=origin)
            ]
            assert known.count(identifier) == 1, f"{pod}: wanted conversation {identifier} once, seen {known}"


@pytest.mark.rule("STA-03")
def test_the_history_reaches_the_model_from_another_pod(ready_release: Release, user: User, model: ModelStub) -> None:
    api = ready_release.target.api
    first, *others = origins(ready_release, "backend").values()
    if not others:
        raise Untested("the backend has one pod only")
    secret = f"my cat is called {secrets.token_hex(6)}"
    begun = user.send_message(secret, origin=first)
    for origin in others:
        question = f"what is my cat called? {secrets.token_hex(6)}"
        user.send_message(question, begun[api.conversation_field], origin=origin)
        asked = [body for body in (json.dumps(each["body"]) for each in model.requests()) if question in body]
        assert asked, f"wanted a request to the model with {question!r}, seen none"
        for body in asked:
            assert secret in body, f"wanted the first turn's message in the model's request, seen {body}"
            answer = json.dumps(begun[api.response_field])[1:-1]
            assert answer in body, f"wanted the first turn's answer in the model's request, seen {body}"


@pytest.fixture
def faulty_model(model: ModelStub, user: User) -> Iterator[ModelStub]:
    """The model, free to be disturbed; afterwards it is well, and the release has found it so."""
    yield model
    if not model.running():
        model.start()
    model.behave()

    def probe() -> None:
        api = user.target.api
        answer = user.call("POST", user.path(api.chat), json={api.message_field: "are you well?"})
        if answer.status_code in api.model_failing:
            raise NotYet(f"a turn was answered {answer.status_code}: {answer.text}")
        assert answer.status_code == OK, f"wanted {OK}, seen {answer.status_code}: {answer.text}"

    eventually("a turn after the model is back", probe, MODEL_BACK)


FAILURES: Mapping[str, Callable[[ModelStub], None]] = {
    "answers 500": lambda model: model.behave(status=500),
    "answers 503": lambda model: model.behave(status=503),
    "answers 429": lambda model: model.behave(status=429),
    "refuses the key": lambda model: model.behave(status=401),
    "talks nonsense": lambda model: model.behave(malformed=True),
    "is gone": ModelStub.stop,
}


@pytest.mark.rule("PER-04")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_model_is_told_and_stores_nothing(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub, failure: str
) -> None:
    """In a new conversation and in one that goes on."""
    api, tables = user.target.api, user.target.tables
    known = user.send_message("hello")[api.conversation_field]
    before = user_rows(admin_connection, tables, user.id)
    FAILURES[failure](faulty_model)
    for turn in ({}, {api.conversation_field: known}):
        message = {api.message_field: f"add task: half {secrets.token_hex(6)}"}
        answer = user.call("POST", user.path(api.chat), json=message | turn)
        seen = f"{answer.status_code}: {answer.text}"
        assert answer.status_code in api.model_failing, f"wanted one of {api.model_failing}, seen {seen}"
        assert answer.text.strip(), f"wanted words about what failed, seen an empty answer of {answer.status_code}"
    assert user_rows(admin_connection, tables, user.id) == before, "wanted the user's rows as they were, seen others"


@pytest.mark.rule("PER-04")
def test_a_model_that_fails_after_the_tool_has_run_stores_nothing(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub
) -> None:
    """The first request of the turn is answered with a tool call, the one with the tool's result is not."""
    api, tables = user.target.api, user.target.tables
    message = f"add task: half {secrets.token_hex(6)}"
    before = user_rows(admin_connection, tables, user.id)

    def asked() -> list[dict[str, Any]]:
        return [each for each in faulty_model.requests() if message in json.dumps(each["body"])]

    def first() -> None:
        if not asked():
            raise NotYet("no request")

    faulty_model.behave(delay_seconds=1)  # time to let the next request fail, not this one
    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(user.call, "POST", user.path(api.chat), json={api.message_field: message})
        eventually("the turn's first request to the model", first, MODEL_ASKED)
        faulty_model.behave(status=500)
        answer = turn.result()
    assert len(asked()) > 1, f"wanted a second request with the tool's result, seen {len(asked())} in all"
    seen = f"{answer.status_code}: {answer.text}"
    assert answer.status_code in api.model_failing, f"wanted one of {api.model_failing}, seen {seen}"
    assert user_rows(admin_connection, tables, user.id) == before, "wanted the user's rows as they were, seen others"
