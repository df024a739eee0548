"""Isolation of users: none can read, change or delete anything of another, on any pod or page or through the model."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client import prompts
from acceptance.client.answers import describe
from acceptance.client.endpoints import UserResources, endpoints, require_resources, tags_are_shared, task_lists
from acceptance.client.pods import origins
from acceptance.client.rows import changed_tables, exists, tags_lack_owner, user_rows
from acceptance.client.simultaneous import send_together
from acceptance.client.user import User, send
from acceptance.core.target import Target
from acceptance.experiments.faults import model_slow
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

Read = Callable[[], Response]
OK = 200
SHARED = "shared"
"""The start of the text of every user's resources, and the name of a tag of every user."""
READERS = 5
"""How often two users read at the same moment."""
ROUNDS = 3
TAGS = "tags"
CONVERSATIONS = "conversations"
"""The list that need not show the texts of its items."""


@dataclass(frozen=True)
class Owner:
    """A user, and resources whose text contains a marker of this user alone."""

    user: User
    marker: str
    resources: UserResources

    def lists(self) -> dict[str, str]:
        """Return the path of each list and filter that has a resource."""
        user, api = self.user, self.user.target.api
        lists = task_lists(user, tag=SHARED if api.task_tags_field else None, text=SHARED)
        if api.complete is None:
            lists.pop("completed tasks", None)
        if api.tags:
            lists[TAGS] = user.path(api.tags)
        if api.conversations:
            lists[CONVERSATIONS] = user.path(api.conversations)
        if api.messages and self.resources.conversation is not None:
            lists["messages"] = user.path(api.messages, id=self.resources.conversation)
        return lists

    def pages(self) -> dict[str, str]:
        """Return the path of each page that may show the resources."""
        pages = self.user.target.pages
        found = {"tasks": pages.tasks, "search": pages.search.format(token=SHARED), "chat": pages.chat}
        if pages.conversation and self.resources.conversation is not None:
            found["conversation"] = pages.conversation.format(id=self.resources.conversation)
        return {what: path for what, path in found.items() if path}


def create_owner(user: User) -> Owner:
    """Create an open and a completed task, both with a tag of a name that others use, a tag, and a conversation."""
    api = user.target.api
    marker = f"{SHARED} {secrets.token_hex(8)}"
    resources = require_resources(user, marker)
    for completed in (False, True):
        body: dict[str, Any] = {api.title_field: marker}
        if api.task_tags_field:
            body[api.task_tags_field] = [SHARED]
        task = user.task(user.request_json("POST", user.path(api.tasks), body, api.created))
        if completed and api.complete:
            path = user.path(api.complete, id=task[api.id_field])
            user.request_json(api.complete_method, path, api.state(completed=True), api.updated)
    return Owner(user, marker, resources)


@pytest.fixture(scope="module")
def owners(users: Callable[[], User]) -> tuple[Owner, Owner]:
    """Two users whose resources differ by a marker only, and are so few that every list and page has them."""
    return create_owner(users()), create_owner(users())


@pytest.fixture(scope="module")
def shared_tags(owners: tuple[Owner, Owner]) -> bool:
    """Whether all users share their tags. That is one finding, and other tests then have none on other users' tags."""
    own, other = owners
    return tags_are_shared(own.user, other.marker) and tags_are_shared(other.user, own.marker)


def in_turn(owners: tuple[Owner, Owner]) -> Iterator[tuple[Owner, Owner]]:
    """Yield each owner with the other one, and the first again: what a pod keeps of one must not reach the next."""
    first, second = owners
    yield from ((first, second), (second, first), (first, second))


def leak_findings(where: str, what: str, text: str, own: Owner, other: Owner) -> list[Finding]:
    """Return a finding if the text lacks the owner's marker, and one if it has the other's."""
    expected, found = "the user's own data only", []
    if own.marker not in text and not what.startswith(CONVERSATIONS):
        found.append(Finding("STA-05", where, what, expected, f"not the user's own: {text[:200]}"))
    if other.marker in text:
        found.append(Finding("STA-05", where, what, expected, f"another user's: {other.marker}"))
    return found


