"""Texts of every kind and length are stored, sent and shown as they were given, or refused as bad input."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from psycopg import Connection

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client import prompts
from acceptance.client.answers import describe, json_of
from acceptance.client.documents import Document
from acceptance.client.endpoints import task_lists
from acceptance.client.odd_texts import ODD_TEXTS, odd_text
from acceptance.client.pods import origins
from acceptance.client.remembered import turns_remembered
from acceptance.client.rows import changed_tables, rows, tag_rows, user_rows
from acceptance.client.speakers import speaker
from acceptance.client.user import User, send
from acceptance.core.fields import text_at
from acceptance.core.target import Api
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

RULE = "PER-09"


def page_findings(release: Release, user: User, path: str, texts: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each pod whose page does not show a text, or reads it as markup; `texts` by marker."""
    findings = []
    for pod, origin in origins(release, "frontend").items():
        answer = send(user.gateway, "GET", origin + path, headers=user.cookie, allow_redirects=False)
        page = Document(answer.text)
        if answer.status_code != 200:
            findings.append(Finding(RULE, f"Pod/{pod}", path, "200", describe(release.target, answer)))
        elif not any(marker in page.text for marker in texts):
            raise Untested(f"the first HTML of {path} shows none of the user's texts (STA-10)")
        for marker, text in texts.items():
            if marker in page.ids:
                findings.append(Finding(RULE, f"Pod/{pod}", path, "the text, escaped", f"an element of it: {text}"))
            elif text not in page.text and answer.status_code == 200:
                findings.append(Finding(RULE, f"Pod/{pod}", path, f"the text {text!r}", "missing or altered"))
    return findings


@pytest.mark.rule("PER-09")
def test_odd_titles_are_stored_found_and_shown(
    ready_release: Release, users: Callable[[], User], admin_connection: Connection[Any]
) -> None:
    """The response, every pod, PostgreSQL, a search and the page have it as it is; the page shows it as text alone."""
    user = users()
    api, tables = user.target.api, user.target.tables
    texts = {(marker := f"t{secrets.token_hex(6)}"): odd_text(kind, marker) for kind in ODD_TEXTS}
    texts = {key: text for key, text in texts.items() if api.title_limit is None or len(text) <= api.title_limit}
    if not texts:
        raise Untested(f"titles of {api.title_limit} characters are too short for what is asked here")
    identifiers, findings = {}, []
    for text in texts.values():
        answer = user.call("POST", user.path(api.tasks), json={api.title_field: text})
        if answer.status_code != api.created:
            expected, actual = str(api.created), describe(user.target, answer)
            findings.append(Finding(RULE, f"POST {api.tasks}", repr(text), expected, actual))
            continue
        task = user.task(json_of(answer, f"POST {api.tasks}"))
        identifiers[text] = task[api.id_field]
        stored = rows(admin_connection, tables.task, {tables.owner: user.id, tables.task_id: task[api.id_field]})
        found = {"response": task[api.title_field], "row": " and ".join(row[tables.task_title] for row in stored)}
        if search := task_lists(user, text=text).get("tasks found"):
            ids = [each[api.id_field] for each in user.tasks(search)]
            found["search"] = text if ids == [identifiers[text]] else f"the tasks {ids}"
        findings += [Finding(RULE, what, "title", text, actual) for what, actual in found.items() if actual != text]
    for pod, origin in origins(ready_release, "backend").items():
        titles = {each[api.id_field]: each[api.title_field] for each in user.tasks(origin=origin)}
        for text, identifier in identifiers.items():
            if (actual := titles.get(identifier, "missing")) != text:
                findings.append(Finding(RULE, f"Pod/{pod}", f"GET {api.tasks}", text, actual))
    report_findings(findings, user.target)
    report_findings(page_findings(ready_release, user, user.target.pages.tasks, texts), user.target)


