"""Tasks, tags and users: what the API acknowledges is what every pod and PostgreSQL hold; what it refuses is not."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Untested
from acceptance.client.endpoints import Resources, create_resources, endpoints, require_path
from acceptance.client.pods import origins, ready_pods
from acceptance.client.rows import rows, user_rows
from acceptance.client.user import User, send
from acceptance.core.deadlines import EVERY_POD
from acceptance.core.fields import name_of
from acceptance.core.target import Api
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

OK = 200
BAD_REQUEST = 400
"""What HTTP has for a body that can't be read at all."""


def words(what: str) -> str:
    """A text that nobody else has written, with signs that are easily mistreated."""
    return f"{what} {secrets.token_hex(6)} — 'ä' \"\\\" & <b> %s ✓"


@pytest.mark.rule("PER-01", "STA-01")
def test_a_task_from_its_making_to_its_end(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    """Each step on another pod than the last; after each, every pod and PostgreSQL say the same."""
    api, tables = ready_release.target.api, ready_release.target.tables
    pods = origins(ready_release, "backend")
    turn = cycle(pods.values())

    def same(title: str, *, completed: bool) -> None:
        for pod, origin in pods.items():
            one = user.request_json("GET", path, origin=origin)
            listed = user.request_json("GET", user.path(api.tasks), origin=origin)
            seen = one[api.title_field], one[api.completed_field]
            assert seen == (title, completed), f"{pod}: wanted the task {(title, completed)}, seen {seen}"
            assert listed.count(one) == 1, f"{pod}: wanted the task once in the list, seen {listed.count(one)} times"
        stored = [(r[tables.task_title], r[tables.task_completed]) for r in rows(admin_connection, tables.task, whose)]
        assert stored == [(title, completed)], f"{tables.task}: wanted {[(title, completed)]}, seen {stored}"

    first, second = words("first"), words("second")
    made = user.request_json("POST", user.path(api.tasks), {api.title_field: first}, api.created, origin=next(turn))
    path = user.path(api.task, id=made[api.id_field])
    whose = {tables.owner: user.id, tables.task_id: made[api.id_field]}
    same(first, completed=False)
    user.request_json(api.update_method, path, {api.title_field: second}, origin=next(turn))
    same(second, completed=False)
    if api.complete:
        done = user.path(api.complete, id=made[api.id_field])
        user.request_json(api.complete_method, done, {api.completed_field: True}, origin=next(turn))
        same(second, completed=True)
    user.request_json("DELETE", path, None, api.deleted, origin=next(turn))
    for origin in pods.values():
        user.request_json("GET", path, None, api.absent, origin=origin)
    assert not rows(admin_connection, tables.task, whose), f"{tables.task}: wanted no row of the deleted task"


@pytest.mark.rule("PER-01", "STA-01")
def test_a_tag_from_its_making_to_its_end(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    api, tables = ready_release.target.api, ready_release.target.tables
    path = user.path(require_path(api.tags, "tags"))
    pods = origins(ready_release, "backend")
    turn = cycle(pods.values())
    name = f"tag {secrets.token_hex(6)}"
    whose = {tables.owner: user.id, tables.tag_name: name}
    tag = user.request_json("POST", path, {api.tag_field: name}, api.created, origin=next(turn))
    for pod, origin in pods.items():
        seen = user.request_json("GET", path, origin=origin)
        assert tag in seen, f"{pod}: wanted {tag} among the tags, seen {seen}"
    count = len(rows(admin_connection, tables.tag, whose))
    assert count == 1, f"{tables.tag}: wanted one row {name}, seen {count}"
    one = user.path(require_path(api.tag, "one tag"), id=tag[api.id_field])
    user.request_json("DELETE", one, None, api.deleted, origin=next(turn))
    for pod, origin in pods.items():
        seen = user.request_json("GET", path, origin=origin)
        assert tag not in seen, f"{pod}: wanted the deleted tag gone, seen {tag}"
    assert not rows(admin_connection, tables.tag, whose), f"{tables.tag}: wanted no row of the deleted tag"


@pytest.mark.rule("PER-01")
def test_a_user_is_a_row(user: User, admin_connection: Connection[Any]) -> None:
    tables = user.target.tables
    found = rows(admin_connection, tables.user, {tables.user_id: user.id})
    emails = [row[tables.user_email] for row in found]
    assert emails == [user.email], f"{tables.user}: wanted one row with {user.email}, seen {emails}"
    text = repr(found)
    assert user.password not in text, f"{tables.user}: wanted no password in clear, seen it"


@pytest.mark.rule("PER-01")
def test_every_endpoint_answers_its_user(user: User, admin_connection: Connection[Any]) -> None:
    target = user.target
    things = create_resources(user, f"asked {secrets.token_hex(6)}")
    for each in endpoints(target.api, things, f"answered {secrets.token_hex(6)}"):
        user.request_json(each.method, each.path, each.body, each.status)
    left = rows(admin_connection, target.tables.task, {target.tables.task_id: things.task})
    assert not left, f"wanted the last request to delete the task, seen {left}"


@dataclass(frozen=True)
class Bad:
    """A request that no implementation can take for a good one; `raw` is a body that is no JSON."""

    method: str
    path: str | None
    body: Any = None
    raw: bytes | None = None
    by_path: bool = False
    """Whether it is the path that is wrong, so that there may be nothing at it as well."""


BAD_INPUT: dict[str, Callable[[Api], Bad]] = {
    "task: no body": lambda api: Bad("POST", api.tasks),
    "task: no JSON": lambda api: Bad("POST", api.tasks, raw=b"{"),
    "task: no UTF-8": lambda api: Bad("POST", api.tasks, raw=b'{"%s": "\xff"}' % api.title_field.encode()),
    "task: a list": lambda api: Bad("POST", api.tasks, []),
    "task: no title": lambda api: Bad("POST", api.tasks, {}),
    "task: title null": lambda api: Bad("POST", api.tasks, {api.title_field: None}),
    "task: title empty": lambda api: Bad("POST", api.tasks, {api.title_field: ""}),
    "task: title an object": lambda api: Bad("POST", api.tasks, {api.title_field: {"a": 1}}),
    "task: title with NUL": lambda api: Bad("POST", api.tasks, {api.title_field: "a\0b"}),
    "task: title of a megabyte": lambda api: Bad("POST", api.tasks, {api.title_field: "x" * 2**20}),
    "task: update without sense": lambda api: Bad(api.update_method, api.task, {api.title_field: {"a": 1}}),
    "task: completed an object": lambda api: Bad(api.complete_method, api.complete, {api.completed_field: {"a": 1}}),
    "task: read by a word": lambda api: Bad("GET", api.task.replace("{id}", "no-id"), by_path=True),
    "task: deleted by a word": lambda api: Bad("DELETE", api.task.replace("{id}", "no-id"), by_path=True),
    "task: read by a huge number": lambda api: Bad("GET", api.task.replace("{id}", "9" * 40), by_path=True),
    "tag: no name": lambda api: Bad("POST", api.tags, {}),
    "tag: name empty": lambda api: Bad("POST", api.tags, {api.tag_field: ""}),
    "tag: name a number": lambda api: Bad("POST", api.tags, {api.tag_field: 5}),
    "chat: no message": lambda api: Bad("POST", api.chat, {}),
    "chat: message empty": lambda api: Bad("POST", api.chat, {api.message_field: ""}),
    "chat: message an object": lambda api: Bad("POST", api.chat, {api.message_field: {"a": 1}}),
    "chat: conversation an object": lambda api: Bad(
        "POST", api.chat, {api.message_field: "hello", api.conversation_field: {"a": 1}}
    ),
    "messages: of a word": lambda api: Bad("GET", api.messages and api.messages.replace("{id}", "no-id"), by_path=True),
}


@pytest.fixture(scope="module")
def things(user: User) -> Resources:
    return create_resources(user, f"untouched {secrets.token_hex(6)}")


@pytest.mark.rule("PER-01")
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_and_stores_nothing(
    user: User, things: Resources, admin_connection: Connection[Any], case: str
) -> None:
    api, tables = user.target.api, user.target.tables
    bad = BAD_INPUT[case](api)
    path = user.path(require_path(bad.path, case), id=things.task)
    before = user_rows(admin_connection, tables, user.id)
    content = {"data": bad.raw, "headers": {"Content-Type": "application/json"}} if bad.raw else {"json": bad.body}
    answer = user.call(bad.method, path, **content)
    wanted = {api.bad_input} | ({api.absent} if bad.by_path else set()) | ({BAD_REQUEST} if bad.raw else set())
    assert answer.status_code in wanted, f"wanted one of {wanted}, seen {answer.status_code}: {answer.text[:300]}"
    assert user_rows(admin_connection, tables, user.id) == before, "wanted the user's rows as they were, seen others"


@pytest.mark.rule("SVC-09")
@pytest.mark.parametrize("component", ["backend", "frontend"])
def test_the_service_leads_to_every_ready_pod(ready_release: Release, gateway: Gateway, component: str) -> None:
    """Through the Service's DNS name, on new connections, until each Ready pod has answered by its header."""
    part = ready_release.target.component(component)
    if part.pod_header is None:
        raise Untested(f"the target names no header in which the {component} tells its pod")
    wanted = {name_of(pod) for pod in ready_pods(ready_release, component)}
    seen: set[str] = set()

    def probe() -> None:
        answer = send(gateway, "GET", gateway.url(component, part.probes.readiness))
        assert answer.status_code == OK, f"{part.probes.readiness}: wanted {OK}, seen {answer.status_code}"
        seen.add(answer.headers.get(part.pod_header or "", "no header"))
        if not wanted <= seen:
            raise NotYet(f"answers of {', '.join(sorted(seen))}, none of {', '.join(sorted(wanted - seen))}")

    eventually(f"Service/{part.service} to lead to {', '.join(sorted(wanted))}", probe, EVERY_POD)
    assert seen == wanted, f"wanted answers of {sorted(wanted)} alone, seen {sorted(seen)}"
