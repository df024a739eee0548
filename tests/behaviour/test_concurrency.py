"""Many users at once: slow chat turns delay no other request, and writes at the same moment are all stored."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from psycopg import Connection
from requests import Response

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import describe
from acceptance.client.prompts import wait_until_asked
from acceptance.client.rows import rows, tag_rows
from acceptance.client.simultaneous import send_to_locked_row, send_together
from acceptance.client.user import User, send
from acceptance.client.visitor import Visitor
from acceptance.core.target import ComponentName, Target
from acceptance.experiments.faults import model_slow
from acceptance.provision.gateway import Gateway
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

Call = Callable[[], Response]
TURNS_BY_API, TURNS_BY_PAGE = 5, 10
"""Chat turns that wait for the model at once: more than a pod has workers by default, or connections to another pod."""
MODEL_SECONDS = 6.0
"""How long the model takes for each: the reads meanwhile take a second, and a request's limit is 10 s."""
SHORT_SECONDS = 1.5
"""The same for a turn during which only one request is sent."""
READ_SECONDS = MODEL_SECONDS / 2
"""Time limit of a read. One that waits for a turn takes longer; on a busy machine a read takes a second or two."""
ROUNDS = 3
"""How often the list and the page are read meanwhile."""
TOGGLES = 4
"""Two readers for each of two pods."""
WRITES = 12
"""Writes at the same moment: six for each of two pods, more than a pool of connections has by default."""


def outcome_of(call: Call) -> Response | AssertionError:
    """Return the response, or why there was none."""
    try:
        return call()
    except AssertionError as error:
        return error


def failures(target: Target, outcomes: Sequence[Response | AssertionError]) -> Iterator[str]:
    """Yield what was answered instead of 2xx or a redirect."""
    for outcome in outcomes:
        if isinstance(outcome, AssertionError):
            yield str(outcome)[:300]
        elif not outcome.ok:
            yield describe(target, outcome)


def turns_by_api(user: User, markers: Sequence[str]) -> list[Call]:
    field = user.target.api.message_field
    return [partial(user.call, "POST", user.chat_path, json={field: marker}) for marker in markers]


def turns_by_page(release: Release, user: User, markers: Sequence[str]) -> list[Call]:
    """Return a function that sends turns by the page for chat; None if the target names none, or it needs scripts."""
    screens, path = release.target.screens, release.target.pages.chat
    if screens is None or path is None or not user.target.auth.has_cookie:
        return []
    visitors = [Visitor.signed_in(release, user) for _ in markers]
    if not visitors[0].has_form(path, screens.send_button):
        return []
    return [
        partial(visitor.press, path, screens.send_button, {screens.message: marker})
        for visitor, marker in zip(visitors, markers, strict=True)
    ]


def late_reads(target: Target, reads: Mapping[ComponentName, Call], meanwhile: str) -> list[Finding]:
    """Send each read `ROUNDS` times, and return a finding for each that fails or is late."""
    findings = []
    for component, read in list(reads.items()) * ROUNDS:
        start = time.monotonic()
        outcome = outcome_of(read)
        seconds = time.monotonic() - start
        failed = "".join(failures(target, [outcome]))
        if failed or seconds > READ_SECONDS:
            expected = f"an answer within {READ_SECONDS:g} s"
            actual = f"after {seconds:.1f} s {failed or 'an answer'}"
            service = f"Service/{target.component(component).service}"
            findings.append(Finding("STA-13", service, f"a read while {meanwhile}", expected, actual))
    return findings


