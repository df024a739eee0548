"""What the stub answers to a request, as a model would: one of the offered tools is called, or a text returned.

It depends on the request only. The last user message is a command ("add task: X"), whose tool is found among those
that the request offers, by the words of their names; results are quoted, and any other message is echoed. Where a tool
wants a task's identifier, the tasks are listed first and the identifier is read from the result.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from identifiers import identifier_of, stated_user
from offered_tools import Tool, best, is_number, least, of_type, read_tools, types

_COMMANDS = (
    (re.compile(r"add (?:a )?task:\s*(?P<title>.+)", re.I | re.S), "add"),
    (re.compile(r"complete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "complete"),
    (re.compile(r"delete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "delete"),
    (re.compile(r"(?:list (?:my )?tasks|what are my tasks)\W*", re.I), "list"),
)
_STATES = ("completed", "complete", "done", "is_done", "is_completed", "iscompleted", "finished")
_STATUSES = ("completed", "complete", "done", "finished", "closed")


class BadRequestError(Exception):
    """A request is invalid; the message tells its sender why."""


@dataclass(frozen=True)
class Turn:
    """A request's user messages, oldest first, the tools' results since the last one, and the tools on offer.

    `instructions` is what the application itself has told the model.
    """

    messages: list[str]
    results: list[str]
    tools: list[Tool]
    instructions: str


@dataclass(frozen=True)
class Call:
    """A tool call."""

    name: str
    arguments: dict[str, Any]


def decide(turn: Turn) -> Call | str:
    """Return a tool to call, or the text to answer with."""
    message = turn.messages[-1].strip()
    for pattern, action in _COMMANDS:
        match = _command(pattern, message)
        tool = best(turn.tools, action) if match else None
        if match and tool:
            call = _call(turn, tool, action, (match.groupdict().get("title") or "").strip())
            if call:
                return call
    if turn.results:
        return "Done: " + "; ".join(turn.results)
    remembered = f" (I remember: {turn.messages[0]})" if len(turn.messages) > 1 else ""
    return f"You said: {message}{remembered}"


def _command(pattern: re.Pattern[str], message: str) -> re.Match[str] | None:
    """Return the command that a message is, or that ends it after what the application says of the user."""
    whole = pattern.fullmatch(message)
    found = whole or pattern.search(message)
    if whole or found is None or found.end() < len(message):
        return whole
    return found if stated_user(message[: found.start()], number=False) else None


def _call(turn: Turn, tool: Tool, action: str, title: str) -> Call | None:
    """Return the next call of a command, or None if all are made."""
    wants_identifier = action in ("complete", "delete") and tool.identifier is not None
    listing = best(turn.tools, "list") if wants_identifier else None
    if len(turn.results) > (1 if listing else 0):
        return None
    if listing and not turn.results:
        return _made(listing, _required(turn, listing))
    arguments = _required(turn, tool)
    if listing and tool.identifier:
        schema = tool.parameters[tool.identifier]
        found = identifier_of(title, turn.results[0], number=is_number(schema))
        if found is None:
            return None
        arguments[tool.identifier] = of_type(schema, found)
    if title and tool.text and (not listing or tool.requires(tool.text)):
        arguments[tool.text] = title
    if action == "complete":
        arguments |= dict(_completed(tool))
    return _made(tool, arguments)


def _made(tool: Tool, arguments: dict[str, Any]) -> Call:
    return Call(tool.name, {tool.wrapper: arguments} if tool.wrapper else arguments)


def _completed(tool: Tool) -> Iterator[tuple[str, Any]]:
    """Yield the parameters that mark a task as completed, with their values."""
    for name, schema in tool.parameters.items():
        if name.lower() in _STATES:
            yield name, True
        elif name.lower() in ("status", "state", "new_status", "newstatus") and "string" in types(schema):
            known = schema.get("enum") or _STATUSES
            yield from ((name, each) for each in _STATUSES[::-1] if each in known)


def _required(turn: Turn, tool: Tool) -> dict[str, Any]:
    """Return a value for each required parameter: the user as stated to the model, also where it may be left out."""
    values = {name: least(tool.parameters.get(name, {})) for name in tool.required}
    if tool.user:
        schema = tool.parameters[tool.user]
        told = (turn.instructions, "\n".join(turn.messages))
        user = next((found for text in told if (found := stated_user(text, number=is_number(schema)))), None)
        if user:
            values[tool.user] = of_type(schema, user)
    return values


def read_turn(items: object, tools: object, instructions: object = None) -> Turn:
    """Return the turn in `input` of a Responses request, or in `messages` of a chat completions request.

    Raises:
        BadRequestError: if it is no conversation with a user message.
    """
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    messages: list[str] = []
    results: list[str] = []
    told = [_text(instructions)]
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            raise BadRequestError("every item of the conversation must be an object")
        if item.get("role") == "user":
            messages.append(_text(item.get("content")))
            results = []
        elif item.get("role") in ("system", "developer"):
            told.append(_text(item.get("content")))
        elif item.get("type") == "function_call_output":
            results.append(_text(item.get("output")))
        elif item.get("role") == "tool":
            results.append(_text(item.get("content")))
    if not messages:
        raise BadRequestError("the conversation has no user message")
    return Turn(messages, results, list(read_tools(tools)), "\n".join(told))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
