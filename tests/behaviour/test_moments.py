"""Moments in responses: each has its offset from UTC, one of a creation stays, and one of a change follows it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import json_of, moments
from acceptance.client.endpoints import endpoints, require_resources
from acceptance.client.identity import same
from acceptance.client.user import User
from acceptance.core.target import Target
from acceptance.core.wait import dwell

RULE = "PER-09"
CREATED = re.compile(r"(?i)creat")
CHANGED = re.compile(r"(?i)update|modif")
"""How the field of a moment is named in the usual languages and styles: `created_at`, `updatedAt`, `date_modified`."""
TOLERANCE = 60.0
"""Seconds for a difference of clocks; that of an hour or more is one of time zones."""
LATER = 1.1
"""Seconds between a creation and a change: moments may be whole seconds."""


@pytest.mark.rule("PER-09")
def test_moments_have_an_offset_from_utc(user: User, target: Target) -> None:
    """A browser takes a moment without an offset for its own local time."""
    read = [each for each in endpoints(target.api, require_resources(user, "moment"), "") if each.method == "GET"]
    found = {
        (each.route, field): moment for each in read for field, moment in moments(user.request_json("GET", each.path))
    }
    if not found:
        raise Untested("no response has a moment")
    report_findings(
        [
            Finding(RULE, route, field, "a moment with its offset from UTC", moment)
            for (route, field), moment in found.items()
            if datetime.fromisoformat(moment).tzinfo is None
        ],
        target,
    )


def named(item: object, name: re.Pattern[str]) -> dict[str, datetime]:
    """Return an item's own moments, not those of what is in it, by their fields, where these are named so."""
    found = {field: moment for field, moment in moments(item) if "." not in field and name.search(field)}
    return {field: datetime.fromisoformat(moment) for field, moment in found.items()}


@pytest.mark.rule("PER-09")
def test_moment_of_a_creation_is_now(user: User, target: Target) -> None:
    """By the response's own Date: a server that gives its local time for UTC is hours away from it."""
    api = target.api
    answer = user.call("POST", user.path(api.tasks), json={api.title_field: f"now {secrets.token_hex(6)}"})
    created = named(user.task(json_of(answer, f"POST {api.tasks}")), CREATED)
    if not created or "Date" not in answer.headers:
        raise Untested("a new task has no moment of its creation, or its response no Date")
    now = parsedate_to_datetime(answer.headers["Date"])
    report_findings(
        [
            Finding(RULE, f"POST {api.tasks}", field, f"{now}, {TOLERANCE:g} s more or less", str(moment))
            for field, moment in created.items()
            if moment.tzinfo is not None and abs((moment - now).total_seconds()) > TOLERANCE
        ],
        target,
    )


@dataclass(frozen=True)
class Change:
    """A change of one thing, how that is read, and how it was before."""

    what: str
    make: Callable[[], object]
    read: Callable[[], object]
    before: object


def task_change(user: User, what: str, method: str, template: str, fields: Mapping[str, object]) -> Change:
    """Return a change of a new task by some fields, sent to one of the target's paths of a task."""
    api = user.target.api
    task = user.add_task(f"moment {secrets.token_hex(6)}")[api.id_field]
    path = user.path(api.task, id=task)

    def read() -> object:
        return user.task(user.request_json("GET", path))

    make = partial(user.request_json, method, user.path(template, id=task), fields, api.updated)
    return Change(f"a task after {method} {what}", make, read, read())


def task_changes(user: User) -> Iterator[Change]:
    """Yield a change of a new task in each way that the target offers."""
    api = user.target.api
    title = {api.title_field: f"changed {secrets.token_hex(6)}"}
    yield task_change(user, f"of {api.title_field}", api.update_method, api.task, title)
    if api.partial_method is not None:
        new = user.add_task(f"as new {secrets.token_hex(6)}")
        for name, values in api.task_fields.items():
            value = next(each for each in values if each != new.get(name))
            yield task_change(user, f"of {name}", api.partial_method, api.task, {name: value})
    if api.complete is not None:
        yield task_change(user, "that completes it", api.complete_method, api.complete, api.state(completed=True))


def conversation_change(user: User) -> Change:
    """Return a further turn in a new conversation."""
    first, identifier = user.conversation_of(user.send_message("hello")), user.target.api.id_field

    def read() -> object:
        return next((each for each in user.conversations() if same(each[identifier], first)), {})

    return Change("a conversation after a turn", lambda: user.send_message("and then?", first), read, read())


def moved(what: str, before: object, after: object, *, changed: bool) -> Iterator[Finding]:
    """Yield a finding for each moment that has moved, or has not, against its name."""
    for name, moves in ((CREATED, False), (CHANGED, changed)):
        later = named(after, name)
        for field, moment in named(before, name).items():
            found = later.get(field)
            if found is None or (found <= moment if moves else found != moment):
                expected = f"later than {moment}" if moves else f"still {moment}"
                yield Finding(RULE, what, field, expected, str(found))


def report_changes(changes: Iterable[Change], target: Target) -> None:
    """Make the changes some time later, and report the moments that do not move as they are named."""
    findings: list[Finding] = []
    made = list(changes)
    dwell(LATER, "what is changed now is later than its creation, also in whole seconds")
    for change in made:
        findings += moved(f"{change.what}, only read so far", change.before, change.read(), changed=False)
        change.make()
        findings += moved(change.what, change.before, change.read(), changed=True)
    report_findings(findings, target)
    if not any(named(change.before, name) for change in made for name in (CREATED, CHANGED)):
        raise Untested("no field is named as a moment of a creation or of a change")


@pytest.mark.rule("PER-09")
def test_change_moves_its_own_moment_and_not_that_of_the_creation(user: User, target: Target) -> None:
    """Each field of a task is changed, and one is completed; reading them moves nothing."""
    report_changes(task_changes(user), target)


@pytest.mark.rule("PER-09")
@pytest.mark.usefixtures("model")  # no turn reaches a model that costs money
def test_turn_moves_the_moment_of_its_conversation(user: User, target: Target) -> None:
    if target.api.conversations is None:
        raise Untested("the target names no list of conversations")
    report_changes([conversation_change(user)], target)
