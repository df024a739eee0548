"""The model's stub reads the user's and a task's identifier in the forms in which applications write them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from identifiers import identifier_of, stated_user

UUID = "0b5d2c1e-7a3f-4c7e-9d0a-1f2e3d4c5b6a"
LONG = "kQzVbHnTyWsXcDeRfGvBnMjKlPoIuYtR"
EXPLAINED = (
    "The user_id will be provided to you: always pass it to the tools.\n- The user_id is {}. Always pass this to all 5."
)


@pytest.mark.parametrize("value", ["0", "12", UUID, UUID.upper(), LONG, "u-42ab", "auth0|5f7c", "ada@example.com"])
@pytest.mark.parametrize(
    "told",
    [
        EXPLAINED,
        "Current user ID: {}",
        "**User ID:** {}\n\nToday is 2026-11-30.",
        "Pass user_id='{}' to each of the 5 tools. The user ID is required. Lists have 10 tasks at most.",
        '{{"user_id": "{}", "locale": "en"}}',
        "<user_id>{}</user_id>",
        "user_id (integer): {}",
        "The user's unique identifier is {}.",
        "current_user_id={}",
        "The user ID for this session is {}",
        "You act for user {}. Be brief.",
        "The current user is {}. Be brief.",
        "The user_id must be given, e.g. as parameter 1 of a tool.\nuser_id: {}",
    ],
)
def test_user_is_found_in_instructions(told: str, value: str) -> None:
    assert stated_user(told.format(value), number=False) == value
    if value.isdecimal():
        assert stated_user(told.format(value), number=True) == value


@pytest.mark.parametrize(
    "told",
    [
        "",
        "The user_id will be provided to you. Be kind.",
        "Ask the user with their 3 lists. The user ID is required.",
        "You help a user. There are 12 tools.",
        "The user is known already; user_id is a number.",
    ],
)
def test_user_is_not_made_of_prose(told: str) -> None:
    assert stated_user(told, number=False) is None
    assert stated_user(told, number=True) is None


def test_user_with_a_plain_name_is_found_too() -> None:
    assert stated_user("user_id: alice", number=False) == "alice"
    assert stated_user("user_id: alice", number=True) is None


def as_mcp(value: object) -> str:
    """What the OpenAI Agents SDK passes on of a tool of an MCP server: a text part as JSON, with JSON in it."""
    return json.dumps({"type": "text", "text": json.dumps(value), "annotations": None, "meta": None})


def tasks(identifier: object, name: str = "id") -> list[dict[str, Any]]:
    others = {"user_id": 1, "parent_id": 4, "tag_ids": [5]}
    return [{**others, "title": "Buy milk again", name: 3}, {**others, "title": "Buy milk", name: identifier}]


Found = list[dict[str, Any]]
AS_JSON: dict[str, Callable[[Found], str]] = {
    "list": json.dumps,
    "text in JSON": lambda found: json.dumps(json.dumps(found)),
    "list through MCP": as_mcp,
    "object through MCP": lambda found: as_mcp({"tasks": found, "count": 2}),
    "parts through MCP": lambda found: json.dumps([json.loads(as_mcp(each)) for each in found]),
    "objects in a row": lambda found: "".join(json.dumps(each, indent=2) for each in found),
    "objects in lines": lambda found: "\n".join(map(json.dumps, found)),
    "wrapped": lambda found: json.dumps({"success": True, "data": {"items": [{"task": each} for each in found]}}),
    "JSON:API": lambda found: json.dumps([{"id": each.pop("id"), "attributes": each} for each in found]),
    "structured": lambda found: json.dumps({"structuredContent": {"result": found}, "content": []}),
    "as Python writes it": str,
}
AS_TEXT: dict[str, Callable[[Found], str]] = {
    "numbered": lambda found: lines("{n}. [ ] {title} (ID: {id})", found),
    "dated": lambda found: lines("- {title} [id={id}] due 2026-11-30", found),
    "paragraphs": lambda found: lines("Title: {title}\n  ID: {id}\n  Status: open\n", found),
    "number first": lambda found: lines("ID: {id}\nTitle: {title}\n", found),
    "items": lambda found: lines("* {title}\n  id `{id}`", found),
    "text as JSON": lambda found: json.dumps(lines("#{id}: {title}", found)),
}


def lines(template: str, found: Found) -> str:
    return "\n".join(template.format(n=number, **each) for number, each in enumerate(found, 1))


def check(listed: str, identifier: object) -> None:
    assert identifier_of("Buy milk", listed, number=identifier == 7) == str(identifier)
    assert identifier_of("Walk", listed, number=False) is None


@pytest.mark.parametrize("identifier", [7, "07", UUID, LONG])
@pytest.mark.parametrize("form", AS_JSON)
def test_task_is_found_in_json(form: str, identifier: object) -> None:
    check(AS_JSON[form](tasks(identifier)), identifier)


@pytest.mark.parametrize("identifier", [7, "t7", UUID])
@pytest.mark.parametrize("form", AS_TEXT)
def test_task_is_found_in_prose(form: str, identifier: object) -> None:
    check(AS_TEXT[form](tasks(identifier)), identifier)


@pytest.mark.parametrize(
    ("listed", "number", "expected"),
    [
        ("Task 12: Buy milk", True, "12"),
        ("1. Buy milk (P1) 12", True, "12"),
        ("1. Buy milk", True, "1"),
        ("[12] Buy milk", False, "12"),
        ("2026-11-30 10:00 Buy milk, task 12", False, "12"),
        (f"Buy milk, {UUID}, 3 tags", False, UUID),
        ("{'title': 'Buy milk', 'due': datetime.date(2026, 11, 30), 'id': 12}", True, "12"),
    ],
)
def test_task_is_found_in_a_line(listed: str, number: bool, expected: str) -> None:
    assert identifier_of("Buy milk", listed, number=number) == expected


@pytest.mark.parametrize("name", ["task_id", "taskId", "todo_uuid", "_id", "uuid", "reference"])
def test_identifier_is_the_tasks_and_not_its_users(name: str) -> None:
    assert identifier_of("Buy milk", json.dumps(tasks("t1", name)), number=False) == "t1"