@pytest.mark.rule("STA-13")
def test_slow_chat_turns_delay_no_other_request(
    ready_release: Release, gateway: Gateway, user: User, other_user: User, model: ModelStub
) -> None:
    """Turns of one user through the API and through the page, while another one reads tasks and a page."""
    target = ready_release.target
    markers = [[f"slow {secrets.token_hex(6)}" for _ in range(turns)] for turns in (TURNS_BY_API, TURNS_BY_PAGE)]
    ways = [turns_by_api(user, markers[0]), turns_by_page(ready_release, user, markers[1])]
    turns = [turn for way in ways for turn in way]
    url = gateway.url("frontend", target.pages.tasks)
    reads: dict[ComponentName, Call] = {
        "backend": partial(other_user.call, "GET", other_user.path(target.api.tasks)),
        "frontend": partial(send, gateway, "GET", url, headers=other_user.browser_headers, allow_redirects=False),
    }
    with model_slow(model, MODEL_SECONDS), ThreadPoolExecutor(len(turns)) as pool:
        sent = [pool.submit(outcome_of, turn) for turn in turns]
        wait_until_asked(model, [of_way for way, of_way in zip(ways, markers, strict=True) if way])
        findings = late_reads(target, reads, f"{len(turns)} chat turns wait for the model")
        answers = [each.result() for each in sent]
    service = f"Service/{target.component('backend').service}"
    field, expected = f"{len(turns)} chat turns at once", "each answered as a single one"
    findings += [Finding("STA-13", service, field, expected, failed) for failed in failures(target, answers)]
    report_findings(findings, target)


def simultaneous_writes(user: User, token: str) -> Iterator[tuple[str, list[Call]]]:
    """Yield each kind of write that the target offers, with its writes; each task's title begins with `token`."""
    api, tasks = user.target.api, user.path(user.target.api.tasks)
    titles = [f"{token} {number}" for number in range(WRITES)]

    def write(method: str, path: str, body: Mapping[str, object]) -> Call:
        return partial(user.call, method, path, json=body)

    yield "new tasks", [write("POST", tasks, {api.title_field: title}) for title in titles]
    if api.complete is not None:
        path = user.path(api.complete, id=user.add_task(f"{token} one")[api.id_field])
        yield "completions of one task", [write(api.complete_method, path, api.state(completed=True))] * WRITES
    if api.task_tags_field is not None:
        paths = {title: user.path(api.task, id=user.add_task(f"{title} tagged")[api.id_field]) for title in titles}
        for what, tags in (
            ("a new tag of each task", {title: [title] for title in titles}),
            ("one new tag of every task", {title: [f"{token} same"] for title in titles}),
        ):
            bodies = {title: {api.title_field: f"{title} tagged", api.task_tags_field: tags[title]} for title in titles}
            yield what, [write(api.update_method, paths[title], bodies[title]) for title in titles]


@pytest.mark.rule("STA-13")
def test_writes_at_the_same_moment_are_all_stored(
    user: User, target: Target, admin_connection: Connection[Any]
) -> None:
    """New tasks, completions of one task, and tags, which tasks may share, are counted in PostgreSQL afterwards."""
    tables, token = target.tables, f"at once {secrets.token_hex(6)}"
    service, findings = f"Service/{target.component('backend').service}", []
    for what, calls in simultaneous_writes(user, token):
        outcomes = send_together([partial(outcome_of, call) for call in calls])
        for failed in failures(target, outcomes):
            field, expected = f"{len(calls)} at the same moment: {what}", "each answered as a single one"
            findings.append(Finding("STA-13", service, field, expected, failed))
    report_findings(findings, target)
    titles = [str(row[tables.task_title]) for row in rows(admin_connection, tables.task, {tables.owner: user.id})]
    counts = {f"{token} {number}": titles.count(f"{token} {number}") for number in range(WRITES)}
    assert set(counts.values()) == {1}, f"{tables.task}: expected one row of each title, got {counts}"
    if target.api.task_tags_field is not None and tables.tag is not None:
        tags = tag_rows(admin_connection, tables, user.id)
        same = [tag for tag in tags if f"{token} same" in tag.values()]
        assert len(same) == 1, f"{tables.tag}: expected one row of the tag that all tasks have, got {len(same)}"
    report_findings(tag_findings(user, token), target)


def tag_findings(user: User, token: str) -> list[Finding]:
    """Return a finding for each task whose tags are not the one tag that every task was given last."""
    api, findings = user.target.api, []
    if api.task_tags_field is None:
        return []
    tagged = [each for each in user.tasks() if re.fullmatch(rf"{token} \d+ tagged", str(each[api.title_field]))]
    for each in tagged:
        task = user.task(user.request_json("GET", user.path(api.task, id=each[api.id_field])))
        if (tags := task[api.task_tags_field]) != [f"{token} same"]:
            field, expected = f"tags of {each[api.title_field]!r}", f"{[f'{token} same']}"
            findings.append(Finding("STA-13", f"GET {api.task}", field, expected, f"{tags}"))
    assert len(tagged) == WRITES, f"expected {WRITES} tasks with tags in the list, got {len(tagged)}"
    return findings


