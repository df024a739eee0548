"""The backend's endpoints as a table: a valid request to each, and the expected status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from acceptance.checks.finding import Untested
from acceptance.client.user import User
from acceptance.core.target import Api

OK = requests.codes.ok


@dataclass(frozen=True)
class UserResources:
    """The identifiers of a user's resources; None if the target's API does not have the kind of resource."""

    user_id: str
    task: object
    tag: object
    conversation: object
    may_chat: bool = True
    """Whether a chat turn may be sent, and its response can be read."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and a valid request to it.

    Attributes:
        template: The target's path with placeholders.
        path: The template filled in.
        status: The expected status.
        names: The field of `UserResources` whose identifier the request contains, or empty.
    """

    method: str
    template: str
    path: str
    status: int
    body: dict[str, Any] | None
    names: str

    @property
    def route(self) -> str:
        """The method and the template, for messages."""
        suffix = " in a conversation" if self.names == "conversation" and self.body else ""
        return f"{self.method} {self.template}{suffix}"


def endpoints(api: Api, resources: UserResources, text: str) -> list[Endpoint]:
    """Return every endpoint of the target, in an order in which deletions come last.

    Args:
        api: The target's API.
        resources: The resources that the requests address.
        text: The title, name or message to send.
    """
    title, tag, turn = {api.title_field: text}, {api.tag_field: text}, {api.message_field: text}
    continued = turn | {str(api.conversation_field): resources.conversation}
    done = api.state(completed=True)
    table = (
        ("GET", api.tasks, "", OK, None),
        ("POST", api.tasks, "", api.created, title),
        ("GET", api.task, "task", OK, None),
        (api.update_method, api.task, "task", api.updated, title),
        (api.partial_method, api.task, "task", api.updated, title),
        (api.complete_method, api.complete, "task", api.updated, done),
        ("GET", api.tags, "", OK, None),
        ("POST", api.tags, "", api.created, tag),
        ("POST", api.chat, "", api.turn, turn),
        ("POST", api.chat, "conversation", api.turn, continued),
        ("GET", api.conversations, "", OK, None),
        ("GET", api.messages, "conversation", OK, None),
        ("DELETE", api.tag, "tag", api.deleted, None),
        ("DELETE", api.task, "task", api.deleted, None),
    )
    return [
        Endpoint(
            method,
            path,
            path.format(user_id=resources.user_id, id=getattr(resources, names, "")),
            status,
            body,
            names,
        )
        for method, path, names, status, body in table
        if method and path and getattr(resources, names, "") is not None and (path != api.chat or resources.may_chat)
    ]


def task_lists(user: User, *, tag: str | None = None, text: str | None = None) -> dict[str, str]:
    """Return the paths of every list of the user's tasks, by what it lists.

    Args:
        user: Whose tasks.
        tag: The name of the tag of the list by tag; without it there is none.
        text: The text of the list that a search gives.
    """
    api = user.target.api
    queries = {
        "open tasks": api.pending_query,
        "completed tasks": api.completed_query,
        "tasks with the tag": api.tag_query and tag and api.tag_query.format(text=quote(tag, safe="")),
        "tasks found": api.search_query and text and api.search_query.format(text=quote(text, safe="")),
    }
    tasks = user.path(api.tasks)
    return {"tasks": tasks} | {what: f"{tasks}?{query}" for what, query in queries.items() if query}


def create_resources(user: User, text: str) -> UserResources:
    """Create one resource of each kind with the name `text`; `AssertionError` if a request fails.

    Without a conversation if no chat turn may be sent, or its response can't be read.
    """
    api = user.target.api
    task = user.add_task(text)
    tag = user.add_tag(text)[api.id_field] if api.tags else None
    may_chat = not user.chat_obstacle
    has_conversations = may_chat and api.conversation_field is not None
    conversation = None
    try:
        conversation = user.conversation_of(user.send_message(text)) if has_conversations else None
    except Untested:
        may_chat = False
    return UserResources(user.id, task[api.id_field], tag, conversation, may_chat)


def require_resources(user: User, text: str) -> UserResources:
    """Create the resources that other tests need, by `create_resources`.

    Raises:
        Untested: A request fails, which PER-01 reports.
    """
    try:
        return create_resources(user, text)
    except AssertionError as error:
        raise Untested(f"a user's resources can't be created (PER-01): {str(error)[:300]}") from error


def tags_are_shared(reader: User, text: str) -> bool:
    """Return whether the list of tags shows a user another user's tag with this text: tags are then everybody's."""
    api = reader.target.api
    if api.tags is None:
        return False
    answer = reader.call("GET", reader.path(api.tags))
    return answer.ok and text in answer.text


def reads_completed(user: User, task: object) -> bool:
    """Return whether completing a task twice leaves it completed, so that the body is read; the task is completed."""
    api = user.target.api
    if api.complete_only:
        return False
    path = user.path(api.complete, id=task)
    states = []
    for _ in range(2):
        user.request_json(api.complete_method, path, api.state(completed=True), api.updated)
        states.append(user.task(user.request_json("GET", user.path(api.task, id=task)))[api.completed_field])
    return states == [True, True]
