"""Tasks, tags and users: every pod and PostgreSQL have what the API acknowledged, and nothing that it refused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.answers import describe
from acceptance.client.endpoints import UserResources, create_resources, endpoints, reads_completed, require_resources
from acceptance.client.pods import health_path, origins, ready_pods
from acceptance.client.rows import changed_tables, rows, tag_rows, user_rows
from acceptance.client.user import User, send
from acceptance.core.deadlines import EVERY_POD
from acceptance.core.fields import name_of
from acceptance.core.target import COMPONENTS, Api
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

OK = 200
UNREADABLE = (400, 413, 415)
"""HTTP's statuses for a body that can't be decoded, is too large, or is of no known type."""


def unique_text(what: str) -> str:
    """Return a text that is used only once, with characters that are often escaped wrongly."""
    return f"{what} {secrets.token_hex(6)} — 'ä' \"\\\" & <b> %s ✓"


@pytest.mark.rule("PER-01", "STA-01")
def test_task_lifecycle(ready_release: Release, user: User, admin_connection: Connection[Any]) -> None:
    """Each step is done on another pod than the one before; after it every pod and PostgreSQL return the same."""
    api, tables = ready_release.target.api, ready_release.target.tables
    pods = origins(ready_release, "backend")
    turn = cycle(pods.values())

    def assert_same(title: str, *, completed: bool) -> None:
        for pod, origin in pods.items():
            one = user.task(user.request_json("GET", path, origin=origin))
            listed = user.tasks(origin=origin)
            actual = one[api.title_field], one[api.completed_field]
            assert actual == (title, completed), f"{pod}: expected the task {(title, completed)}, got {actual}"
            count = [each[api.id_field] for each in listed].count(one[api.id_field])
            assert count == 1, f"{pod}: expected the task once in the list, got it {count} times"
        stored = [
            (row[tables.task_title], api.is_completed(row[tables.task_completed]))
            for row in rows(admin_connection, tables.task, whose)
        ]
        assert stored == [(title, completed)], f"{tables.task}: expected {[(title, completed)]}, got {stored}"

    first, second = unique_text("first"), unique_text("second")
    body = {api.title_field: first}
    created = user.task(user.request_json("POST", user.path(api.tasks), body, api.created, origin=next(turn)))
    path = user.path(api.task, id=created[api.id_field])
    whose = {tables.owner: user.id, tables.task_id: created[api.id_field]}
    assert_same(first, completed=False)
    user.request_json(api.update_method, path, {api.title_field: second}, api.updated, origin=next(turn))
    assert_same(second, completed=False)
    if api.complete:
        done = user.path(api.complete, id=created[api.id_field])
        user.request_json(api.complete_method, done, api.state(completed=True), api.updated, origin=next(turn))
        assert_same(second, completed=True)
    user.request_json("DELETE", path, None, api.deleted, origin=next(turn))
    for origin in pods.values():
        user.request_json("GET", path, None, api.absent, origin=origin)
    left = rows(admin_connection, tables.task, whose, deleted=tables.deleted)
    assert not left, f"{tables.task}: expected no row of the deleted task, or one that is marked, got {left}"


@pytest.mark.rule("PER-01", "STA-01")
def test_tag_lifecycle(ready_release: Release, user: User, admin_connection: Connection[Any]) -> None:
    api, tables = ready_release.target.api, ready_release.target.tables
    pods = origins(ready_release, "backend")
    turn = cycle(pods.values())
    name = f"tag {secrets.token_hex(6)}"
    tag = user.add_tag(name, origin=next(turn))
    for pod, origin in pods.items():
        tags = user.tags(origin=origin)
        found = [each[api.id_field] for each in tags]
        assert tag[api.id_field] in found, f"{pod}: expected {tag} among the tags, got {tags}"
    if tables.tag is not None:
        count = len(tag_rows(admin_connection, tables, user.id, name))
        assert count == 1, f"{tables.tag}: expected one row {name}, got {count}"
    one = user.path(api.tag, "one tag", id=tag[api.id_field])
    user.request_json("DELETE", one, None, api.deleted, origin=next(turn))
    for pod, origin in pods.items():
        tags = user.tags(origin=origin)
        found = [each[api.id_field] for each in tags]
        assert tag[api.id_field] not in found, f"{pod}: expected no deleted tag, got {tag}"
    left = tag_rows(admin_connection, tables, user.id, name, deleted=tables.deleted)
    assert not left, f"{tables.tag}: expected no row of the deleted tag, or one that is marked, got {left}"


@pytest.mark.rule("PER-01")
def test_user_is_stored_in_postgresql(user: User, admin_connection: Connection[Any]) -> None:
    tables = user.target.tables
    found = rows(admin_connection, tables.user, {tables.user_id: user.id})
    emails = [row[tables.user_email] for row in found]
    assert emails == [user.email], f"{tables.user}: expected one row with {user.email}, got {emails}"


@pytest.mark.rule("PER-01")
def test_every_endpoint_serves_its_user(user: User, admin_connection: Connection[Any]) -> None:
    target = user.target
    resources = create_resources(user, f"created {secrets.token_hex(6)}")
    for each in endpoints(target.api, resources, f"endpoint {secrets.token_hex(6)}"):
        user.request_json(each.method, each.path, each.body, each.status)
    whose = {target.tables.task_id: resources.task}
    remaining = rows(admin_connection, target.tables.task, whose, deleted=target.tables.deleted)
    assert not remaining, f"expected the last request to delete the task, got {remaining}"


@dataclass(frozen=True)
class BadInput:
    """A request that is invalid for every implementation; `raw` is a body that is no JSON."""

    method: str
    path: str | None
    body: Any = None
    raw: bytes | None = None
    by_path: bool = False
    """Whether the path is invalid, so that the answer may also be that nothing exists there."""
    may_be_accepted: bool = False
    """Whether some implementations take it for valid input; then only an error of the server is a fault."""


def raw_field(field: str, value: str) -> bytes:
    """Return a JSON object with one field, whose value is inserted literally."""
    return b"{%s: %s}" % (json.dumps(field).encode(), value.encode())


HALF_CHARACTER = '"\\ud800"'
"""A surrogate without the other one: valid JSON that UTF-8 can't express."""
BAD_INPUT: dict[str, Callable[[Api], BadInput]] = {
    "task: no body": lambda api: BadInput("POST", api.tasks),
    "task: no JSON": lambda api: BadInput("POST", api.tasks, raw=b"{"),
    "task: no UTF-8": lambda api: BadInput("POST", api.tasks, raw=b'{"%s": "\xff"}' % api.title_field.encode()),
    "task: a list": lambda api: BadInput("POST", api.tasks, []),
    "task: no title": lambda api: BadInput("POST", api.tasks, {}),
    "task: title null": lambda api: BadInput("POST", api.tasks, {api.title_field: None}),
    "task: title empty": lambda api: BadInput("POST", api.tasks, {api.title_field: ""}),
    "task: title no number of JSON": lambda api: BadInput("POST", api.tasks, raw=raw_field(api.title_field, "NaN")),
    "task: title half a character": lambda api: BadInput(
        "POST", api.tasks, raw=raw_field(api.title_field, HALF_CHARACTER), may_be_accepted=True
    ),
    "task: title an object": lambda api: BadInput("POST", api.tasks, {api.title_field: {"a": 1}}),
    "task: title with NUL": lambda api: BadInput("POST", api.tasks, {api.title_field: "a\0b"}),
    "task: title of a megabyte": lambda api: BadInput(
        "POST", api.tasks if api.title_limit else None, {api.title_field: "x" * 2**20}
    ),
    "task: new title an object": lambda api: BadInput(api.update_method, api.task, {api.title_field: {"a": 1}}),
    "task: completed an object": lambda api: BadInput(
        api.complete_method, api.complete, {api.completed_field: {"a": 1}}
    ),
    "task: read by a word": lambda api: BadInput("GET", api.task.replace("{id}", "no-id"), by_path=True),
    "task: deleted by a word": lambda api: BadInput("DELETE", api.task.replace("{id}", "no-id"), by_path=True),
    "task: read by a huge number": lambda api: BadInput("GET", api.task.replace("{id}", "9" * 40), by_path=True),
    "tag: no name": lambda api: BadInput("POST", api.tags, {}),
    "tag: name empty": lambda api: BadInput("POST", api.tags, {api.tag_field: ""}),
    "tag: name an object": lambda api: BadInput("POST", api.tags, {api.tag_field: {"a": 1}}),
    "tag: name no number of JSON": lambda api: BadInput("POST", api.tags, raw=raw_field(api.tag_field, "-Infinity")),
    "tag: name half a character": lambda api: BadInput(
        "POST", api.tags, raw=raw_field(api.tag_field, HALF_CHARACTER), may_be_accepted=True
    ),
    "chat: no message": lambda api: BadInput("POST", api.chat, {}),
    "chat: message empty": lambda api: BadInput("POST", api.chat, {api.message_field: ""}),
    "chat: message an object": lambda api: BadInput("POST", api.chat, {api.message_field: {"a": 1}}),
    "chat: message no number of JSON": lambda api: BadInput("POST", api.chat, raw=raw_field(api.message_field, "NaN")),
    "chat: message half a character": lambda api: BadInput(
        "POST", api.chat, raw=raw_field(api.message_field, HALF_CHARACTER), may_be_accepted=True
    ),
    "chat: conversation an object": lambda api: BadInput(
        "POST", api.conversation_field and api.chat, {api.message_field: "hello", str(api.conversation_field): {"a": 1}}
    ),
    "messages: of a word": lambda api: BadInput(
        "GET", api.messages and api.messages.replace("{id}", "no-id"), by_path=True
    ),
}