@pytest.mark.rule("PER-09")
def test_search_takes_wildcards_literally(user: User) -> None:
    """Each of three titles that differ in one character is found alone."""
    api, marker = user.target.api, secrets.token_hex(6)
    if api.search_query is None:
        raise Untested("the target names no search")
    titles = [f"a{character}b {marker}" for character in ("%", "_", "x", "\\")]
    for title in titles:
        user.add_task(title)
    findings = []
    for title in titles:
        path = task_lists(user, text=title)["tasks found"]
        found = [each[api.title_field] for each in user.tasks(path)]
        if found != [title]:
            findings.append(Finding(RULE, f"GET {path}", "titles", str([title]), str(found)))
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_search_takes_wildcards_literally_in_every_field(user: User) -> None:
    """A search that reads further fields than the title finds a text there by itself alone."""
    api = user.target.api
    if api.search_query is None:
        raise Untested("the target names no search")
    texts = [name for name, values in api.task_fields.items() if all(isinstance(value, str) for value in values)]
    findings, searched = [], False
    for field in texts:
        marker = secrets.token_hex(6)
        identifiers = {}
        for character in ("%", "_", "x", "\\"):
            text = f"a{character}b {marker}"
            body = {api.title_field: f"wildcard {secrets.token_hex(6)}", field: text}
            answer = user.call("POST", user.path(api.tasks), json=body)
            if answer.status_code == api.created:  # refused if the field has words of its own, as a priority has
                identifiers[text] = user.task(json_of(answer, f"POST {api.tasks}"))[api.id_field]
        for text, identifier in identifiers.items():
            path = task_lists(user, text=text)["tasks found"]
            found = [each[api.id_field] for each in user.tasks(path)]
            searched |= identifier in found
            if others := [each for each in found if each != identifier]:
                expected = f"the task whose {field} is {text!r}, or none"
                findings.append(Finding(RULE, f"GET {path}", "tasks", expected, f"{len(others)} others too"))
    if not searched and not findings:
        raise Untested("the search reads the title alone")
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_search_page_shows_what_was_found_only(ready_release: Release, users: Callable[[], User]) -> None:
    if ready_release.target.api.search_query is None:
        raise Untested("the target names no search")
    user = users()
    found, other = (f"{what} {secrets.token_hex(6)}" for what in ("found", "other"))
    for title in (found, other):
        user.add_task(title)
    findings = []
    path = user.target.pages.search.format(token=quote(found))
    for pod, origin in origins(ready_release, "frontend").items():
        tasks, search = (
            Document(send(user.gateway, "GET", origin + each, headers=user.cookie).text).text
            for each in (user.target.pages.tasks, path)
        )
        if found not in tasks or other not in tasks:
            raise Untested("the first HTML does not show the user's tasks (STA-10)")
        if found not in search or other in search:
            actual = "both" if found in search else "not the task"
            findings.append(Finding(RULE, f"Pod/{pod}", f"GET {path}", f"{found} alone", actual))
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_odd_tags_are_stored_and_found(user: User, admin_connection: Connection[Any]) -> None:
    """The response, PostgreSQL, a task and the filter by tag have it as it is."""
    api, tables = user.target.api, user.target.tables
    path = user.path(api.tags, "tags")
    if api.tag_limit is None:
        raise Untested("the target names no longest tag")
    names = [odd_text(kind, f"g{secrets.token_hex(3)}") for kind in ODD_TEXTS]
    names = ["x" * api.tag_limit, *(name for name in names if len(name) <= api.tag_limit)]
    findings = []
    for name in names:
        answer = user.call("POST", path, json={api.tag_field: name})
        count = len(tag_rows(admin_connection, tables, user.id, name)) if tables.tag else 1
        created = user.content(json_of(answer, f"POST {api.tags}")) if answer.status_code == api.created else None
        if text_at(created, api.tag_field) != name or count != 1:
            actual = f"{describe(user.target, answer)}, {count} rows"
            findings.append(Finding(RULE, f"POST {api.tags}", repr(name), "stored as given", actual))
        if api.task_tags_field:
            fields = {api.title_field: f"tagged {name[:20]}", api.task_tags_field: [name]}
            task = user.task(user.request_json("POST", user.path(api.tasks), fields, api.created))
            lists = task_lists(user, tag=name)
            found = user.tasks(lists.get("tasks with the tag", lists["tasks"]))
            if [each[api.task_tags_field] for each in found if each[api.id_field] == task[api.id_field]] != [[name]]:
                findings.append(Finding(RULE, "task's tags", repr(name), "found by it, alone", str(found)[:200]))
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_tags_that_differ_in_case_are_both_kept(user: User) -> None:
    """Each task has the tag that it was given; an application may also refuse the second one."""
    api, marker = user.target.api, secrets.token_hex(3)
    if not api.task_tags_field:
        raise Untested("the target names no tags of tasks")
    findings = []
    for name in (f"Case {marker}", f"case {marker}", f"CASE {marker}"):
        fields = {api.title_field: f"tagged {name}", api.task_tags_field: [name]}
        answer = user.call("POST", user.path(api.tasks), json=fields)
        if answer.status_code == api.bad_input:
            continue
        path = user.path(api.task, id=user.task(json_of(answer, f"POST {api.tasks}"))[api.id_field])
        tags = user.task(user.request_json("GET", path))[api.task_tags_field]
        if tags != [name]:
            findings.append(Finding(RULE, f"GET {api.task}", "tags", f"{[name]}", f"{tags}"))
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_filter_for_a_tag_finds_its_tasks_only(user: User) -> None:
    """The tasks have one tag, another one, both, or none."""
    api, marker = user.target.api, secrets.token_hex(4)
    if api.tag_query is None or api.task_tags_field is None:
        raise Untested("the target names no query for a tag's tasks")
    one, other = f"one {marker}", f"other {marker}"
    tasks = {}
    for names in ((one,), (other,), (one, other), ()):
        fields = {api.title_field: f"tagged {marker}", api.task_tags_field: list(names)}
        task = user.task(user.request_json("POST", user.path(api.tasks), fields, api.created))
        tasks[task[api.id_field]] = names
    findings = []
    for tag in (one, other):
        expected = {identifier for identifier, names in tasks.items() if tag in names}
        path = task_lists(user, tag=tag)["tasks with the tag"]
        found = {each[api.id_field] for each in user.tasks(path)}
        if found != expected:
            findings.append(Finding(RULE, f"GET {path}", "tasks with the tag", str(expected), str(found)))
    report_findings(findings, user.target)


