"""What reaches the model: the messages, tool calls and text of a recorded request of either of OpenAI's APIs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from acceptance.checks.finding import Untested
from acceptance.client.speakers import SPEAKERS, speaker
from acceptance.core.deadlines import MODEL_ASKED
from acceptance.core.fields import Object, mapping_at, mappings_at, text_at
from acceptance.core.target import Api
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.model_stub import ModelStub


@contextmanager
def recorded(model: ModelStub) -> Iterator[list[Mapping[str, Any]]]:
    """Yield a list that holds, at exit, the bodies of the requests that have reached the model since entry."""
    bodies: list[Mapping[str, Any]] = []
    before = len(model.requests())
    yield bodies
    bodies.extend(mapping_at(each, "body") for each in model.requests()[before:])


def wait_until_asked(model: ModelStub, groups: Sequence[Sequence[str]]) -> None:
    """Wait until requests to the model contain one marker of each group. Raises `WaitError`."""

    def probe() -> None:
        asked = json.dumps(model.requests())
        if missing := [group for group in groups if not any(marker in asked for marker in group)]:
            raise NotYet(f"it has not been asked for one of {' and of '.join(map(str, missing))}")

    eventually("the model to be asked for the turns", probe, MODEL_ASKED)


def messages(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (role, text) of each message by the user or the assistant, oldest first; without tool calls.

    OpenAI's APIs know each role by one word only, whatever the application's own tables and API call it.
    """
    items = _items(body)
    spoken = [(text_at(item, "role"), _content(item)) for item in items]
    return [(role, content) for role, content in spoken if role in SPEAKERS and content]


def spoken_in(api: Api, messages: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return who said what in a conversation of the API, without what the agent and its tools exchange."""
    every = [(speaker(each[api.role_field]), each[api.content_field]) for each in messages]
    return [(role, content) for role, content in every if role and content]


def longest(bodies: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the body with the most messages: the turn's, not a title's or a guard's; `{}` if there is none."""
    return max(bodies, key=lambda body: len(messages(body)), default={})


def final(bodies: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the body with the most tool calls of the turn, and so with their results; `{}` if there is none."""
    return max(bodies, key=lambda body: len(calls(body)), default={})


def results(body: Mapping[str, Any]) -> list[str]:
    """Return what the tools have answered in this turn."""
    return [
        _content(item, "output" if "output" in item else "content")
        for item in _items(body)
        if item.get("type") == "function_call_output" or item.get("role") == "tool"
    ]


def text(body: Mapping[str, Any]) -> str:
    """Return the whole request as text, with characters beyond ASCII as they are."""
    return json.dumps(body, ensure_ascii=False)


def calls(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and arguments of each tool call that the model has made in this turn."""
    items = _items(body)
    last = max((number for number, item in enumerate(items) if item.get("role") == "user"), default=-1)
    tool_calls = [call for item in items[last + 1 :] for call in (item, *mappings_at(item, "tool_calls"))]
    functions = [mapping_at(call, "function") or call for call in tool_calls]
    return [(text_at(each, "name"), text_at(each, "arguments")) for each in functions if text_at(each, "arguments")]


def check_reported_calls(answer: Mapping[str, Any], api: Api, bodies: Sequence[Mapping[str, Any]], action: str) -> None:
    """Assert that the response to a turn has each call that the model made in it.

    Args:
        answer: The response.
        api: The target's.
        bodies: Those of the requests that reached the model in the turn.
        action: What the turn does to a task, such as `delete`.

    Raises:
        Untested: The model made no call, since the agent offers it no tool for this.
    """
    made_by_model = calls(final(bodies))
    if not made_by_model:
        raise Untested(f"the agent offers the model no tool to {action} tasks")
    if api.tool_calls_field is not None:
        reported = json.dumps(answer.get(api.tool_calls_field))
        for name, arguments in made_by_model:
            values = [value for value in json.loads(arguments).values() if isinstance(value, str) and value]
            missing = [part for part in (name, *values) if json.dumps(part)[1:-1] not in reported]
            assert not missing, f"expected {missing} of the call of {name} in the response, got {reported}"


def _items(body: Mapping[str, Any]) -> list[Object]:
    """Return the conversation; a text alone is the user's message."""
    if message := text_at(body, "input"):
        return [{"role": "user", "content": message}]
    return mappings_at(body, "input") or mappings_at(body, "messages")


def _content(item: Mapping[str, Any], field: str = "content") -> str:
    """Return the text of a field: whole, or in parts."""
    return text_at(item, field) or "".join(text_at(part, "text") for part in mappings_at(item, field))
