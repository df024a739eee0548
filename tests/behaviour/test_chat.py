"""Chat turns: stored completely and once, with their history on every pod, or not at all."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client import prompts
from acceptance.client.answers import describe, explains
from acceptance.client.identity import same
from acceptance.client.pods import origins
from acceptance.client.remembered import turns_remembered
from acceptance.client.rows import changed_tables, rows, user_rows
from acceptance.client.speakers import speaker
from acceptance.client.user import User
from acceptance.core.deadlines import MODEL_ASKED, MODEL_GONE
from acceptance.core.fields import at
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.faults import MODEL_FAULTS, model_failing, model_looping, model_slow
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release
from acceptance.report.results import Limit, RecordMeasurement

pytestmark = pytest.mark.usefixtures("model")  # no turn reaches a model that costs money


def require_tool(bodies: Iterable[Mapping[str, Any]], tasks: Collection[object]) -> None:
    """Raise `Untested` if the agent has no tool to add tasks: the turn has no tool call, and no task was added.

    Args:
        bodies: Those of the requests that reached the model in the turn.
        tasks: What the turn has added.
    """
    if not tasks and not prompts.calls(prompts.final(bodies)):
        raise Untested("the agent offers the model no tool to add tasks")


def assert_owned(table: str, owners: list[object], user: User) -> None:
    """Assert that a turn has stored one row, and that it is the user's."""
    alone = len(owners) == 1 and same(owners[0], user.id)
    actual = f"{len(owners)} rows, of {', '.join(map(str, owners))}" if owners else "none"
    assert alone, f"{table}: expected one row, of user {user.id}, got {actual}"


def require_second_request(count: int) -> None:
    """Raise `Untested` where a turn that adds a task ends with its first request to the model."""
    if count < 2:
        without = "the agent has no tool to add tasks, or answers without asking the model again"
        raise Untested(f"the turn ended after {count} requests to the model: {without}")


@pytest.mark.rule("PER-01", "PER-04")
def test_turn_is_stored_once(user: User, model: ModelStub, admin_connection: Connection[Any]) -> None:
    """PostgreSQL then has one conversation, one message of each side, the tool call and its effect."""
    api, tables = user.target.api, user.target.tables
    title = f"by chat {secrets.token_hex(6)}"
    message = f"add task: {title}"
    with prompts.recorded(model) as bodies:
        answer = user.send_message(message)
    response = answer[api.response_field]
    identifier = user.conversation_of(answer)
    conversations = rows(admin_connection, tables.conversation, {tables.conversation_id: identifier})
    owners = [row[tables.owner] for row in conversations]
    assert_owned(tables.conversation, owners, user)
    messages = rows(admin_connection, tables.message, {tables.message_conversation: identifier})
    spoken = [(speaker(row[tables.message_role]), row[tables.message_content]) for row in messages]
    contents = sorted((role, content) for role, content in spoken if role and content)
    expected = [("assistant", response), ("user", message)]
    assert contents == expected, f"{tables.message}: expected {expected}, got {contents}"
    tasks = rows(admin_connection, tables.task, {tables.task_title: title})
    require_tool(bodies, tasks)
    if api.tool_calls_field is not None:
        calls = answer.get(api.tool_calls_field)
        assert title in json.dumps(calls), f"expected a tool call with {title}, got {calls}"
    assert_owned(tables.task, [row[tables.owner] for row in tasks], user)
    if columns := tables.tool_call_columns:
        # A single column's JSON may leave out the name, which a column of its own has.
        parts = {title, *(name for name, _ in prompts.calls(prompts.final(bodies))[-1:] if len(columns) > 1)}
        stored = [json.dumps([row[column] for column in columns], default=str) for row in messages]
        has_call = any(all(part in each for part in parts) for each in stored)
        assert has_call, f"{tables.message}: expected {sorted(parts)} of the tool call in one row, got {stored}"


