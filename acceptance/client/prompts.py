"""What reaches the model: the messages, tools and text of a recorded request of either of OpenAI's APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from acceptance.core.deadlines import MODEL_ASKED
from acceptance.core.fields import mapping_at, mappings_at, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.model_stub import ModelStub

SPEAKERS = ("user", "assistant")


@contextmanager
def recorded(model: ModelStub) -> Iterator[list[Mapping[str, Any]]]:
    """Yield a list that holds, at exit, the bodies of the requests that have reached the model since entry."""
    bodies: list[Mapping[str, Any]] = []
    before = len(model.requests())
    yield bodies
    bodies.extend(mapping_at(each, "body") for each in model.requests()[before:])


def wait_asked(model: ModelStub, groups: Sequence[Sequence[str]]) -> None:
    """Wait until the model has been asked for a turn with a marker of each group. Raises `WaitError`."""

    def probe() -> None:
        asked = json.dumps(model.requests())
        if missing := [group for group in groups if not any(marker in asked for marker in group)]:
            raise NotYet(f"it has not been asked for one of {' and of '.join(map(str, missing))}")

    eventually("the model to be asked for the turns", probe, MODEL_ASKED)


def messages(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (role, text) of each message by the user or the assistant, oldest first; without tool calls."""
    items = mappings_at(body, "input") or mappings_at(body, "messages")
    spoken = [(text_at(item, "role"), _content(item)) for item in items]
    return [(role, said) for role, said in spoken if role in SPEAKERS and said]


def results(body: Mapping[str, Any]) -> list[str]:
    """Return what the tools have answered in this turn."""
    items = mappings_at(body, "input") or mappings_at(body, "messages")
    return [
        text_at(item, "output") or _content(item)
        for item in items
        if item.get("type") == "function_call_output" or item.get("role") == "tool"
    ]


def text(body: Mapping[str, Any]) -> str:
    """Return the whole request as text, with characters beyond ASCII as they are."""
    return json.dumps(body, ensure_ascii=False)


def tools(body: Mapping[str, Any]) -> set[str]:
    """Return the names of the tools that a request offers."""
    found = mappings_at(body, "tools")
    return {text_at(tool, "name") or text_at(tool, "function.name") for tool in found}


def _content(item: Mapping[str, Any]) -> str:
    return text_at(item, "content") or "".join(text_at(part, "text") for part in mappings_at(item, "content"))
