"""The model stub responds like OpenAI's API, from the request alone, and can be configured to fail."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import model
import pytest
import requests

KEY = {"Authorization": "Bearer sk-proj-of-the-test"}


@dataclass(frozen=True)
class Stub:
    """Base URLs of the stub's API and of its control interface."""

    model: str
    control: str

    def post(self, path: str, **body: object) -> requests.Response:
        return requests.post(f"{self.model}{path}", json=body, headers=KEY, timeout=10)

    def received(self) -> list[dict[str, Any]]:
        received: list[dict[str, Any]] = requests.get(f"{self.control}/requests", timeout=10).json()
        return received

    def behave(self, **behaviour: object) -> requests.Response:
        return requests.put(f"{self.control}/behaviour", json=behaviour, timeout=10)


@pytest.fixture
def stub() -> Iterator[Stub]:
    servers = model.servers(0, 0, "127.0.0.1")
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield Stub(*(f"http://127.0.0.1:{server.server_address[1]}" for server in servers))
    for server in servers:
        server.shutdown()
        server.server_close()


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def offered(name: str, *required: str, optional: tuple[str, ...] = (), kind: object = "string") -> dict[str, Any]:
    """A tool as the Responses API has it; parameters whose name ends with `id` are of the JSON type `kind`."""
    types = {each: kind if each.lower().endswith("id") else "string" for each in (*required, *optional)}
    properties = {each: {"type": type_} for each, type_ in types.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "name": name, "parameters": schema}


BY_TITLE = [
    offered("list_tasks", optional=("status",)),
    offered("add_tag", "name"),
    *(offered(f"{verb}_task", "title") for verb in ("add", "complete", "delete")),
]
BY_ID = [
    offered("getTodos", "user_id"),
    offered("createTodo", "user_id", "text", optional=("note",)),
    offered("removeTodo", "todoId", kind="integer"),
    {
        "type": "function",
        "name": "updateTodo",
        "parameters": {
            "properties": {"todoId": {"type": "integer"}, "text": {"type": "string"}, "done": {"type": "boolean"}},
            "required": ["todoId"],
        },
    },
]