@pytest.mark.rule("CFG-10")
def test_model_is_the_configured_one(user: User, model: ModelStub, ready_release: Release) -> None:
    path = ready_release.target.values.model
    if path is None:
        raise Untested("the target names no value for the model's name")
    configured = at(ready_release.values, path)
    with prompts.recorded(model) as bodies:
        user.send_message("which model are you?")
    asked = {body.get("model") for body in bodies}
    assert configured in asked, f"expected requests for the model {configured}, got {asked}"
    if others := sorted(map(str, asked - {configured})):
        what = "models that a turn asks for"
        findings = [Finding("CFG-10", f"POST {user.target.api.chat}", what, f"{configured} alone", f"also {others}")]
        report_findings(of_derived_part(findings, user.target), user.target)


@pytest.mark.rule("STA-01", "PER-04")
def test_conversation_is_the_same_on_every_pod(ready_release: Release, user: User) -> None:
    api = ready_release.target.api
    user.path(api.messages, "a conversation's messages", id="")
    pods = origins(ready_release, "backend")
    identifier, expected = None, []
    for number, origin in enumerate(pods.values()):
        message = f"turn {number} {secrets.token_hex(4)}"
        answer = user.send_message(message, identifier, origin=origin)
        identifier = user.conversation_of(answer)
        expected += [("user", message), ("assistant", answer[api.response_field])]
    for pod, origin in pods.items():
        actual = prompts.spoken_in(api, user.messages(identifier, origin=origin))
        assert actual == expected, f"{pod}: expected {expected}, got {actual}"
        if api.conversations:
            identifiers = [each[api.id_field] for each in user.conversations(origin=origin)]
            count = sum(same(each, identifier) for each in identifiers)
            assert count == 1, f"{pod}: expected {identifier} once, got {identifiers}"


@pytest.mark.rule("STA-03")
def test_history_reaches_the_model_from_another_pod(ready_release: Release, user: User, model: ModelStub) -> None:
    api = ready_release.target.api
    first, *others = origins(ready_release, "backend").values()
    if not others:
        raise Untested("the backend has one pod only")
    asked = others[: turns_remembered(api, len(others))]
    if not asked:
        raise Untested(f"of earlier messages, {api.history_limit} reach the model (api.history_limit)")
    fact = f"my cat is called {secrets.token_hex(6)}"
    first_turn = user.send_message(fact, origin=first)
    for origin in asked:
        question = f"what is my cat called? {secrets.token_hex(6)}"
        user.send_message(question, user.conversation_of(first_turn), origin=origin)
        bodies = [body for body in (json.dumps(each["body"]) for each in model.requests()) if question in body]
        assert bodies, f"expected a request to the model with {question!r}, got none"
        answer = json.dumps(first_turn[api.response_field])[1:-1]
        assert any(fact in body and answer in body for body in bodies), (
            f"expected the first turn's message and answer in a request to the model, got {bodies}"
        )


@pytest.mark.rule("PER-04", "PER-09")
def test_model_learns_which_tasks_are_open(user: User, model: ModelStub) -> None:
    """The result of the tool that lists tasks names an open and a completed one, and changes with the state of one."""
    api = user.target.api
    titles = [f"listed {secrets.token_hex(6)}" for _ in range(2)]
    open_task, done = (user.add_task(title) for title in titles)
    if api.complete is None:
        raise Untested("the target names no path for completing a task")

    def complete(task: Mapping[str, Any]) -> None:
        path = user.path(api.complete, id=task[api.id_field])
        user.request_json(api.complete_method, path, api.state(completed=True), api.updated)

    def tool_result() -> str:
        with prompts.recorded(model) as bodies:
            user.send_message("what are my tasks?")
        body = prompts.final(bodies)
        if not prompts.calls(body):
            raise Untested("the agent offers the model no tool to list tasks")
        result = "\n".join(prompts.results(body))
        missing = [title for title in titles if title not in result]
        assert not missing, f"expected {missing} in the tool's result, got {result[:1000]}"
        return result

    complete(done)
    before = tool_result()
    complete(open_task)
    assert tool_result() != before, f"expected another result after a task was completed, got {before[:1000]}"