@pytest.mark.rule("PER-09")
def test_one_character_is_enough(user: User) -> None:
    """Titles, tags and messages are tried."""
    api, character = user.target.api, secrets.choice("äßçéñ漢字語")
    user.add_task(character)
    if api.tags and api.tag:
        tag = user.add_tag(character)
        user.request_json("DELETE", user.path(api.tag, id=tag[api.id_field]), None, api.deleted)
    if not user.chat_obstacle:
        user.send_message(character)


def written(user: User, text: str) -> Iterator[tuple[str, str, dict[str, Any], str, str]]:
    """Yield each request that stores a text: its kind, path and body, and the table and column of the text."""
    api, tables = user.target.api, user.target.tables
    yield "title", user.path(api.tasks), {api.title_field: text}, tables.task, tables.task_title
    if api.tags and tables.tag:
        yield "tag", user.path(api.tags), {api.tag_field: text}, tables.tag, tables.tag_name
    if not user.chat_obstacle:
        yield "message", user.chat_path, {api.message_field: text}, tables.message, tables.message_content


@pytest.mark.rule("PER-09")
def test_white_space_at_the_ends_is_dropped(user: User, admin_connection: Connection[Any]) -> None:
    """White space around a title, a tag and a message is dropped; without anything else it is bad input."""
    api = user.target.api
    if not api.trims_text:
        raise Untested("the target does not say that white space at the ends of a text is dropped")
    findings, text = [], f"within white  space {secrets.token_hex(6)}"
    for kind, path, body, table, column in written(user, f"\t {text}\n "):
        answer = user.call("POST", path, json=body)
        count = len(rows(admin_connection, table, {column: text}))
        if not answer.ok or count != 1:
            actual = f"{describe(user.target, answer)}, {count} rows"
            findings.append(Finding(RULE, f"POST {path}", kind, f"{text!r} in one row", actual))
    before = user_rows(admin_connection, user.target.tables, user.id)
    for kind, path, body, _, _ in written(user, " \t\n"):
        answer = user.call("POST", path, json=body)
        if answer.status_code != api.bad_input:
            actual = describe(user.target, answer)
            findings.append(Finding(RULE, f"POST {path}", f"{kind} of white space", str(api.bad_input), actual))
    if changed := changed_tables(before, user_rows(admin_connection, user.target.tables, user.id)):
        findings.append(Finding(RULE, "the user's rows", "after texts of white space", "unchanged", changed))
    report_findings(findings, user.target)


WRITES: Mapping[str, Callable[[Api], tuple[str | None, str | None]]] = {
    "create": lambda api: ("POST", api.tasks),
    "update": lambda api: (api.update_method, api.task),
    "partial update": lambda api: (api.partial_method, api.task),
}