@pytest.mark.rule("STA-05")
def test_other_users_resources_return_404(
    owners: tuple[Owner, Owner], shared_tags: bool, target: Target, admin_connection: Connection[Any]
) -> None:
    """A user's own path and token, with the identifiers of another user's resources."""
    findings = []
    for owner, other in (owners, owners[::-1]):
        theirs, caller = owner.resources, other.user
        tag = None if shared_tags else theirs.tag
        foreign = UserResources(caller.id, theirs.task, tag, theirs.conversation, theirs.may_chat)
        tested = [each for each in endpoints(target.api, foreign, "foreign") if each.names]
        assert tested, "no endpoint has the identifier of a resource"
        before = user_rows(admin_connection, target.tables, owner.user.id)
        for each in tested:
            answer = caller.call(each.method, each.path, json=each.body)
            what = "response about another user's resource"
            allowed = {target.api.absent, requests.codes.forbidden, *target.api.other_user_statuses}
            if answer.status_code not in allowed or owner.marker in answer.text:
                expected = f"{' or '.join(map(str, sorted(allowed)))} with nothing of it"
                findings.append(Finding("STA-05", each.route, what, expected, describe(target, answer)))
            after = user_rows(admin_connection, target.tables, owner.user.id)
            if changed := changed_tables(before, after):
                findings.append(Finding("STA-05", each.route, "rows of another user", "unchanged", changed))
            before = after
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_lists_contain_nothing_of_other_users(
    ready_release: Release, owners: tuple[Owner, Owner], shared_tags: bool
) -> None:
    """Two users in turn read every list, filter and search on every pod."""
    target, findings = ready_release.target, []
    assert owners[0].lists(), "the target names no list"
    if shared_tags:
        actual = f"shared by all users: {owners[1].marker} is another user's"
        findings.append(Finding("STA-05", f"GET {target.api.tags}", TAGS, "the user's own only", actual))
    for pod, origin in origins(ready_release, "backend").items():
        for what in sorted(owners[0].lists().keys() - ({TAGS} if shared_tags else set())):
            for own, other in in_turn(owners):
                path = own.lists().get(what)
                if path is None:
                    continue
                answer = own.user.call("GET", path, origin)
                if answer.status_code == OK:
                    findings += leak_findings(f"Pod/{pod}", f"{what} (GET {path})", answer.text, own, other)
                else:
                    findings.append(Finding("STA-05", f"Pod/{pod}", what, str(OK), describe(target, answer)))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_pages_contain_nothing_of_other_users(ready_release: Release, owners: tuple[Owner, Owner]) -> None:
    """Two users in turn view every page on every pod, and each asks for the other's conversation."""
    target, findings = ready_release.target, []
    rendered = False
    for pod, origin in origins(ready_release, "frontend").items():
        for what in owners[0].pages():
            for own, other in in_turn(owners):
                answer = send(own.user.gateway, "GET", origin + own.pages()[what], headers=own.user.cookie)
                rendered |= own.marker in answer.text
                if not answer.ok:
                    findings.append(Finding("STA-05", f"Pod/{pod}", what, str(OK), describe(target, answer)))
                if other.marker in answer.text:
                    findings.append(Finding("STA-05", f"Pod/{pod}", what, "nothing of another user", other.marker))
        for own, other in (owners, owners[::-1]):
            if path := other.pages().get("conversation"):
                answer = send(own.user.gateway, "GET", origin + path, headers=own.user.cookie)
                if other.marker in answer.text or answer.status_code >= 500:
                    expected = "nothing of it, and no error of the server"
                    actual = describe(target, answer)
                    findings.append(Finding("STA-05", f"Pod/{pod}", "another's conversation", expected, actual))
    report_findings(findings, target)
    if not rendered:
        raise Untested("no page's first HTML has a user's own task (STA-10)")


def reads_of_each(release: Release, owners: tuple[Owner, Owner]) -> Iterator[tuple[str, str, list[Read]]]:
    """For every list and page: the component's first pod, what is listed, and the read of each owner."""
    for component, paths in (
        ("backend", [owner.lists() for owner in owners]),
        ("frontend", [owner.pages() for owner in owners]),
    ):
        pod, origin = next(iter(origins(release, component).items()))
        for what in sorted(paths[0].keys() & paths[1].keys()):
            reads: list[Read] = [
                partial(owner.user.call, "GET", path[what], origin, headers=owner.user.browser_headers)
                for owner, path in zip(owners, paths, strict=True)
            ]
            yield pod, what, reads