@pytest.mark.rule("PER-04")
@pytest.mark.parametrize("action", ["complete", "delete"])
def test_turn_about_no_task_has_its_call_and_no_effect(
    user: User, model: ModelStub, admin_connection: Connection[Any], action: str
) -> None:
    api, tables = user.target.api, user.target.tables
    user.add_task(f"there {secrets.token_hex(6)}")
    title = f"nowhere {secrets.token_hex(6)}"
    before = rows(admin_connection, tables.task, {tables.owner: user.id})
    with prompts.recorded(model) as bodies:
        answer = user.send_message(f"{action} task: {title}")
    prompts.check_reported_calls(answer, api, bodies, action)
    after = rows(admin_connection, tables.task, {tables.owner: user.id})
    assert after == before, f"{tables.task}: expected the user's rows unchanged, got {after}"


@pytest.mark.rule("PER-09")
def test_longest_title_by_chat_is_stored_and_no_longer_one(
    user: User, model: ModelStub, admin_connection: Connection[Any]
) -> None:
    api, tables = user.target.api, user.target.tables
    if api.title_limit is None:
        raise Untested("the target names no longest title")
    marker = secrets.token_hex(6)
    longest = (marker + "é漢" * api.title_limit)[: api.title_limit]
    with prompts.recorded(model) as bodies:
        for title in (longest, f"{longest}x"):
            answer = user.call("POST", user.chat_path, json={api.message_field: f"add task: {title}"})
            described = describe(user.target, answer)
            assert answer.status_code < 500, f"title of {len(title)} characters: expected no 5xx, got {described}"
    found = [row[tables.task_title] for row in rows(admin_connection, tables.task, {tables.owner: user.id})]
    titles = [title for title in found if title.startswith(marker)]
    require_tool(bodies, titles)
    assert longest in titles, f"{tables.task}: expected the title of {len(longest)} characters, got {titles}"
    longer = [title for title in titles if len(title) > api.title_limit]
    assert not longer, f"{tables.task}: expected {api.title_limit} characters at most, got {longer}"


def failed_turn_findings(user: User, what: str, answer: Response, changed: str) -> list[Finding]:
    """Return findings of a turn that failed with another status than the target's, or that has stored something.

    All are of the rule's derived part: an application may keep what its user has asked, and its tools may have a
    transaction of their own.

    Args:
        user: Whose turn.
        what: Why it was to fail.
        answer: The response.
        changed: What it has changed of the user's rows; empty for nothing.
    """
    api, findings = user.target.api, []
    if answer.status_code not in api.model_failing:
        expected = f"one of {api.model_failing}"
        findings.append(Finding("PER-04", f"POST {api.chat}", what, expected, describe(user.target, answer)))
    if changed:
        findings.append(Finding("PER-04", f"POST {api.chat}", f"{what}: the user's rows", "unchanged", changed))
    return of_derived_part(findings, user.target)


def late_turn_findings(user: User, what: str, error: AssertionError) -> list[Finding]:
    """Return the finding of a turn without an answer in `MODEL_GONE`."""
    expected = f"an answer within {MODEL_GONE.seconds:g} s"
    finding = Finding("PER-04", f"POST {user.target.api.chat}", what, expected, str(error)[:300])
    return of_derived_part([finding], user.target)


def send_failing_turn(
    user: User, postgres: Connection[Any], what: str, body: Mapping[str, object]
) -> tuple[Response | None, list[Finding]]:
    """Send a turn that is to fail; return the response, None without one in time, and the findings."""
    tables = user.target.tables
    before = user_rows(postgres, tables, user.id)
    try:
        answer = user.call("POST", user.chat_path, json=body, timeout=MODEL_GONE.seconds)
    except AssertionError as error:
        return None, late_turn_findings(user, what, error)
    changed = changed_tables(before, user_rows(postgres, tables, user.id))
    return answer, failed_turn_findings(user, what, answer, changed)


