"""What the stub answers to a request, as a model would: one of the offered tools is called, or a text returned.

It depends on the request only. The last user message is a command ("add task: X"), whose tool is found among those
that the request offers, by the words of their names; results are quoted, and any other message is echoed. Where a tool
wants a task's identifier, the tasks are listed first and the identifier is read from the result.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_COMMANDS = (
    (re.compile(r"add (?:a )?task:\s*(?P<title>.+)", re.I | re.S), "add"),
    (re.compile(r"complete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "complete"),
    (re.compile(r"delete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "delete"),
    (re.compile(r"(?:list (?:my )?tasks|what are my tasks)\W*", re.I), "list"),
)
# The words for an action in the names of tools, the likeliest first.
_VERBS = {
    "add": ("add", "create", "new", "insert", "save"),
    "complete": ("complete", "finish", "done", "mark", "toggle", "update", "set"),
    "delete": ("delete", "remove"),
    "list": ("list", "get", "show", "fetch", "read", "find", "search"),
}
_NOUNS = frozenset({"task", "tasks", "todo", "todos", "item", "items"})
_TEXTS = ("title", "text", "name", "task", "todo", "content", "description", "summary", "query", "search")
_STATES = ("completed", "complete", "done", "is_done", "is_completed", "finished")
_IDENTIFIER = re.compile(
    r"(?:^|_)(?:id|uuid|guid|number|identifier|ref|reference|key)$"
    r"|[a-z](?:Id|ID|Uuid|Guid|Number|Identifier|Ref|Reference|Key)$"
)
_USER = re.compile(r"(?:user|owner|account)_?(?:id|uuid)$", re.I)
_STATED_USER = re.compile(r"\b(?:user|owner|account)(?:'s)?[ _-]?(?:id|uuid)\b(?:\s+is)?[\s:='\"`]+([\w-]{4,})", re.I)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)


class BadRequestError(Exception):
    """A request is invalid; the message tells its sender why."""


@dataclass(frozen=True)
class Tool:
    """A tool that a request offers. `parameters` has the schema of each, `required` the names of some."""

    name: str
    parameters: dict[str, Any]
    required: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The words of its name, in lower case."""
        return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", self.name)]

    @property
    def text(self) -> str | None:
        """The parameter for a task's text: the one with the likeliest name, else the first text that is required."""
        words = {name: name.lower().rpartition("_")[2] for name in self.parameters if not _IDENTIFIER.search(name)}
        named = [name for name, word in words.items() if word in _TEXTS]
        others = [name for name in words if self.demands(name) and "string" in _types(self.parameters[name])]
        return next(iter([*sorted(named, key=lambda name: _TEXTS.index(words[name])), *others]), None)

    @property
    def identifier(self) -> str | None:
        """The parameter that identifies a task, where its text alone does not."""
        named = [name for name in self.parameters if _IDENTIFIER.search(name) and not _USER.match(name)]
        return next((name for name in named if self.demands(name) or not self.text), None)

    def demands(self, parameter: str) -> bool:
        """Whether it needs a value, other than null, for a parameter."""
        return parameter in self.required and "null" not in _types(self.parameters.get(parameter, {}))


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
    """A tool to call, or the text to answer with."""
    message = turn.messages[-1].strip()
    for pattern, action in _COMMANDS:
        match = pattern.fullmatch(message)
        tool = _tool(turn.tools, action) if match else None
        if match and tool:
            call = _call(turn, tool, action, (match.groupdict().get("title") or "").strip())
            if call:
                return call
    if turn.results:
        return "Done: " + "; ".join(turn.results)
    remembered = f" (I remember: {turn.messages[0]})" if len(turn.messages) > 1 else ""
    return f"You said: {message}{remembered}"


def _call(turn: Turn, tool: Tool, action: str, title: str) -> Call | None:
    """The next call of a command, or None if all are made."""
    wants_identifier = action in ("complete", "delete") and tool.identifier is not None
    listing = _tool(turn.tools, "list") if wants_identifier else None
    if len(turn.results) > (1 if listing else 0):
        return None
    if listing and not turn.results:
        return Call(listing.name, _required(turn, listing))
    arguments = _required(turn, tool)
    if listing and tool.identifier:
        found = _identifier_of(title, turn.results[0])
        if found is None:
            return None
        arguments[tool.identifier] = _of_type(tool.parameters[tool.identifier], found)
    elif title and tool.text:
        arguments[tool.text] = title
    if action == "complete":
        arguments |= {name: True for name in tool.parameters if name.lower() in _STATES}
    return Call(tool.name, arguments)


def _tool(tools: list[Tool], action: str) -> Tool | None:
    """The tool for an action: the one whose name has the likeliest word for it, of tasks before other things."""
    verbs = _VERBS[action]
    ranked = [
        (not _NOUNS & set(tool.words), min(verbs.index(word) for word in tool.words if word in verbs), index)
        for index, tool in enumerate(tools)
        if any(word in verbs for word in tool.words)
    ]
    return tools[min(ranked)[2]] if ranked else None


def _required(turn: Turn, tool: Tool) -> dict[str, Any]:
    """A value for each required parameter: the user as instructed, null where it may be, else the least."""
    user = _STATED_USER.search(turn.instructions)
    least: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    values: dict[str, Any] = {}
    for name in tool.required:
        schema = tool.parameters.get(name, {})
        types = _types(schema)
        if _USER.match(name) and user:
            values[name] = _of_type(schema, user[1])
        elif "null" in types:
            values[name] = None
        elif schema.get("enum"):
            values[name] = "all" if "all" in schema["enum"] else schema["enum"][0]
        else:
            values[name] = least.get(types[0] if types else "string", "")
    return values


def _types(schema: dict[str, Any]) -> list[str]:
    """The JSON types that a parameter may have."""
    kinds = [each.get("type", []) for each in schema.get("anyOf", [schema])]
    return [kind for each in kinds for kind in (each if isinstance(each, list) else [each])]


def _of_type(schema: dict[str, Any], value: str) -> str | int:
    number = value.isdecimal() and not {"integer", "number"}.isdisjoint(_types(schema))
    return int(value) if number else value


def _identifier_of(title: str, listed: str) -> str | None:
    """The identifier of the task with this text in what a tool has listed as JSON or as lines; None if absent."""
    try:
        listing = json.loads(listed)
    except ValueError:
        lines = [line for line in listed.splitlines() if title in line]
        rest = " ".join(line.replace(title, " ") for line in lines[:1])
        match = _UUID.search(rest) or re.search(r"\d+", rest)
        return match[0] if match else None
    for item in _objects(listing):
        if title in item.values():
            named = sorted((name for name in item if _IDENTIFIER.search(name)), key=lambda name: name != "id")
            return str(item[named[0]]) if named else None
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(each)


def read_turn(items: object, tools: object, instructions: object = None) -> Turn:
    """The turn in `input` of a Responses request, or in `messages` of a chat completions request.

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
    return Turn(messages, results, list(_read_tools(tools)), "\n".join(told))


def _read_tools(tools: object) -> Iterator[Tool]:
    """The functions that a request offers, in the format of either API."""
    for each in tools if isinstance(tools, list) else []:
        function = each.get("function", each) if isinstance(each, dict) else {}
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            schema = function.get("parameters") or {}
            required = tuple(name for name in schema.get("required", []) if isinstance(name, str))
            yield Tool(function["name"], dict(schema.get("properties", {})), required)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