@pytest.mark.rule("STA-13", "PER-09")
def test_changes_of_different_fields_at_the_same_moment_are_both_kept(
    user: User, target: Target, admin_connection: Connection[Any]
) -> None:
    """A server that writes back the whole task as it has read it would undo the other change."""
    api, tables = target.api, target.tables
    if api.partial_method is None:
        raise Untested("the target names no method that changes single fields of a task")
    name = next((each for each in api.task_fields if each != api.title_field), None)
    if name is None:
        raise Untested("the target names no field of a task beside its title that can be changed")
    before, changed = user.add_task(f"pair {secrets.token_hex(6)}"), f"changed {secrets.token_hex(6)}"
    value = next(each for each in api.task_fields[name] if each != before.get(name))
    task_id = before[api.id_field]
    path = user.path(api.task, id=task_id)
    bodies: tuple[Mapping[str, object], ...] = ({api.title_field: changed}, {name: value})
    calls = [partial(outcome_of, partial(user.call, api.partial_method, path, json=body)) for body in bodies]
    failed = list(failures(target, send_to_locked_row(admin_connection, tables.task, tables.task_id, task_id, calls)))
    task = user.task(user.request_json("GET", path))
    kept = (task.get(api.title_field), task.get(name))
    if failed or kept != (changed, value):
        service = f"Service/{target.component('backend').service}"
        field, expected = f"changes of {api.title_field} and {name} at the same moment", f"{(changed, value)}"
        actual = failed[0] if failed else f"{kept}"
        report_findings([Finding("STA-13", service, field, expected, actual)], target)


@pytest.mark.rule("STA-13", "PER-09")
def test_toggles_at_the_same_moment_all_count(user: User, target: Target, admin_connection: Connection[Any]) -> None:
    """Each of an even number of toggles is acknowledged, so the state is the same as before."""
    api, tables = target.api, target.tables
    if not (api.complete and api.complete_toggles):
        raise Untested("the target does not say that completing a task without a body toggles its state")
    task = user.add_task(f"toggled {secrets.token_hex(6)}")
    task_id, before = task[api.id_field], task[api.completed_field]
    toggle = partial(user.call, api.complete_method, user.path(api.complete, id=task_id))
    calls = [partial(outcome_of, toggle)] * TOGGLES
    failed = list(failures(target, send_to_locked_row(admin_connection, tables.task, tables.task_id, task_id, calls)))
    after = user.task(user.request_json("GET", user.path(api.task, id=task_id)))[api.completed_field]
    if failed or after != before:
        service, field = f"Service/{target.component('backend').service}", f"{TOGGLES} toggles at the same moment"
        actual = failed[0] if failed else f"{api.completed_field} {after}"
        report_findings([Finding("STA-13", service, field, f"{api.completed_field} {before}", actual)], target)


@pytest.mark.rule("STA-13", "PER-09")
def test_change_during_a_chat_turn_is_kept(user: User, target: Target, model: ModelStub) -> None:
    """A turn that stores tasks as they were before the model answered would undo the change."""
    api, token = target.api, secrets.token_hex(6)
    service = f"Service/{target.component('backend').service}"
    one = user.add_task(f"one {token}")
    path, changed = user.path(api.task, id=one[api.id_field]), f"changed {token}"
    with model_slow(model, SHORT_SECONDS), ThreadPoolExecutor(1) as pool:
        message = f"add task: another {token}"
        turn = pool.submit(outcome_of, partial(user.call, "POST", user.chat_path, json={api.message_field: message}))
        wait_until_asked(model, [[message]])
        user.request_json(api.update_method, path, {api.title_field: changed}, api.updated)
        outcome = turn.result()
    field = "a chat turn while a task is changed"
    findings = [Finding("STA-13", service, field, "answered", failed) for failed in failures(target, [outcome])]
    title = user.task(user.request_json("GET", path))[api.title_field]
    if title != changed:
        field, expected = "a task that is changed during a chat turn", f"the title {changed!r}"
        findings += [Finding(rule, service, field, expected, repr(title)) for rule in ("STA-13", "PER-09")]
    report_findings(findings, target)