@pytest.mark.rule("PER-04")
@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_turn_with_a_failing_model_stores_nothing(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub, fault: str
) -> None:
    """A new conversation and an existing one are tried; the user gets an error with an explanation."""
    api, target = user.target.api, user.target
    conversation = user.conversation_of(user.send_message("hello"))
    findings: list[Finding] = []
    with MODEL_FAULTS[fault](faulty_model):
        for turn in ({}, {str(api.conversation_field): conversation}):
            message = {api.message_field: f"add task: half {secrets.token_hex(6)}"}
            answer, found = send_failing_turn(user, admin_connection, f"model: {fault}", message | turn)
            findings += found
            if answer is not None and not explains(answer):
                expected, actual = "an explanation", describe(target, answer)
                silent = Finding("PER-04", f"POST {api.chat}", f"model: {fault}: body", expected, actual)
                findings += of_derived_part([silent], target)
    report_findings(findings, target)


@pytest.mark.rule("PER-04")
def test_turn_whose_model_never_answers_ends_in_time(
    users: Callable[[], User],
    admin_connection: Connection[Any],
    faulty_model: ModelStub,
    record_measurement: RecordMeasurement,
) -> None:
    """The user of a turn that hangs gives up, and would find its effect later; no other test uses this user."""
    what, user = "turn whose model never answers", users()
    assert user.chat_path
    with model_slow(faulty_model, 2 * MODEL_GONE.seconds):
        message = {user.target.api.message_field: f"add task: late {secrets.token_hex(6)}"}
        start = time.monotonic()
        answer, findings = send_failing_turn(user, admin_connection, what, message)
        seconds = round(time.monotonic() - start, 1)
    if answer is not None:
        record_measurement(what, seconds, "s", Limit.of(MODEL_GONE))
    report_findings(findings, user.target)


LOOP_SECONDS = 9.0
"""How long the model takes for each call: libraries allow eight calls or more, which then take longer than a minute."""


@pytest.mark.rule("PER-04")
def test_turn_whose_model_calls_tools_for_ever_ends_in_time(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub, record_measurement: RecordMeasurement
) -> None:
    """No single request to the model takes long, but the turn has one after the other; it may be answered or fail."""
    api, target = user.target.api, user.target
    assert user.chat_path
    before, findings = user_rows(admin_connection, target.tables, user.id), []
    message, what = {api.message_field: "what are my tasks?"}, "turn whose model calls tools for ever"
    with prompts.recorded(faulty_model) as bodies, model_looping(faulty_model, LOOP_SECONDS):
        start = time.monotonic()
        try:
            answer = user.call("POST", user.chat_path, json=message, timeout=MODEL_GONE.seconds)
        except AssertionError as error:
            findings += late_turn_findings(user, what, error)
        seconds = round(time.monotonic() - start, 1)
    if not prompts.calls(prompts.final(bodies)):
        raise Untested("the agent offers the model no tool to list tasks")
    record_measurement(what, seconds, "s", Limit.of(MODEL_GONE))
    if not findings and not answer.ok:
        changed = changed_tables(before, user_rows(admin_connection, target.tables, user.id))
        if answer.status_code not in api.model_failing or changed:
            expected = f"200, or one of {api.model_failing} and nothing stored"
            actual = f"{describe(target, answer)}, {changed or 'nothing stored'}"
            findings.append(Finding("PER-04", f"POST {api.chat}", what, expected, actual))
    report_findings(of_derived_part(findings, target), target)