def calls_of(stub: Stub, messages: list[Any], tools: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The calls that the stub makes in both APIs, which are the same."""
    found = stub.post("/v1/responses", model="m", input=messages, tools=tools).json()["output"]
    first = [(item["name"], json.loads(item["arguments"])) for item in found if item["type"] == "function_call"]
    functions = [{"type": "function", "function": {k: v for k, v in each.items() if k != "type"}} for each in tools]
    history = [
        {"role": "tool", "tool_call_id": "c", "content": each["output"]} if "output" in each else each
        for each in messages
    ]
    body = stub.post("/v1/chat/completions", model="m", messages=history, tools=functions).json()
    (choice,) = body["choices"]
    made = [each["function"] for each in choice["message"].get("tool_calls", [])]
    assert first == [(each["name"], json.loads(each["arguments"])) for each in made]
    assert choice["finish_reason"] == ("tool_calls" if made else "stop")
    return first


@pytest.mark.parametrize(
    ("message", "name", "arguments"),
    [
        ("add task: Buy milk", "add_task", {"title": "Buy milk"}),
        ("ADD A TASK:  två: \n ☃ ", "add_task", {"title": "två: \n ☃"}),
        ("Complete task: Buy milk", "complete_task", {"title": "Buy milk"}),
        ("delete task: Buy milk", "delete_task", {"title": "Buy milk"}),
        ("list tasks", "list_tasks", {}),
        ("What are my tasks?", "list_tasks", {}),
    ],
)
def test_command_calls_its_tool_in_both_apis(stub: Stub, message: str, name: str, arguments: dict[str, str]) -> None:
    assert calls_of(stub, [user(message)], BY_TITLE) == [(name, arguments)]
    assert calls_of(stub, [user(message)], []) == []


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ("add task: Buy milk", [("createTodo", {"user_id": "", "text": "Buy milk"})]),
        ("what are my tasks?", [("getTodos", {"user_id": ""})]),
        ("delete task: Buy milk", [("getTodos", {"user_id": ""}), ("removeTodo", {"todoId": 7})]),
        ("complete task: Buy milk", [("getTodos", {"user_id": ""}), ("updateTodo", {"todoId": 7, "done": True})]),
        ("delete task: Walk", [("getTodos", {"user_id": ""})]),
    ],
)
@pytest.mark.parametrize(
    "listed",
    ['{"items": [{"todoId": 3, "text": "Buy milk again"}, {"todoId": 7, "text": "Buy milk"}]}', "- Buy milk (#7)"],
)
def test_tools_of_other_names_are_called(stub: Stub, message: str, calls: list[Any], listed: str) -> None:
    history: list[Any] = [user(message)]
    made = []
    while call := calls_of(stub, history, BY_ID):
        made += call
        history.append({"type": "function_call_output", "call_id": "c", "output": listed})
    assert made == calls


@pytest.mark.parametrize("name", ["ref", "todo_ref", "key", "taskKey", "identifier", "reference", "guid"])
def test_identifiers_of_other_names_are_read(stub: Stub, name: str) -> None:
    tools = [offered("list_tasks"), offered("complete_task", name)]
    listed = json.dumps([{"title": "Buy milk again", name: "t2"}, {"title": "Buy milk", name: "t1"}])
    history: list[Any] = [user("complete task: Buy milk")]
    assert calls_of(stub, history, tools) == [("list_tasks", {})]
    history.append({"type": "function_call_output", "call_id": "c", "output": listed})
    assert calls_of(stub, history, tools) == [("complete_task", {name: "t1"})]


def test_tool_result_is_quoted_in_both_apis(stub: Stub) -> None:
    conversation = [user("add task: X"), {"type": "function_call_output", "call_id": "c", "output": "added X"}]
    (item,) = stub.post("/v1/responses", model="m", input=conversation).json()["output"]
    assert item["content"][0]["text"] == "Done: added X"

    messages = [user("add task: X"), {"role": "tool", "tool_call_id": "c", "content": "added X"}]
    (choice,) = stub.post("/v1/chat/completions", model="m", messages=messages).json()["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "Done: added X")


def test_other_messages_are_echoed_with_their_history(stub: Stub) -> None:
    def answer(*messages: object) -> str:
        (item,) = stub.post("/v1/responses", model="m", input=[user(message) for message in messages]).json()["output"]
        text: str = item["content"][0]["text"]
        return text

    assert answer("I am Ada") == "You said: I am Ada"
    assert answer("I am Ada", [{"type": "input_text", "text": "Who am I?"}]) == (
        "You said: Who am I? (I remember: I am Ada)"
    )
    # A separate request has no history.
    assert answer("Who am I?") == "You said: Who am I?"


def test_tool_result_of_an_earlier_turn_is_not_quoted(stub: Stub) -> None:
    earlier = [user("add task: X"), {"type": "function_call_output", "call_id": "c", "output": "added X"}]
    (item,) = stub.post("/v1/responses", model="m", input=[*earlier, user("thanks")]).json()["output"]
    assert item["content"][0]["text"].startswith("You said: thanks")


def test_same_request_gets_the_same_response(stub: Stub) -> None:
    first, second = (stub.post("/v1/responses", model="m", input="hello").json() for _ in range(2))
    del first["created_at"], second["created_at"]
    assert first == second


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": []}),
        ("/v1/responses", {"input": ["hello"]}),
        ("/v1/responses", {}),
    ],
)
def test_unsupported_request_is_rejected_with_a_message(stub: Stub, path: str, body: dict[str, Any]) -> None:
    response = stub.post(path, **body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    "system", ["user_id: u-42ab", "The user's ID is `u-42ab`.", 'Act for userId="u-42ab"', "userId u-42ab"]
)
def test_user_is_the_one_that_the_instructions_name(stub: Stub, system: str) -> None:
    tool = offered("complete_task", "user_id", "task_id")
    listing = offered("list_tasks", "user_id")
    said: list[Any] = [{"role": "system", "content": system}, user("complete task: Buy milk")]
    assert calls_of(stub, said, [tool, listing]) == [("list_tasks", {"user_id": "u-42ab"})]
    said.append({"type": "function_call_output", "call_id": "c", "output": '[{"title": "Buy milk", "id": "t1"}]'})
    assert calls_of(stub, said, [tool, listing]) == [("complete_task", {"user_id": "u-42ab", "task_id": "t1"})]


def events_of(response: requests.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("message", ["add task: Buy milk", "who are  you? "])
def test_streams_add_up_to_the_response(stub: Stub, message: str) -> None:
    request = {"model": "m", "input": message, "tools": BY_TITLE}
    (whole,) = stub.post("/v1/responses", **request).json()["output"]
    streamed = stub.post("/v1/responses", **request, stream=True)
    assert streamed.headers["Content-Type"] == "text/event-stream"
    events = events_of(streamed)
    deltas = "".join(each["delta"] for each in events if each["type"].endswith(".delta"))
    assert deltas == whole.get("arguments", whole.get("content", [{}])[0].get("text"))
    types = [each["type"] for each in events]
    assert (types[0], types[-1]) == ("response.created", "response.completed")
    assert [each["sequence_number"] for each in events] == list(range(len(events)))

    chat = {"model": "m", "messages": [user(message)], "tools": [{"function": each} for each in BY_TITLE]}
    spoken = stub.post("/v1/chat/completions", **chat).json()["choices"][0]["message"]
    streamed = stub.post("/v1/chat/completions", **chat, stream=True, stream_options={"include_usage": True})
    assert streamed.text.endswith("data: [DONE]\n\n")
    *chunks, usage = events_of(streamed)
    assert usage["usage"]["total_tokens"] == 2
    parts = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(part.get("content") or "" for part in parts) == (spoken["content"] or "")
    calls = [call["function"] for part in parts for call in part.get("tool_calls", [])]
    assert calls == [call["function"] for call in spoken.get("tool_calls", [])]


def test_requests_are_recorded_without_key_until_deleted(stub: Stub) -> None:
    before = time.time()
    stub.post("/v1/responses", model="m", input="hello")
    (record,) = stub.received()
    assert (record["path"], record["body"]) == ("/v1/responses", {"model": "m", "input": "hello"})
    assert before <= record["time"] <= time.time()
    assert record["headers"]["content-type"] == "application/json"
    assert "sk-proj" not in json.dumps(record)

    requests.delete(f"{stub.control}/requests", timeout=10).raise_for_status()
    assert stub.received() == []


@pytest.mark.parametrize("key", [None, "Bearer wrong", "sk-proj-bare"])
def test_wrong_key_is_rejected(stub: Stub, key: str | None) -> None:
    headers = {"Authorization": key} if key else {}
    response = requests.post(f"{stub.model}/v1/responses", json={"input": "hello"}, headers=headers, timeout=10)
    assert response.status_code == 401


def test_configured_errors_delays_and_malformed_responses(stub: Stub) -> None:
    stub.behave(status=429).raise_for_status()
    assert stub.post("/v1/responses", input="hello").status_code == 429

    stub.behave(malformed=True).raise_for_status()
    malformed = stub.post("/v1/responses", input="hello")
    assert malformed.status_code == 200
    assert "output" not in malformed.json()

    stub.behave(delay_seconds=0.3).raise_for_status()
    started = time.monotonic()
    assert stub.post("/v1/responses", input="hello").json()["output"]
    assert time.monotonic() - started >= 0.3

    stub.behave(repeats_calls=True).raise_for_status()
    conversation = [{"role": "user", "content": "what are my tasks?"}]
    for call in range(3):
        (item,) = stub.post("/v1/responses", input=conversation, tools=[offered("list_tasks")]).json()["output"]
        assert item["type"] == "function_call", f"call {call}"
        conversation += [item, {"type": "function_call_output", "call_id": item["call_id"], "output": "[]"}]

    stub.behave().raise_for_status()
    assert requests.get(f"{stub.control}/behaviour", timeout=10).json() == {
        "delay_seconds": 0,
        "status": 200,
        "malformed": False,
        "repeats_calls": False,
    }


@pytest.mark.parametrize(
    "bad", [{"delay": 1}, {"delay_seconds": -1}, {"status": 204}, {"malformed": 1}, {"repeats_calls": 1}]
)
def test_invalid_behaviour_is_rejected_without_effect(stub: Stub, bad: dict[str, object]) -> None:
    assert stub.behave(**bad).status_code == 400
    assert stub.post("/v1/responses", input="hello").status_code == 200