@pytest.fixture(scope="module")
def resources(user: User) -> UserResources:
    """What the user has, which refused requests must not change."""
    return require_resources(user, f"unchanged {secrets.token_hex(6)}")


@pytest.mark.rule("PER-01")
@pytest.mark.parametrize("case", BAD_INPUT)
def test_invalid_input_is_refused_and_not_stored(
    user: User, resources: UserResources, admin_connection: Connection[Any], case: str
) -> None:
    api, tables = user.target.api, user.target.tables
    bad = BAD_INPUT[case](api)
    if bad.path is not None and bad.path == api.chat:
        assert user.chat_path
    path = user.path(bad.path, case, id=resources.task)
    if bad.path is not None and bad.path == api.complete and not reads_completed(user, resources.task):
        raise Untested("completing a task toggles its state, whatever the body says")
    before = user_rows(admin_connection, tables, user.id)
    content = {"data": bad.raw, "headers": {"Content-Type": "application/json"}} if bad.raw else {"json": bad.body}
    answer = user.call(bad.method, path, **content)
    if bad.may_be_accepted and answer.ok:
        return
    expected = {api.bad_input, *UNREADABLE} | ({api.absent} if bad.by_path else set())
    findings, object_ = [], f"{bad.method} {bad.path}"
    if answer.status_code not in expected:
        statuses = " or ".join(map(str, sorted(expected)))
        findings.append(Finding("PER-01", object_, case, statuses, describe(user.target, answer)))
    if changed := changed_tables(before, user_rows(admin_connection, tables, user.id)):
        findings.append(Finding("PER-01", object_, f"{case}: the user's rows", "unchanged", changed))
    report_findings(of_derived_part(findings, user.target), user.target)


@pytest.mark.rule("SVC-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_service_routes_to_every_ready_pod(ready_release: Release, gateway: Gateway, component: str) -> None:
    """Requests go to the Service's DNS name on new connections, until each Ready pod has answered with its name."""
    part = ready_release.target.component(component)
    if part.pod_header is None:
        raise Untested(f"the target names no response header with the {component}'s pod")
    ready = {name_of(pod) for pod in ready_pods(ready_release, component)}
    answered: set[str] = set()
    path = health_path(ready_release, component, "readiness")

    def probe() -> None:
        answer = send(gateway, "GET", gateway.url(component, path))
        assert answer.status_code == OK, f"{path}: expected {OK}, got {answer.status_code}"
        answered.add(answer.headers.get(part.pod_header or "", "no header"))
        if not ready <= answered:
            raise NotYet(f"{', '.join(sorted(answered))} answered, {', '.join(sorted(ready - answered))} did not")

    eventually(f"Service/{part.service} to route to {', '.join(sorted(ready))}", probe, EVERY_POD)
    assert answered == ready, f"expected answers of {sorted(ready)} only, got {sorted(answered)}"