@pytest.mark.rule("PER-09")
@pytest.mark.parametrize("write", WRITES)
def test_longest_title_is_stored_and_a_longer_one_refused(
    user: User, admin_connection: Connection[Any], write: str
) -> None:
    """The characters have several bytes each."""
    api, tables = user.target.api, user.target.tables
    if api.title_limit is None:
        raise Untested("the target names no longest title")
    method, template = WRITES[write](api)
    path = user.path(template if method else None, f"a {write}", id=user.add_task("short")[api.id_field])
    longest = (secrets.token_hex(6) + "é漢" * api.title_limit)[: api.title_limit]
    answer = user.call(str(method), path, json={api.title_field: longest})
    assert answer.ok, f"title of {len(longest)} characters: expected 2xx, got {describe(user.target, answer)}"
    task = user.task(json_of(answer, f"{method} {path}") or user.request_json("GET", path))
    stored = rows(admin_connection, tables.task, {tables.task_id: task[api.id_field]})
    actual = task[api.title_field], [row[tables.task_title] for row in stored]
    assert actual == (longest, [longest]), f"expected the whole title in response and row, got {actual}"
    before = user_rows(admin_connection, tables, user.id)
    refused = user.call(str(method), path, json={api.title_field: f"{longest}x"})
    described = describe(user.target, refused)
    assert refused.status_code == api.bad_input, f"one character more: expected {api.bad_input}, got {described}"
    changed = changed_tables(before, user_rows(admin_connection, tables, user.id))
    assert not changed, f"expected nothing stored of a refused title, got {changed}"


def message_findings(
    user: User, model: ModelStub, postgres: Connection[Any], text: str, conversation: object
) -> tuple[list[Finding], object]:
    """Send a message, which the model, PostgreSQL and the list of messages must have as it is.

    Returns the findings and the conversation.
    """
    api, tables = user.target.api, user.target.tables
    with prompts.recorded(model) as bodies:
        answer = user.send_message(text, conversation)
    received = prompts.messages(prompts.longest(bodies))[-1:]
    found = {"request to the model": [text for role, text in received if role == "user"]}
    if api.conversation_field:
        conversation = user.conversation_of(answer)
        stored = rows(postgres, tables.message, {tables.message_conversation: conversation})
        by_user = [row[tables.message_content] for row in stored if speaker(row[tables.message_role]) == "user"]
        found[f"table {tables.message}"] = [each for each in by_user if each == text]
        if api.messages:
            contents = [each[api.content_field] for each in user.messages(conversation)]
            found[f"GET {api.messages}"] = [each for each in contents if each == text]
    findings = [
        Finding(RULE, where, f"message of {len(text)} characters", f"once, {text[:60]!r}", str(actual)[:200])
        for where, actual in found.items()
        if actual != [text]
    ]
    return findings, conversation


@pytest.mark.rule("PER-09")
def test_odd_messages_reach_the_model_and_the_page(
    ready_release: Release, user: User, model: ModelStub, admin_connection: Connection[Any]
) -> None:
    texts = {(marker := f"m{secrets.token_hex(6)}"): odd_text(kind, marker) for kind in ODD_TEXTS}
    findings: list[Finding] = []
    conversation: object = None
    for text in texts.values():
        more, conversation = message_findings(user, model, admin_connection, text, conversation)
        findings += more
    report_findings(findings, user.target)
    page = user.target.pages.conversation
    if page and conversation is not None:
        report_findings(page_findings(ready_release, user, page.format(id=conversation), texts), user.target)


@pytest.mark.rule("PER-09")
def test_longest_message_arrives_and_a_longer_one_is_refused(
    user: User, model: ModelStub, admin_connection: Connection[Any]
) -> None:
    api = user.target.api
    if api.message_limit is None:
        raise Untested("the target names no longest message")
    longest = (secrets.token_hex(6) + " é漢" * api.message_limit)[: api.message_limit - 1] + "."
    findings, conversation = message_findings(user, model, admin_connection, longest, None)
    if conversation is not None and turns_remembered(api, 1):
        with prompts.recorded(model) as bodies:
            user.send_message("and now?", conversation)
        said = [text for role, text in prompts.messages(prompts.longest(bodies)) if role == "user"]
        if longest not in said:
            where, expected = "request to the model", f"all of its {len(longest)} characters"
            actual = f"{max((len(text) for text in said if text[:12] == longest[:12]), default=0)} characters"
            findings.append(Finding(RULE, where, "the longest message, one turn later", expected, actual))
    before = user_rows(admin_connection, user.target.tables, user.id)
    with prompts.recorded(model) as bodies:
        answer = user.call("POST", user.chat_path, json={api.message_field: f"{longest}x"})
    if answer.status_code != api.bad_input or bodies:
        expected, actual = f"{api.bad_input}, nothing to the model", describe(user.target, answer)
        findings.append(Finding(RULE, f"POST {api.chat}", "one character more", expected, actual))
    if changed := changed_tables(before, user_rows(admin_connection, user.target.tables, user.id)):
        findings.append(Finding(RULE, "the user's rows", "after a refused message", "unchanged", changed))
    report_findings(findings, user.target)
