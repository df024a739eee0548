"""Tasks, tags and users: every pod and PostgreSQL have what the API acknowledged, and nothing that it refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.answers import describe
from acceptance.client.documents import Document
from acceptance.client.endpoints import UserResources, create_resources, endpoints, require_resources
from acceptance.client.pods import origins, ready_pods
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
    """A text that is used only once, with characters that are often escaped wrongly."""
    return f"{what} {secrets.token_hex(6)} — 'ä' \"\\\" & <b> %s ✓"


@pytest.mark.rule("PER-01", "STA-01")
def test_task_lifecycle(ready_release: Release, user: User, admin_connection: Connection[Any]) -> None:
    """Each step on another pod than the one before; after each, every pod and PostgreSQL return the same."""
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
        stored = [(r[tables.task_title], r[tables.task_completed]) for r in rows(admin_connection, tables.task, whose)]
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
        user.request_json(api.complete_method, done, {api.completed_field: True}, api.updated, origin=next(turn))
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
    text = repr(found)
    assert user.password not in text, f"{tables.user}: expected no password in plain text"


@pytest.mark.rule("PER-01")
def test_every_endpoint_serves_its_user(user: User, admin_connection: Connection[Any]) -> None:
    target = user.target
    resources = create_resources(user, f"created {secrets.token_hex(6)}")
    for each in endpoints(target.api, resources, f"endpoint {secrets.token_hex(6)}"):
        user.request_json(each.method, each.path, each.body, each.status)
    whose = {target.tables.task_id: resources.task}
    remaining = rows(admin_connection, target.tables.task, whose, deleted=target.tables.deleted)
    assert not remaining, f"expected the last request to delete the task, got {remaining}"


NEW_ITEMS = 3
"""How many tasks and conversations a list gets, to look at its beginning."""


def new_items(user: User, kind: str) -> tuple[str, str | None, list[object]]:
    """Create tasks or conversations; return the path and field of their list, and their identifiers, oldest first."""
    api = user.target.api
    if kind == "tasks":
        tasks = [user.add_task(f"listed {secrets.token_hex(6)}") for _ in range(NEW_ITEMS)]
        return user.path(api.tasks), api.tasks_field, [task[api.id_field] for task in tasks]
    path = user.path(api.conversations, kind)
    turns = [user.send_message(f"listed {secrets.token_hex(6)}") for _ in range(NEW_ITEMS)]
    return path, api.conversations_field, [user.conversation_of(turn) for turn in turns]


@pytest.mark.rule("PER-01")
@pytest.mark.parametrize("kind", ["tasks", "conversations"])
def test_parts_of_a_list_are_the_list(user: User, kind: str) -> None:
    """Parts of one and of two, put together, are how the list begins."""
    api = user.target.api
    if api.page_query is None:
        raise Untested("the target names no query for a part of a list")
    path, field, _ = new_items(user, kind)

    def ids(query: str = "") -> list[object]:
        return [each[api.id_field] for each in user.items(path + query, field)]

    whole = ids()
    for size in (1, 2):
        offsets = range(0, NEW_ITEMS, size)
        parts = [ids(f"?{api.page_query.format(limit=size, offset=offset)}") for offset in offsets]
        assert {len(part) for part in parts[: NEW_ITEMS // size]} == {size}, f"expected parts of {size}, got {parts}"
        found = [each for part in parts for each in part]
        assert found == whole[: len(found)], f"{kind} in parts of {size}: expected {whole[: len(found)]}, got {found}"


@pytest.mark.rule("PER-01")
@pytest.mark.parametrize("kind", ["tasks", "conversations"])
def test_lists_begin_with_the_newest(user: User, kind: str) -> None:
    api = user.target.api
    if not api.newest_first:
        raise Untested("the target does not say that lists begin with the newest")
    path, field, created = new_items(user, kind)
    found = [each[api.id_field] for each in user.items(path, field)][:NEW_ITEMS]
    assert found == created[::-1], f"{kind}: expected {created[::-1]} first, got {found}"


MAX_PAGES = 20
"""Pages of ten tasks each have all of them."""
MANY = 120
"""Tasks of one user: more than common pages of 10, 20, 50 and 100."""


@pytest.mark.rule("PER-01")
def test_every_one_of_many_tasks_is_listed_and_found(users: Callable[[], User], ready_release: Release) -> None:
    """Whole or, where the target names a query for them, in parts; a search, and the page for it, find the oldest."""
    target, user = ready_release.target, users()
    api, path = target.api, user.path(target.api.tasks)
    titles = [f"many {number} {secrets.token_hex(6)}" for number in range(MANY)]
    for title in titles:
        user.add_task(title)
    listed = {task[api.title_field] for task in user.tasks()}
    findings = []
    if missing := [title for title in titles if title not in listed]:
        actual = f"{len(missing)} are missing, such as {missing[0]}"
        how = "whole" if api.page_query is None else "in parts"
        expected = f"all {MANY}, {how} (the target's api.page_query names the query for a part)"
        findings.append(Finding("PER-01", f"GET {path}", "tasks of a user", expected, actual))
    oldest = titles[0].rpartition(" ")[2]
    if api.search_query is not None:
        found = user.tasks(f"{path}?{api.search_query.format(text=oldest)}")
        if [each[api.title_field] for each in found] != titles[:1]:
            what, actual = f"search for the oldest of {MANY}", f"{len(found)} tasks"
            findings.append(Finding("PER-01", f"GET {path}", what, "this task alone", actual))
    if api.search_query is not None and target.auth.has_cookie:
        page = target.pages.search.format(token=oldest)
        shown = send(user.gateway, "GET", user.gateway.url("frontend", page), headers=user.cookie)
        if titles[0] not in Document(shown.text).text:
            actual = f"not there, {describe(target, shown)}"
            findings.append(Finding("PER-01", f"GET {page}", f"the oldest of {MANY} tasks", "shown", actual))
    seen, pages = seen_on_pages(user, titles)
    unseen = [title for title in titles if title not in seen]
    if unseen and pages > 1:
        what, expected = f"{MANY} tasks on {pages} pages that lead to each other", "each on one of them"
        found_ = Finding("PER-01", f"GET {target.pages.tasks}", what, expected, f"{len(unseen)} on none: {unseen[0]}")
        findings += of_derived_part([found_], target)
    report_findings(findings, target)


def seen_on_pages(user: User, titles: list[str]) -> tuple[set[str], int]:
    """Return the titles on the page of tasks and on those of the same path that it leads to, and how many these are.

    A page of which most titles were seen before leads back, or filters: it is not counted.
    """
    start = user.target.pages.tasks
    pending, visited, seen, counted = [start], set[str](), set[str](), 0
    while pending and len(visited) < MAX_PAGES:
        page = pending.pop(0)
        url = user.gateway.url("frontend", page)
        document = Document(send(user.gateway, "GET", url, headers=user.browser_headers, allow_redirects=False).text)
        visited.add(page)
        shown = {title for title in titles if title in document.text}
        if len(shown - seen) < len(shown & seen) or not shown:
            continue
        seen |= shown
        counted += 1
        for link in document.links:
            target = urlsplit(urljoin(page, link))
            if target.path == urlsplit(start).path and not target.netloc:
                leads_to = target.path + (f"?{target.query}" if target.query else "")
                if leads_to not in visited and leads_to not in pending:
                    pending.append(leads_to)
    return seen, counted


@dataclass(frozen=True)
class BadInput:
    """A request that is invalid for every implementation; `raw` is a body that is no JSON."""

    method: str
    path: str | None
    body: Any = None
    raw: bytes | None = None
    by_path: bool = False
    """Whether the path is invalid, so that the answer may also be that nothing exists there."""


BAD_INPUT: dict[str, Callable[[Api], BadInput]] = {
    "task: no body": lambda api: BadInput("POST", api.tasks),
    "task: no JSON": lambda api: BadInput("POST", api.tasks, raw=b"{"),
    "task: no UTF-8": lambda api: BadInput("POST", api.tasks, raw=b'{"%s": "\xff"}' % api.title_field.encode()),
    "task: a list": lambda api: BadInput("POST", api.tasks, []),
    "task: no title": lambda api: BadInput("POST", api.tasks, {}),
    "task: title null": lambda api: BadInput("POST", api.tasks, {api.title_field: None}),
    "task: title empty": lambda api: BadInput("POST", api.tasks, {api.title_field: ""}),
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
    "chat: no message": lambda api: BadInput("POST", api.chat, {}),
    "chat: message empty": lambda api: BadInput("POST", api.chat, {api.message_field: ""}),
    "chat: message an object": lambda api: BadInput("POST", api.chat, {api.message_field: {"a": 1}}),
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


def reads_the_state(user: User, resources: UserResources) -> bool:
    """Whether completing a task twice with the same state leaves it as it is, so that the body is read."""
    api = user.target.api
    if api.complete_only:
        return False
    path = user.path(api.complete, id=resources.task)
    states = []
    for _ in range(2):
        user.request_json(api.complete_method, path, {api.completed_field: True}, api.updated)
        task = user.task(user.request_json("GET", user.path(api.task, id=resources.task)))
        states.append(task[api.completed_field])
    return states == [True, True]


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
    if bad.path is not None and bad.path == api.complete and not reads_the_state(user, resources):
        raise Untested("completing a task toggles its state, whatever the body says")
    before = user_rows(admin_connection, tables, user.id)
    content = {"data": bad.raw, "headers": {"Content-Type": "application/json"}} if bad.raw else {"json": bad.body}
    answer = user.call(bad.method, path, **content)
    expected = {api.bad_input, *UNREADABLE} | ({api.absent} if bad.by_path else set())
    assert answer.status_code in expected, f"expected one of {expected}, got {answer.status_code}: {answer.text[:300]}"
    changed = changed_tables(before, user_rows(admin_connection, tables, user.id))
    assert not changed, f"expected the user's rows unchanged, got {changed}"


@pytest.mark.rule("SVC-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_service_routes_to_every_ready_pod(ready_release: Release, gateway: Gateway, component: str) -> None:
    """By the Service's DNS name, on new connections, until each Ready pod has answered with its name in a header."""
    part = ready_release.target.component(component)
    if part.pod_header is None:
        raise Untested(f"the target names no response header with the {component}'s pod")
    ready = {name_of(pod) for pod in ready_pods(ready_release, component)}
    answered: set[str] = set()

    def probe() -> None:
        answer = send(gateway, "GET", gateway.url(component, part.probes.readiness))
        assert answer.status_code == OK, f"{part.probes.readiness}: expected {OK}, got {answer.status_code}"
        answered.add(answer.headers.get(part.pod_header or "", "no header"))
        if not ready <= answered:
            raise NotYet(f"{', '.join(sorted(answered))} answered, {', '.join(sorted(ready - answered))} did not")

    eventually(f"Service/{part.service} to route to {', '.join(sorted(ready))}", probe, EVERY_POD)
    assert answered == ready, f"expected answers of {sorted(ready)} only, got {sorted(answered)}"
