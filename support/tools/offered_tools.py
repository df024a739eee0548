"""The tools that a request offers: what each is for, by the words of its name, and what its parameters take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# The words for an action in the names of tools, the likeliest first.
_VERBS = {
    "add": ("add", "create", "new", "insert", "save", "make", "store", "record"),
    "complete": ("complete", "finish", "done", "mark", "check", "close", "toggle", "update", "set", "edit", "change"),
    "delete": ("delete", "remove", "drop", "destroy", "cancel"),
    "list": ("list", "get", "show", "fetch", "read", "find", "search", "view", "query", "retrieve", "display"),
}
_NOUNS = frozenset({"task", "tasks", "todo", "todos", "item", "items"})
_BETWEEN = frozenset({"a", "the", "new", "my", "all", "user", "users", "single", "one", "existing"})
_TEXTS = ("title", "text", "name", "task", "todo", "content", "description", "summary", "query", "search")
_IDENTIFIER = re.compile(
    r"(?:^|_)(?:id|uuid|guid|number|identifier|ref|reference|key)s?$"
    r"|[a-z](?:Id|ID|Uuid|Guid|Number|Identifier|Ref|Reference|Key)s?$"
)
_USER = re.compile(r"(?:^|_|[a-z](?=[A-Z]))(?:user|owner|account)(?:_?(?:id|uuid|identifier))?$|^uid$", re.I)


@dataclass(frozen=True)
class Tool:
    """A tool that a request offers. `parameters` has the schema of each, `required` the names of some.

    `wrapper` is the one parameter, if any, that holds all of these as an object.
    """

    name: str
    parameters: dict[str, Any]
    required: tuple[str, ...]
    wrapper: str | None = None

    @property
    def words(self) -> list[str]:
        """The words of its name, in lower case."""
        return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", self.name)]

    @property
    def text(self) -> str | None:
        """The parameter for a task's text: the one with the likeliest name, else the first text that is required."""
        names = [name for name in self.parameters if not is_identifier(name) and not is_user(name)]
        words = {name: name.lower().rpartition("_")[2] for name in names}
        named = [name for name, word in words.items() if word in _TEXTS]
        others = [name for name in words if self.requires(name) and "string" in types(self.parameters[name])]
        return next(iter([*sorted(named, key=lambda name: _TEXTS.index(words[name])), *others]), None)

    @property
    def identifier(self) -> str | None:
        """The parameter that identifies a task, where its text alone does not."""
        named = [name for name in self.parameters if is_identifier(name) and not is_user(name)]
        return next((name for name in named if self.requires(name) or not self.text), None)

    @property
    def user(self) -> str | None:
        """The parameter that identifies the user; an object of such a name does not."""
        named = (name for name in self.parameters if is_user(name))
        return next((name for name in named if "object" not in types(self.parameters[name])), None)

    def requires(self, parameter: str) -> bool:
        """Return whether it needs a value, other than null, for a parameter."""
        return parameter in self.required and "null" not in types(self.parameters.get(parameter, {}))

    def mismatch(self, action: str) -> tuple[bool, int, int, int] | None:
        """Return how badly it fits an action, as a sort key; None if no word of its name is for the action."""
        verbs, words = _VERBS[action], self.words
        places = [place for place, word in enumerate(words) if word in verbs]
        if not places:
            return None
        of_one = action == "list" and self.identifier is not None and self.requires(self.identifier)
        return of_one, _distance(words, places), min(verbs.index(words[place]) for place in places), len(words)


def _distance(words: list[str], places: list[int]) -> int:
    """Return how far a noun for tasks is from a name's verb: directly after it, later, before it, nowhere."""
    nouns = [place for place, word in enumerate(words) if word in _NOUNS]
    after = [[word for word in words[place + 1 :] if word not in _BETWEEN] for place in places]
    if any(rest and rest[0] in _NOUNS for rest in after):
        return 0
    if any(noun > places[0] for noun in nouns):
        return 1
    return 2 if nouns else 3


def is_identifier(name: str) -> bool:
    """Return whether a parameter or field is named like an identifier."""
    return _IDENTIFIER.search(name) is not None


def is_user(name: str) -> bool:
    """Return whether a parameter or field is named like the identifier of a user."""
    return _USER.search(name) is not None


def best(tools: list[Tool], action: str) -> Tool | None:
    """Return the tool for an action: those for tasks come before others, then those with likelier verbs."""
    fitting = [(mismatch, index) for index, tool in enumerate(tools) if (mismatch := tool.mismatch(action)) is not None]
    return tools[min(fitting)[1]] if fitting else None


def types(schema: dict[str, Any]) -> list[str]:
    """Return the JSON types that a parameter may have."""
    kinds = [each.get("type", []) for each in schema.get("anyOf") or schema.get("oneOf") or [schema]]
    return [kind for each in kinds for kind in (each if isinstance(each, list) else [each])]


def least(schema: dict[str, Any]) -> Any:
    """Return the least value that a parameter takes: `all` of a list, its default, null, or what its type allows."""
    kinds, known = types(schema), schema.get("enum") or []
    if "all" in known:
        return "all"
    if "default" in schema or "const" in schema:
        return schema.get("const", schema.get("default"))
    if "null" in kinds:
        return None
    if known:
        return known[0]
    kind = kinds[0] if kinds else "string"
    if kind in ("integer", "number"):
        return max(0, schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    texts = {"date": "2030-01-01", "date-time": "2030-01-01T00:00:00Z"}
    text = texts.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
    others: dict[str, Any] = {"boolean": False, "array": [], "object": {}}
    return others.get(kind, text)


def of_type(schema: dict[str, Any], value: str) -> Any:
    """Return a value that was read as text, as the JSON type of a parameter."""
    if types(schema)[:1] == ["array"]:
        return [of_type(schema.get("items") or {}, value)]
    number = value.isdecimal() and not {"integer", "number"}.isdisjoint(types(schema))
    return int(value) if number else value


def is_number(schema: dict[str, Any]) -> bool:
    """Return whether a parameter, or each item of a list, takes numbers and no text."""
    one = schema.get("items") or {} if types(schema)[:1] == ["array"] else schema
    return "string" not in types(one) and not {"integer", "number"}.isdisjoint(types(one))


def read_tools(tools: object) -> Iterator[Tool]:
    """Yield the functions that a request offers, in the format of either API."""
    for each in tools if isinstance(tools, list) else []:
        function = each.get("function", each) if isinstance(each, dict) else {}
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            schema = function.get("parameters") or {}
            parameters, required = _parameters(schema, schema)
            inner = parameters.get(required[0], {}) if len(required) == len(parameters) == 1 else {}
            if inner.get("properties"):
                yield Tool(function["name"], *_parameters(inner, schema), wrapper=required[0])
            else:
                yield Tool(function["name"], parameters, required)


def _parameters(schema: dict[str, Any], root: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an object's properties, with references resolved, by name, and the names of the required ones."""
    properties = {name: _resolved(each, root) for name, each in (schema.get("properties") or {}).items()}
    return properties, tuple(name for name in schema.get("required") or [] if isinstance(name, str))


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with the definition that it refers to, alone or as the only one of `allOf`."""
    if not isinstance(schema, dict):
        return {}
    parts = schema.get("allOf") or []
    reference = schema.get("$ref") or (parts[0].get("$ref") if len(parts) == 1 else None)
    name = str(reference or "").rpartition("/")[2]
    definitions = {**(root.get("definitions") or {}), **(root.get("$defs") or {})}
    return {**definitions.get(name, {}), **schema}