@pytest.mark.rule("STA-05")
def test_simultaneous_reads_contain_nothing_of_other_users(
    ready_release: Release, owners: tuple[Owner, Owner], shared_tags: bool
) -> None:
    """Two users read every list and page at the same moment at one pod: neither gets what the other asked for."""
    target, findings = ready_release.target, []
    expected = "the user's own data only"
    for pod, what, reads in [*reads_of_each(ready_release, owners)] * ROUNDS:
        if what == TAGS and shared_tags:
            continue
        for answer, other in zip(send_together(reads * READERS), owners[::-1] * READERS, strict=True):
            if not answer.ok or other.marker in answer.text:
                actual = f"another user's: {other.marker}" if answer.ok else describe(target, answer)
                findings.append(Finding("STA-05", f"Pod/{pod}", f"{what} at the same moment", expected, actual))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_prompts_contain_nothing_of_other_users(
    ready_release: Release, owners: tuple[Owner, Owner], model: ModelStub, admin_connection: Connection[Any]
) -> None:
    """Two users in turn send every pod turns that list tasks, and turns about a task of the other user."""
    target, findings = ready_release.target, []
    for pod, origin in origins(ready_release, "backend").items():
        for own, other in in_turn(owners):
            with prompts.recorded(model) as bodies:
                own.user.send_message("what are my tasks?", origin=origin)
                own.user.send_message("what are my tasks?", own.resources.conversation, origin=origin)
            assert bodies, f"{pod}: expected requests to the model, got none"
            for body in bodies:
                if other.marker in prompts.text(body):
                    expected = "nothing of another user"
                    findings.append(Finding("STA-05", f"Pod/{pod}", "request to the model", expected, other.marker))
    for own, other in (owners, owners[::-1]):
        title = f"private {secrets.token_hex(6)}"
        other.user.add_task(title)
        before = user_rows(admin_connection, target.tables, other.user.id)
        for command in ("complete task", "delete task"):
            turn = {target.api.message_field: f"{command}: {title}"}
            answer = own.user.call("POST", own.user.chat_path, json=turn)
            changed = changed_tables(before, user_rows(admin_connection, target.tables, other.user.id))
            if changed or answer.status_code >= 500:
                what = f"turn that asks to {command} of another user"
                expected, actual = "no effect", changed or describe(target, answer)
                findings.append(Finding("STA-05", "the other user's rows", what, expected, actual))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_simultaneous_turns_contain_nothing_of_other_users(
    ready_release: Release, owners: tuple[Owner, Owner], model: ModelStub
) -> None:
    """Two users' turns wait for the model at the same pod: no request for one has the other's message or tasks."""
    target, findings = ready_release.target, []
    field, expected = target.api.message_field, "nothing of another user"
    for pod, origin in origins(ready_release, "backend").items():
        messages = {owner.marker: f"add task: {owner.marker} {secrets.token_hex(6)}" for owner in owners}
        turns: list[Read] = [
            partial(owner.user.call, "POST", owner.user.chat_path, origin, json={field: messages[owner.marker]})
            for owner in owners
        ]
        with model_slow(model, 1), prompts.recorded(model) as bodies:
            send_together(turns)
        assert bodies, f"{pod}: expected requests to the model, got none"
        for body in bodies:
            said = prompts.text(body)
            if all(owner.marker in said for owner in owners):
                actual = f"{owners[0].marker} and {owners[1].marker}"
                findings.append(Finding("STA-05", f"Pod/{pod}", "request to the model", expected, actual))
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_tags_of_the_same_name_are_separate(
    owners: tuple[Owner, Owner], shared_tags: bool, target: Target, admin_connection: Connection[Any]
) -> None:
    """One user adds and deletes tags with names that the other has too; the other's tags and tasks stay."""
    api = target.api
    if not (api.tags and api.tag and api.task_tags_field):
        raise Untested("the target names no tags of tasks")
    if shared_tags:
        raise Untested("all users share their tags, which the test of lists reports")
    own, other = owners
    before = user_rows(admin_connection, target.tables, other.user.id)
    tasks = other.user.tasks()
    body = {api.title_field: own.marker, api.task_tags_field: [SHARED, other.marker]}
    task = own.user.task(own.user.request_json("POST", own.user.path(api.tasks), body, api.created))
    named = sorted(task[api.task_tags_field])
    assert named == sorted([SHARED, other.marker]), f"expected each tag once, got {named}"
    for tag in [each for each in own.user.tags() if each[api.tag_field] in (SHARED, other.marker)]:
        own.user.request_json("DELETE", own.user.path(api.tag, id=tag[api.id_field]), None, api.deleted)
    findings = []
    if changed := changed_tables(before, user_rows(admin_connection, target.tables, other.user.id)):
        findings.append(Finding("STA-05", "the other user's rows", "after tags of the same name", "unchanged", changed))
    if other.user.tasks() != tasks:
        findings.append(
            Finding("STA-05", "the other user's tasks", "after tags of the same name", "unchanged", "other")
        )
    report_findings(findings, target)


@pytest.mark.rule("STA-05")
def test_tags_in_postgresql_have_an_owner(target: Target, admin_connection: Connection[Any]) -> None:
    """Without an owner no test can tell whose rows they are, so that only responses are judged."""
    tables = target.tables
    if not exists(admin_connection, tables.tag):
        raise Untested("the database has no table of tags")
    if tags_lack_owner(admin_connection, tables):
        raise Untested(
            f"{tables.tag} has no column {tables.owner} (tables.owner), so its rows were compared in no test"
        )
