"""The backend's endpoints as one table: what each is asked, and what it answers to its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from acceptance.target import Api
from acceptance.verdict import untested

OK = 200


@dataclass(frozen=True)
class Things:
    """What a user has, by identifier: the paths of endpoints name it."""

    user_id: str
    task: Any
    tag: Any
    conversation: Any


@dataclass(frozen=True)
class Endpoint:
    """One endpoint with a good request to it, and the status of its answer."""

    name: str
    method: str
    path: str
    status: int
    body: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.name})"


def endpoints(api: Api, things: Things, text: str) -> list[Endpoint]:
    """Every endpoint that the target names; `text` is the title, name or message that is sent.

    What deletes comes last, so that those before it find their things.
    """
    title, tag, turn = {api.title_field: text}, {api.tag_field: text}, {api.message_field: text}
    going_on = turn | {api.conversation_field: things.conversation}
    done = {api.completed_field: True}
    table = (
        ("tasks are listed", "GET", api.tasks, None, OK, None),
        ("a task is created", "POST", api.tasks, None, api.created, title),
        ("a task is read", "GET", api.task, things.task, OK, None),
        ("a task is updated", api.update_method, api.task, things.task, OK, title),
        ("a task is completed", api.complete_method, api.complete, things.task, OK, done),
        ("tags are listed", "GET", api.tags, None, OK, None),
        ("a tag is created", "POST", api.tags, None, api.created, tag),
        ("a conversation is begun", "POST", api.chat, None, OK, turn),
        ("a conversation goes on", "POST", api.chat, None, OK, going_on),
        ("conversations are listed", "GET", api.conversations, None, OK, None),
        ("messages are listed", "GET", api.messages, things.conversation, OK, None),
        ("a tag is deleted", "DELETE", api.tag, things.tag, api.deleted, None),
        ("a task is deleted", "DELETE", api.task, things.task, api.deleted, None),
    )
    return [
        Endpoint(name, method, path.format(user_id=things.user_id, id=identifier), status, body)
        for name, method, path, identifier, status, body in table
        if path is not None
    ]


def offered(path: str | None, what: str) -> str:
    """The path, or the end of the test where the target names none."""
    return path if path is not None else untested(f"the target names no path for {what}")
