"""Lists: their parts, their order, their filters, and the pages of a long one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from urllib.parse import parse_qs, quote

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.answers import describe
from acceptance.client.documents import Document
from acceptance.client.endpoints import task_lists
from acceptance.client.linked_pages import follow_links
from acceptance.client.sessions import NO_COOKIE
from acceptance.client.user import User, part, send

NEW_ITEMS = 3
"""How many tasks and conversations are added to a list, to look at its beginning."""


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
    """Parts of one item and of two items, put together, are the beginning of the list."""
    api = user.target.api
    if api.page_query is None:
        raise Untested("the target names no query for a part of a list")
    if "{limit}" not in api.page_query:
        raise Untested("parts of the target's lists have a size of their own")
    query = api.page_query
    path, field, _ = new_items(user, kind)

    def ids(query: str = "") -> list[object]:
        return [each[api.id_field] for each in user.items(path + query, field)]

    whole = ids()
    for size in (1, 2):
        offsets = range(0, NEW_ITEMS, size)
        parts = [ids(f"?{part(query, size, offset)}") for offset in offsets]
        assert {len(each) for each in parts[: NEW_ITEMS // size]} == {size}, f"expected parts of {size}, got {parts}"
        found = [each for one in parts for each in one]
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


MANY = 120
"""Tasks of one user: more than common pages of 10, 20, 50 and 100."""
OTHERS = 4
"""After so many of these tasks comes another one, which a search for them does not find."""


@dataclass(frozen=True)
class ManyTasks:
    """A user of many tasks whose titles contain a marker, and of some without it; the oldest first."""

    user: User
    marker: str
    titles: list[str]
    others: list[str]


@pytest.fixture(scope="module")
def many_tasks(users: Callable[[], User]) -> ManyTasks:
    """A new user with many tasks."""
    user, marker = users(), f"many{secrets.token_hex(4)}"
    titles = [f"{marker} {number} {secrets.token_hex(6)}" for number in range(MANY)]
    others = [f"other {secrets.token_hex(6)}" for _ in range(0, MANY, OTHERS)]
    for number, title in enumerate(titles):
        user.add_task(title)
        if number % OTHERS == 0:
            user.add_task(others[number // OTHERS])
    return ManyTasks(user, marker, titles, others)


@pytest.mark.rule("PER-01")
def test_every_one_of_many_tasks_is_listed_and_found(many_tasks: ManyTasks) -> None:
    """The list is read whole or, where the target names a query for that, in parts; a search finds the oldest task."""
    target, user, titles = many_tasks.user.target, many_tasks.user, many_tasks.titles
    api, path = target.api, user.path(target.api.tasks)
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
    seen = follow_links(user, target.pages.tasks, titles)
    unseen = [title for title in titles if title not in seen.titles]
    if unseen and seen.pages > 1:
        what, expected = f"{MANY} tasks on {seen.pages} pages that lead to each other", "each on one of them"
        found_ = Finding("PER-01", f"GET {target.pages.tasks}", what, expected, f"{len(unseen)} on none: {unseen[0]}")
        findings += of_derived_part([found_], target)
    report_findings(findings, target)


@pytest.mark.rule("PER-01")
def test_every_part_of_what_a_search_finds_is_on_its_pages(many_tasks: ManyTasks) -> None:
    """If the page of tasks links to the further pages of a long list, so must the page of a search."""
    target, user = many_tasks.user.target, many_tasks.user
    if target.api.search_query is None:
        raise Untested("the target names no search")
    if not target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    if follow_links(user, target.pages.tasks, many_tasks.titles).pages < 2:
        raise Untested(f"the page of {MANY} tasks leads to no further one")
    page = target.pages.search.format(token=quote(many_tasks.marker))
    found = follow_links(
        user, page, many_tasks.titles, lambda text: not any(title in text for title in many_tasks.others)
    )
    if not found.pages:
        raise Untested("the page of a search shows other tasks too, or none (PER-09)")
    if unseen := [title for title in many_tasks.titles if title not in found.titles]:
        what, expected = f"{MANY} tasks that a search finds", "each on a page of the search that it leads to"
        actual = f"{len(unseen)} on none, such as {unseen[0]}"
        findings = [Finding("PER-01", f"GET {page}", what, expected, actual)]
        report_findings(of_derived_part(findings, target), target)


@pytest.mark.rule("PER-01")
def test_conversation_that_was_used_last_is_listed_first(user: User) -> None:
    """The oldest of three conversations is continued; the page of the chat lists them in the same order."""
    api, pages = user.target.api, user.target.pages
    if not api.last_used_first:
        raise Untested("the target does not say that the list of conversations begins with the one used last")
    path, field, created = new_items(user, "conversations")
    user.send_message("and then?", created[0])
    expected = [str(each) for each in (created[0], *created[:0:-1])]
    orders = {f"GET {path}": [str(each[api.id_field]) for each in user.items(path, field)]}
    if pages.chat and pages.conversation and user.target.auth.has_cookie:
        shown = send(user.gateway, "GET", user.gateway.url("frontend", pages.chat), headers=user.cookie)
        paths = {pages.conversation.format(id=each): each for each in expected}
        links = dict.fromkeys(link for link in Document(shown.text).links if link in paths)
        orders[f"GET {pages.chat}"] = [paths[link] for link in links]
    findings = [
        Finding("PER-01", where, "conversations, the oldest one used last", str(expected), str(order[:NEW_ITEMS]))
        for where, order in orders.items()
        if order[:NEW_ITEMS] != (expected if where == f"GET {path}" else [each for each in expected if each in order])
    ]
    report_findings(of_derived_part(findings, user.target), user.target)


@dataclass(frozen=True)
class FilteredTask:
    """A task, and the lists to which it belongs."""

    id: object
    lists: frozenset[str]


def filtered_tasks(user: User, tag: str, text: str) -> list[FilteredTask]:
    """Create tasks with every mixture of what lists are filtered by: the state, a tag, and a text in the title."""
    api, tasks = user.target.api, []
    states = (False, True) if api.complete else (False,)
    tags = (False, True) if api.task_tags_field else (False,)
    for completed, tagged, titled in product(states, tags, (False, True)):
        fields: dict[str, object] = {api.title_field: f"{text if titled else 'other'} {secrets.token_hex(4)}"}
        if api.task_tags_field and tagged:
            fields[api.task_tags_field] = [tag]
        task = user.task(user.request_json("POST", user.path(api.tasks), fields, api.created))
        if completed:
            path = user.path(api.complete, id=task[api.id_field])
            user.request_json(api.complete_method, path, api.state(completed=True), api.updated)
        belongs = {"completed tasks" if completed else "open tasks"}
        belongs |= ({"tasks with the tag"} if tagged else set()) | ({"tasks found"} if titled else set())
        tasks.append(FilteredTask(task[api.id_field], frozenset(belongs)))
    return tasks


def joined_filters(lists: Mapping[str, str]) -> Iterator[tuple[frozenset[str], str]]:
    """Yield two or more of the filters together, each of a parameter of its own, and the path with their queries."""
    queries = {what: path.partition("?")[2] for what, path in lists.items() if "?" in path}
    tasks = lists["tasks"]
    for count in range(2, len(queries) + 1):
        for names in combinations(queries, count):
            parameters = [name for what in names for name in parse_qs(queries[what])]
            if len(parameters) == len(set(parameters)) and not {"open tasks", "completed tasks"} <= set(names):
                yield frozenset(names), f"{tasks}?{'&'.join(queries[what] for what in names)}"


@pytest.mark.rule("PER-09")
def test_filters_that_are_asked_for_together_all_hold(user: User) -> None:
    """Filters of the tasks are combined in twos and threes; an application may refuse combinations.

    Where the target names a query for a part of a list, parts of one task are the filtered list.
    """
    api = user.target.api
    tag, text = f"both {secrets.token_hex(4)}", f"joined{secrets.token_hex(4)}"
    lists = task_lists(user, tag=tag if api.task_tags_field else None, text=text)
    joined = list(joined_filters(lists))
    if not joined:
        raise Untested("the target names no two filters of the tasks that can be joined")
    tasks, findings, refused = filtered_tasks(user, tag, text), [], 0
    own = {each.id for each in tasks}
    for names, path in joined:
        answer = user.call("GET", path)
        if 400 <= answer.status_code < 500:
            refused += 1
            continue
        found = [each[api.id_field] for each in user.tasks(path) if each[api.id_field] in own]
        expected = {each.id for each in tasks if names <= each.lists}
        what = " that are also ".join(sorted(names))
        if set(found) != expected or len(found) != len(expected):
            findings.append(Finding("PER-09", f"GET {path}", what, str(sorted(map(str, expected))), str(found)))
        elif api.page_query is not None and "{limit}" in api.page_query and "tasks found" in names:
            parts = [f"{path}&{part(api.page_query, 1, number)}" for number in range(len(found))]
            read = [each[api.id_field] for one in parts for each in user.items(one, api.tasks_field)]
            if read != found:
                findings.append(Finding("PER-09", f"GET {path}", f"{what}, in parts of one", str(found), str(read)))
    if refused == len(joined):
        raise Untested("the application refuses filters that are asked for together")
    report_findings(findings, user.target)