@pytest.mark.rule("PER-04")
def test_turn_that_fails_after_the_tool_call_stores_nothing(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub
) -> None:
    """The model answers the first request of the turn with a tool call, and fails at the one with the tool's result."""
    api, tables = user.target.api, user.target.tables
    message = f"add task: half {secrets.token_hex(6)}"
    before = user_rows(admin_connection, tables, user.id)

    def requests() -> list[dict[str, Any]]:
        return [each for each in faulty_model.requests() if message in json.dumps(each["body"])]

    # Slow enough that the fault is injected before the next request, and after this one.
    with model_slow(faulty_model, 1), ThreadPoolExecutor(1) as pool:
        turn = pool.submit(user.call, "POST", user.chat_path, json={api.message_field: message})
        prompts.wait_until_asked(faulty_model, [[message]])
        with model_failing(faulty_model, status=500):
            answer = turn.result()
            count = len(requests())
            require_second_request(count)
            changed = changed_tables(before, user_rows(admin_connection, tables, user.id))
    what = "turn whose model fails after the tool call"
    report_findings(failed_turn_findings(user, what, answer, changed), user.target)


@pytest.mark.rule("PER-04", "PER-05")
@pytest.mark.parametrize("refused", [1, 2, 3])
def test_turn_whose_model_fails_for_a_moment_adds_its_task_once(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub, refused: int
) -> None:
    """Requests with the tool's result are refused (429): a retry must not call the tool again.

    One refusal is for the client library's retries, more are for those of the application.
    """
    api, tables = user.target.api, user.target.tables
    title = f"moment {secrets.token_hex(6)}"

    def asked(number: int) -> None:
        ended = turn.done()
        count = sum(title in json.dumps(each["body"]) for each in faulty_model.requests())
        if ended:
            require_second_request(count)
        if count < number and not ended:
            raise NotYet(f"{count} requests")

    # Slow enough that the fault begins before the second request, and ends before the one after the last refused.
    with model_slow(faulty_model, 1), ThreadPoolExecutor(1) as pool:
        turn = pool.submit(user.call, "POST", user.chat_path, json={api.message_field: f"add task: {title}"})
        eventually("the turn's first request to the model", lambda: asked(1), MODEL_ASKED)
        with model_failing(faulty_model, status=429, seconds=1):
            eventually(
                "the turn's last refused request to the model, or its end", lambda: asked(1 + refused), MODEL_GONE
            )
        answer = turn.result()
    stored = [row for row in rows(admin_connection, tables.task, {tables.owner: user.id}) if title in row.values()]
    expected = {1} if answer.ok else {0, 1}
    assert len(stored) in expected, f"{tables.task}: expected {expected} rows after {answer.status_code}, got {stored}"
    if stored and not answer.ok:
        what, actual = f"{refused} refused requests to the model", f"{len(stored)} rows after {answer.status_code}"
        finding = Finding("PER-04", f"table {tables.task}", what, "no row of a turn that failed", actual)
        report_findings(of_derived_part([finding], user.target), user.target)


@pytest.mark.rule("PER-04")
def test_turn_about_a_task_that_is_deleted_meanwhile_is_whole(
    user: User, admin_connection: Connection[Any], faulty_model: ModelStub
) -> None:
    """Either the turn is answered and its messages are stored once, or it is refused and nothing of it is stored."""
    api, tables = user.target.api, user.target.tables
    title = f"going {secrets.token_hex(6)}"
    before = user_rows(admin_connection, tables, user.id)
    task = user.add_task(title)

    with model_slow(faulty_model, 1.5), ThreadPoolExecutor(1) as pool:
        turn = pool.submit(user.call, "POST", user.chat_path, json={api.message_field: f"complete task: {title}"})
        prompts.wait_until_asked(faulty_model, [[title]])
        user.request_json("DELETE", user.path(api.task, id=task[api.id_field]), None, api.deleted)
        answer = turn.result()
    after = user_rows(admin_connection, tables, user.id)
    if answer.ok:
        said = [row for row in after[tables.message] if title in str(row[tables.message_content])]
        asking = [row for row in said if speaker(row[tables.message_role]) == "user"]
        assert len(asking) == 1, f"{tables.message}: expected the user's message once after 200, got {said}"
    elif changed := changed_tables(before, after):
        what, expected = "turn about a task that was deleted meanwhile", f"nothing stored after {answer.status_code}"
        finding = Finding("PER-04", f"POST {api.chat}", what, expected, changed)
        report_findings(of_derived_part([finding], user.target), user.target)
