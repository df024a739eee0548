"""The backend's endpoints as one table: what each is asked, and what it answers to its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from acceptance.checks.finding import Untested
from acceptance.client.user import User
from acceptance.core.target import Api

OK = requests.codes.ok


@dataclass(frozen=True)
class Things:
    """What a user has, by identifier: the paths of endpoints name it. None where the target offers none."""

    user_id: str
    task: object
    tag: object
    conversation: object


@dataclass(frozen=True)
class Endpoint:
    """One endpoint with a good request to it; `names` is the field of `Things` whose identifier it holds, or empty."""

    method: str
    template: str
    path: str
    status: int
    body: dict[str, Any] | None
    names: str

    @property
    def route(self) -> str:
        going_on = " in a conversation" if self.names == "conversation" and self.body else ""
        return f"{self.method} {self.template}{going_on}"


def endpoints(api: Api, things: Things, text: str) -> list[Endpoint]:
    """Every endpoint that the target names; `text` is the title, name or message that is sent.

    What deletes comes last, so that those before it find their things.
    """
    title, tag, turn = {api.title_field: text}, {api.tag_field: text}, {api.message_field: text}
    going_on = turn | {api.conversation_field: things.conversation}
    done = {api.completed_field: True}
    table = (
        ("GET", api.tasks, "", OK, None),
        ("POST", api.tasks, "", api.created, title),
        ("GET", api.task, "task", OK, None),
        (api.update_method, api.task, "task", OK, title),
        (api.complete_method, api.complete, "task", OK, done),
        ("GET", api.tags, "", OK, None),
        ("POST", api.tags, "", api.created, tag),
        ("POST", api.chat, "", OK, turn),
        ("POST", api.chat, "conversation", OK, going_on),
        ("GET", api.conversations, "", OK, None),
        ("GET", api.messages, "conversation", OK, None),
        ("DELETE", api.tag, "tag", api.deleted, None),
        ("DELETE", api.task, "task", api.deleted, None),
    )
    return [
        Endpoint(
            method,
            path,
            path.format(user_id=things.user_id, id=getattr(things, names, "")),
            status,
            body,
            names,
        )
        for method, path, names, status, body in table
        if path is not None
    ]


def require_path(path: str | None, what: str) -> str:
    """The path, or the end of the test where the target names none."""
    if path is None:
        raise Untested(f"the target names no path for {what}")
    return path


def create_resources(user: User, text: str) -> Things:
    """Give the user one thing of each kind, all called `text`; `AssertionError` where that is not acknowledged."""
    api = user.target.api
    task = user.add_task(text)
    tag = user.request_json("POST", user.path(api.tags), {api.tag_field: text}, api.created) if api.tags else {}
    turn = user.send_message(text)
    return Things(user.id, task[api.id_field], tag.get(api.id_field), turn[api.conversation_field])
