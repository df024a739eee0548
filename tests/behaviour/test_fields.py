"""Writes: each field arrives on every pod and in PostgreSQL, and nothing else is changed or deleted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client import prompts
from acceptance.client.answers import describe, json_of
from acceptance.client.documents import Document
from acceptance.client.endpoints import reads_completed, task_lists
from acceptance.client.identity import same
from acceptance.client.pods import origins
from acceptance.client.rows import Row, changed_tables, rows, tag_rows, user_rows
from acceptance.client.user import User, send
from acceptance.core.target import Api, Target
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

RULE = "PER-09"


def comparable(value: object) -> object:
    """Return the value of a field; the order in a list is free."""
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value


class StoredTask:
    """A task, the values that its fields must have, and where they are read."""

    def __init__(self, release: Release, user: User, postgres: Connection[Any], fields: dict[str, Any]) -> None:
        self.release, self.user, self.postgres, self.target = release, user, postgres, release.target
        api = self.target.api
        self.expected = self.read_as(fields)
        self.findings: list[Finding] = []
        created = user.task(user.request_json("POST", user.path(api.tasks), fields, api.created))
        self.id = created[api.id_field]
        self.compare("the response to POST", created, "POST")

    @property
    def path(self) -> str:
        """The task's path."""
        return self.user.path(self.target.api.task, id=self.id)

    def read_as(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return fields as a task has them that is read: its state is true or false."""
        api = self.target.api
        return {name: api.is_completed(each) if name == api.completed_field else each for name, each in fields.items()}

    def change(self, method: str, fields: dict[str, Any]) -> None:
        """Send some fields, and check that they and no others have changed."""
        what = f"{method} of {', '.join(fields)}"
        self.expected |= self.read_as(fields)
        answer = self.user.request_json(method, self.path, fields, self.user.target.api.updated)
        if answer is not None:
            self.compare(f"the response to {what}", self.user.task(answer), what)
        self.check(what)

    def check(self, after: str) -> None:
        """Compare the task on every pod, in the list of each, and in PostgreSQL."""
        api, tables = self.target.api, self.target.tables
        for pod, origin in origins(self.release, "backend").items():
            one = self.user.task(self.user.request_json("GET", self.path, origin=origin))
            self.compare(f"Pod/{pod}: GET {api.task}", one, after)
            mine = [dict(each) for each in self.user.tasks(origin=origin) if each[api.id_field] == self.id]
            for each in mine or [{}]:
                self.compare(f"Pod/{pod}: GET {api.tasks}", each, after)
        columns = {tables.task_title: api.title_field, tables.task_completed: api.completed_field}
        found = rows(self.postgres, tables.task, {tables.owner: self.user.id, tables.task_id: self.id})
        if len(found) != 1:
            what = f"the user's rows of the task after {after}"
            self.findings.append(Finding(RULE, f"table {tables.task}", what, "1", str(len(found))))
        named = self.read_as({columns.get(column, column): value for row in found for column, value in row.items()})
        # A column may have a type of its own: a date, or a number for a word.
        stored = {name: value for name, value in named.items() if type(value) is type(self.expected.get(name))}
        self.compare(f"table {tables.task}", {**self.expected, **stored}, after)

    def compare(self, where: str, actual: dict[str, Any], after: str) -> None:
        """Add a finding for each field that differs from what was last sent."""
        for name, value in self.expected.items():
            if comparable(actual.get(name)) != comparable(value):
                what = f"{name} after {after}"
                self.findings.append(Finding(RULE, where, what, repr(value), repr(actual.get(name))))


@pytest.mark.rule("PER-09")
def test_each_field_arrives_and_no_other_changes(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    """A task that is created, replaced, and changed field by field; another task stays as it was."""
    api = ready_release.target.api
    first, second = (
        {api.title_field: f"fields {secrets.token_hex(6)}"} | {name: each[n] for name, each in api.task_fields.items()}
        for n in (0, 1)
    )
    other = StoredTask(ready_release, user, admin_connection, first)
    task = StoredTask(ready_release, user, admin_connection, first)
    task.check("POST")
    task.change(api.update_method, second)
    for name, value in first.items() if api.partial_method else ():
        task.change(str(api.partial_method), {name: value})
    other.check("requests to another task")
    report_findings([*task.findings, *other.findings], ready_release.target)


@pytest.mark.rule("PER-09")
def test_fields_that_a_replacement_lacks_are_all_treated_alike(user: User) -> None:
    """A task is replaced by its title alone: each other field is as in a new task, or each stays as it was."""
    api, marker = user.target.api, secrets.token_hex(6)
    others = {name: values[0] for name, values in api.task_fields.items() if name != api.title_field}
    if not others:
        raise Untested("the target names no field of a task beside its title")
    fields = {api.title_field: f"whole {marker}"} | others
    created = user.task(user.request_json("POST", user.path(api.tasks), fields, api.created))
    path = user.path(api.task, id=created[api.id_field])
    before = user.task(user.request_json("GET", path))
    user.request_json(api.update_method, path, {api.title_field: f"replaced {marker}"}, api.updated)
    task, new = user.task(user.request_json("GET", path)), user.add_task(f"new {marker}")
    replaced, kept, actual = ({name: comparable(each.get(name)) for name in others} for each in (new, before, task))
    allowed = {True: [replaced], False: [kept], None: [replaced, kept]}[api.update_replaces]
    if actual not in allowed:
        what, expected = f"{api.update_method} of {api.title_field} alone", " or ".join(map(str, allowed))
        report_findings([Finding(RULE, f"{api.update_method} {api.task}", what, expected, str(actual))], user.target)


@pytest.mark.rule("PER-09")
def test_task_is_completed_and_opened_again(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    """Each request is sent twice where its body decides: a client that lost the response sends it again."""
    api = ready_release.target.api
    user.path(api.complete, "completing a task", id="")
    fields = {api.title_field: f"twice {secrets.token_hex(6)}"} | {
        name: values[0] for name, values in api.task_fields.items() if name != api.completed_field
    }
    task, other = (StoredTask(ready_release, user, admin_connection, fields) for _ in range(2))
    other.expected[api.completed_field] = False
    asked = user.add_task(f"asked twice {secrets.token_hex(6)}")
    times = 2 if reads_completed(user, asked[api.id_field]) else 1
    for completed in (True,) if api.complete_only else (True, False):
        task.expected[api.completed_field] = completed
        path = user.path(api.complete, id=task.id)
        for _ in range(times):
            user.request_json(api.complete_method, path, api.state(completed=completed), api.updated)
            task.check(f"{api.complete_method} with {completed}")
        listed = task_lists(user)
        lists = (("completed tasks", completed), ("open tasks", not completed))
        for what, contained in [each for each in lists if each[0] in listed]:
            ids = [each[api.id_field] for each in user.tasks(listed[what])]
            if (task.id in ids) != contained:
                expected, actual = ("listed", "missing") if contained else ("not listed", "listed")
                task.findings.append(Finding(RULE, what, f"a task with {completed}", expected, actual))
    other.check("requests to another task")
    report_findings([*task.findings, *other.findings], ready_release.target)


@pytest.mark.rule("PER-09")
def test_completing_without_a_body_toggles_the_state(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    api = ready_release.target.api
    if not (api.complete and api.complete_toggles):
        raise Untested("the target does not say that completing a task without a body toggles its state")
    fields = {api.title_field: f"toggled {secrets.token_hex(6)}"}
    task = StoredTask(ready_release, user, admin_connection, fields)
    for completed in (True, False):
        task.expected[api.completed_field] = completed
        user.request_json(api.complete_method, user.path(api.complete, id=task.id), status=api.updated)
        task.check(f"{api.complete_method} without a body")
    report_findings(task.findings, ready_release.target)


def list_findings(release: Release, user: User, lists: dict[str, str], gone: object, kept: object) -> list[Finding]:
    """Return a finding for each list of each pod that contains the deleted task or lacks the other one."""
    api, findings = release.target.api, []
    for pod, origin in origins(release, "backend").items():
        for what, path in lists.items():
            ids = [each[api.id_field] for each in user.tasks(path, origin=origin)]
            if gone in ids:
                findings.append(Finding(RULE, f"Pod/{pod}", what, "no deleted task", f"the task {gone}"))
            if ids.count(kept) != 1:
                findings.append(Finding(RULE, f"Pod/{pod}", what, "the other task once", f"{ids.count(kept)} times"))
    return findings


@pytest.mark.rule("PER-09")
def test_deleted_task_is_gone_and_nothing_else_is(
    ready_release: Release, user: User, admin_connection: Connection[Any]
) -> None:
    """One of two tasks with the same title is deleted, and then asked for in every way."""
    target = ready_release.target
    api, tables, text = target.api, target.tables, f"gone {secrets.token_hex(6)}"
    fields = {api.title_field: text} | {name: values[0] for name, values in api.task_fields.items()}
    fields.pop(api.completed_field, None)
    gone, kept = (StoredTask(ready_release, user, admin_connection, fields) for _ in range(2))
    tag = next(iter(fields.get(api.task_tags_field or "", [])), None)
    lists = task_lists(user, tag=tag, text=text)
    lists.pop("completed tasks", None)
    before = user_rows(admin_connection, tables, user.id)
    before[tables.task] = [row for row in before[tables.task] if not same(row[tables.task_id], gone.id)]
    user.request_json("DELETE", gone.path, None, api.deleted)
    findings = list_findings(ready_release, user, lists, gone.id, kept.id)
    again: list[tuple[str, str, object]] = [("GET", gone.path, None), ("DELETE", gone.path, None)]
    again += [(method, gone.path, fields) for method in {api.update_method, api.partial_method} - {None} if method]
    if api.complete:
        again.append((api.complete_method, user.path(api.complete, id=gone.id), api.state(completed=True)))
    for method, path, body in again:
        answer = user.call(method, path, json=body)
        if answer.status_code not in absent_statuses(api, method):
            what = f"{method} of the deleted task"
            findings.append(Finding(RULE, path, what, str(api.absent), describe(target, answer)))
    if changed := changed_tables(before, user_rows(admin_connection, tables, user.id)):
        findings.append(Finding(RULE, "the user's rows", "after DELETE of one task", "the others unchanged", changed))
    report_findings([*findings, *kept.findings], target)


@pytest.mark.rule("PER-09")
def test_deleted_task_is_on_no_page_and_in_no_prompt(
    ready_release: Release, users: Callable[[], User], model: ModelStub
) -> None:
    user = users()
    api, pages = ready_release.target.api, ready_release.target.pages
    gone, kept = (f"{what} {secrets.token_hex(6)}" for what in ("gone", "kept"))
    task = user.add_task(gone)
    user.add_task(kept)
    frontends, backends = origins(ready_release, "frontend"), origins(ready_release, "backend")
    for origin in frontends.values():  # what a page may have kept
        send(user.gateway, "GET", origin + pages.tasks, headers=user.browser_headers)
    user.send_message("what are my tasks?")
    user.request_json("DELETE", user.path(api.task, id=task[api.id_field]), None, api.deleted)
    findings, shown = [], {}
    for pod, origin in backends.items():
        with prompts.recorded(model) as bodies:
            user.send_message("what are my tasks?", origin=origin)
        said = [prompts.text(body) for body in bodies]
        if any(gone in each for each in said):
            findings.append(Finding(RULE, f"Pod/{pod}", "request to the model", "no deleted task", gone))
        if any(map(prompts.calls, bodies)) and not any(kept in each for each in said):
            findings.append(Finding(RULE, f"Pod/{pod}", "request to the model", "the user's tasks", f"not {kept}"))
    for pod, origin in frontends.items():
        shown[pod] = Document(send(user.gateway, "GET", origin + pages.tasks, headers=user.browser_headers).text).text
        if gone in shown[pod]:
            findings.append(Finding(RULE, f"Pod/{pod}", f"page {pages.tasks}", "no deleted task", gone))
    report_findings(findings, ready_release.target)
    if not all(kept in text for text in shown.values()):
        raise Untested("the first HTML does not show the user's tasks (STA-10)")


@pytest.mark.rule("PER-09")
def test_deleted_tag_leaves_the_tasks(ready_release: Release, user: User, admin_connection: Connection[Any]) -> None:
    """One of a task's two tags is deleted, twice."""
    target = ready_release.target
    api, tables = target.api, target.tables
    if not (api.tags and api.tag and api.task_tags_field):
        raise Untested("the target names no tags of tasks")
    gone, kept = (f"{what} {secrets.token_hex(4)}" for what in ("gone", "kept"))
    fields = {api.title_field: f"tagged {secrets.token_hex(6)}"} | {
        name: values[0] for name, values in api.task_fields.items()
    }
    task = StoredTask(ready_release, user, admin_connection, fields | {api.task_tags_field: [gone, kept]})
    tags = {each[api.tag_field]: each for each in user.tags()}
    assert gone in tags, f"expected the tag {gone} of a new task in the list of tags, got {sorted(tags)}"
    path = user.path(api.tag, id=tags[gone][api.id_field])
    user.request_json("DELETE", path, None, api.deleted)
    task.expected[api.task_tags_field] = [kept]
    task.check("the deletion of a tag")
    findings = task.findings
    answer = user.call("DELETE", path)
    if answer.status_code not in absent_statuses(api, "DELETE"):
        findings.append(Finding(RULE, path, "second DELETE", str(api.absent), describe(target, answer)))
    if tables.tag is not None:
        names = [row[tables.tag_name] for row in tag_rows(admin_connection, tables, user.id)]
        if sorted(names) != sorted(tags.keys() - {gone}):
            expected = str(sorted(tags.keys() - {gone}))
            findings.append(Finding(RULE, tables.tag, "after the deletion of a tag", expected, str(sorted(names))))
    report_findings(findings, target)


def absent_statuses(api: Api, method: str) -> set[int]:
    """Return the statuses that may answer a request about something that is gone: HTTP lets DELETE succeed again."""
    return {api.absent, api.deleted} if method == "DELETE" else {api.absent}


CHAT_EFFECTS = {
    "add": [(0, False), (1, False), (2, False)],
    "complete": [(0, True), (1, False)],
    "delete": [(1, False)],
}
"""Which of the titles are stored after a turn, and with which state, by what the turn does."""


@pytest.mark.rule("PER-04", "PER-09")
@pytest.mark.parametrize("action", CHAT_EFFECTS)
def test_chat_changes_only_the_named_task(
    target: Target, user: User, model: ModelStub, admin_connection: Connection[Any], action: str
) -> None:
    """The other task's title begins with the same words; every other row of the user stays."""
    tables = target.tables
    text = f"walk {secrets.token_hex(6)}"
    titles = [text, f"{text} again", f'{text}\'s "new" <one>']

    def of_titles(row: Row) -> bool:
        return row[tables.task_title] in titles

    def others(found: list[Row]) -> list[Row]:
        return [row for row in found if not of_titles(row)]

    for title in titles[:2]:
        user.add_task(title)
    before = user_rows(admin_connection, tables, user.id)[tables.task]
    with prompts.recorded(model) as bodies:
        answer = user.send_message(f"{action} task: {titles[2 if action == 'add' else 0]}")
    prompts.check_reported_calls(answer, target.api, bodies, action)
    after = user_rows(admin_connection, tables, user.id)[tables.task]
    states = (
        (row[tables.task_title], target.api.is_completed(row[tables.task_completed])) for row in after if of_titles(row)
    )
    mine = sorted(states)
    expected = sorted((titles[n], completed) for n, completed in CHAT_EFFECTS[action])
    assert mine == expected, f"{tables.task}: expected {expected} after the turn, got {mine}"
    changed = changed_tables({tables.task: others(before)}, {tables.task: others(after)})
    assert not changed, f"expected the user's other tasks unchanged after the turn, got {changed}"


@pytest.mark.rule("PER-09")
def test_chat_completes_the_open_one_of_two_tasks_of_a_title(user: User, model: ModelStub) -> None:
    """A task that is added again each week has completed tasks of the same title; here the older one is completed."""
    api, title = user.target.api, f"weekly {secrets.token_hex(6)}"
    done = user.add_task(title)[api.id_field]
    completed = user.path(api.complete, "completing a task", id=done)
    user.request_json(api.complete_method, completed, api.state(completed=True), api.updated)
    second = user.call("POST", user.path(api.tasks), json={api.title_field: title})
    if second.status_code != api.created:
        raise Untested(f"a second task of the same title is refused: {describe(user.target, second)}")
    open_task = user.task(json_of(second, f"POST {api.tasks}"))[api.id_field]
    with prompts.recorded(model) as bodies:
        answer = user.send_message(f"complete task: {title}")
    prompts.check_reported_calls(answer, api, bodies, "complete")
    arguments = [json.loads(arguments) for _, arguments in prompts.calls(prompts.final(bodies))]
    if any(str(value) == str(done) for each in arguments for value in each.values()):
        raise Untested("the model's stub names the completed task by its identifier")
    states = [user.task(user.request_json("GET", user.path(api.task, id=each))) for each in (done, open_task)]
    found = [state[api.completed_field] for state in states]
    if found != [True, True]:
        expected, actual = "the open task is completed too", f"completed: {found}, as older and newer"
        report_findings([Finding(RULE, "chat turn", f"complete task: {title}", expected, actual)], user.target)
