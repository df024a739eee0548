"""The model's stub finds a command's tool among those of other applications, and gives what their schemas ask for."""

import json
from typing import Any

import pytest
from decision import Call, decide, read_turn

from acceptance.client import prompts

NUMBER, TEXT, FLAG = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}


def tool(tool_name: str, required: dict[str, Any] | None = None, **optional: Any) -> dict[str, Any]:
    """A tool by the schemas of its required and optional parameters."""
    properties = {**(required or {}), **optional}
    return {"name": tool_name, "parameters": {"properties": properties, "required": list(required or {})}}


def calls(message: str, tools: list[dict[str, Any]], told: str = "", listed: object = ()) -> list[Call]:
    """The calls that the stub makes until it answers with a text; each is answered with what is listed."""
    history: list[dict[str, Any]] = [{"role": "system", "content": told}, {"role": "user", "content": message}]
    made: list[Call] = []
    while isinstance(call := decide(read_turn(history, tools)), Call):
        made.append(call)
        history.append({"role": "tool", "content": json.dumps(listed)})
        assert len(made) < 5
    return made


def names(message: str, *tools: str) -> list[str]:
    return [call.name for call in calls(message, [tool(each, {"title": TEXT}) for each in tools])]


@pytest.mark.parametrize(
    ("message", "expected", "others"),
    [
        ("add task: X", "todo_add_task", ["todo_add_tag", "todo_add_tag_to_task"]),
        ("add task: X", "mcp__todo__create_task", ["mcp__todo__create_category"]),
        ("add task: X", "create_new_todo", ["create_todo_list_report"]),
        ("complete task: X", "mark_task_complete", ["update_task", "mark_task_incomplete", "list_completed_tasks"]),
        ("complete task: X", "todos_update", ["users_update"]),
        ("delete task: X", "remove_todo", ["bulk_remove_todos", "remove_tag"]),
        ("what are my tasks?", "get_all_tasks", ["get_user", "get_tags"]),
    ],
)
def test_tool_for_tasks_is_found(message: str, expected: str, others: list[str]) -> None:
    assert names(message, *others, expected) == [expected]
    assert names(message, expected, *others) == [expected]


def test_list_is_no_tool_that_reads_one_task() -> None:
    tools = [tool("get_task", {"task_id": NUMBER}), tool("search_tasks")]
    assert calls("what are my tasks?", tools) == [Call("search_tasks", {})]


@pytest.mark.parametrize("schema", [NUMBER, {"anyOf": [NUMBER, {"type": "null"}]}, {"type": "number"}])
def test_user_is_a_number_where_the_tool_wants_one(schema: dict[str, Any]) -> None:
    told = "The user_id will be provided to you - pass it to the tools. The user_id is 12. Pass it always."
    for tools in (
        [tool("add_task", {"user_id": schema, "title": TEXT})],
        [tool("add_task", {"title": TEXT}, user_id=schema)],
    ):
        assert calls("add task: X", tools, told) == [Call("add_task", {"user_id": 12, "title": "X"})]


@pytest.mark.parametrize("name", ["user", "owner_id", "currentUserId", "user_identifier", "uid"])
def test_user_may_be_named_otherwise(name: str) -> None:
    made = calls("add task: X", [tool("add_task", {name: TEXT, "title": TEXT})], "Your user ID is 12.")
    assert made == [Call("add_task", {name: "12", "title": "X"})]


def test_user_may_be_told_in_the_message_itself() -> None:
    tools = [tool("add_task", {"user_id": NUMBER, "title": TEXT})]
    expected = [Call("add_task", {"user_id": 12, "title": "X"})]
    assert calls("[User ID: 12] add task: X", tools) == expected
    assert calls("Context: user_id=12\n\nadd task: X", tools) == expected
    assert calls("please add task: X", tools) == []


def test_no_user_is_given_to_a_tool_that_knows_it() -> None:
    assert calls("add task: X", [tool("add_task", {"title": TEXT})], "user_id: 12") == [
        Call("add_task", {"title": "X"})
    ]


def test_nested_parameters_are_given_as_an_object() -> None:
    """As a tool whose only argument is a model has them: by reference, with a reference in it."""
    definitions = {
        "Priority": {"enum": ["low", "high"], "type": "string"},
        "New": {
            "properties": {"title": TEXT, "priority": {"$ref": "#/$defs/Priority"}},
            "required": ["title", "priority"],
        },
    }
    schema = {"properties": {"params": {"$ref": "#/$defs/New"}}, "required": ["params"], "$defs": definitions}
    made = calls("add task: X", [{"name": "add_task", "parameters": schema}])
    assert made == [Call("add_task", {"params": {"title": "X", "priority": "low"}})]


@pytest.mark.parametrize(
    ("required", "optional", "arguments"),
    [
        ({"task_id": NUMBER}, {"completed": FLAG}, {"task_id": 7, "completed": True}),
        ({"task_id": NUMBER, "title": TEXT}, {}, {"task_id": 7, "title": "X"}),
        (
            {"task_id": NUMBER, "status": {"type": "string", "enum": ["todo", "done"]}},
            {},
            {"task_id": 7, "status": "done"},
        ),
        ({"task_ids": {"type": "array", "items": NUMBER}}, {}, {"task_ids": [7]}),
        ({"task_id": TEXT}, {"title": TEXT}, {"task_id": "7"}),
    ],
)
def test_completed_task_is_named_as_asked(required: Any, optional: Any, arguments: dict[str, object]) -> None:
    tools = [tool("list_tasks"), tool("update_task", required, **optional)]
    made = calls("complete task: X", tools, listed={"tasks": [{"id": 7, "title": "X"}]})
    assert made == [Call("list_tasks", {}), Call("update_task", arguments)]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 1}, 1),
        ({"type": "integer", "default": 20}, 20),
        ({"enum": ["pending", "all"], "default": "pending"}, "all"),
        ({"type": "string", "minLength": 2}, "xx"),
        ({"type": "string", "format": "date"}, "2030-01-01"),
        ({"type": ["string", "null"]}, None),
        ({"allOf": [{"$ref": "#/$defs/State"}]}, "open"),
    ],
)
def test_required_parameter_has_a_valid_value(schema: dict[str, Any], value: object) -> None:
    listing = tool("list_tasks", {"other": schema, "second": FLAG})
    listing["parameters"]["$defs"] = {"State": {"type": "string", "enum": ["open"]}}
    assert calls("list tasks", [listing]) == [Call("list_tasks", {"other": value, "second": False})]


def test_results_of_tools_are_read_whole_or_in_parts() -> None:
    parts = [{"type": "input_text", "text": "one "}, {"type": "input_text", "text": "task"}]
    items = [
        {"type": "function_call_output", "output": parts},
        {"type": "function_call_output", "output": "none"},
        {"role": "tool", "content": parts},
    ]
    assert prompts.results({"input": items}) == ["one task", "none", "one task"]
