"""The formats of OpenAI's two APIs: responses, chat completions, and the events of both as streams."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from decision import Call


@dataclass(frozen=True)
class Event:
    """A server-sent event; those of chat completions have no name."""

    name: str
    data: str


def as_response(request: dict[str, Any], decision: Call | str) -> dict[str, Any]:
    """Return a response to `POST /v1/responses`."""
    identity = _identity(request)
    item: dict[str, Any]
    if isinstance(decision, Call):
        item = {
            "type": "function_call",
            "id": f"fc_{identity}",
            "call_id": f"call_{identity}",
            "name": decision.name,
            "arguments": json.dumps(decision.arguments, ensure_ascii=False),
            "status": "completed",
        }
    else:
        item = {
            "type": "message",
            "id": f"msg_{identity}",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": decision, "annotations": [], "logprobs": []}],
        }
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "model": request.get("model"),
        "output": [item],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools", []),
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2,
        },
    }


def as_completion(request: dict[str, Any], decision: Call | str) -> dict[str, Any]:
    """Return a response to `POST /v1/chat/completions`."""
    identity = _identity(request)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(decision, Call):
        arguments = json.dumps(decision.arguments, ensure_ascii=False)
        function = {"name": decision.name, "arguments": arguments}
        message["tool_calls"] = [{"id": f"call_{identity}", "type": "function", "function": function}]
    else:
        message["content"] = decision
    finish = "tool_calls" if isinstance(decision, Call) else "stop"
    return {
        "id": f"chatcmpl-{identity}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.get("model"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def response_events(request: dict[str, Any], decision: Call | str) -> list[Event]:
    """Yield the events of a streamed response."""
    whole = as_response(request, decision)
    (item,) = whole["output"]
    begun = {**whole, "status": "in_progress", "output": []}
    place = {"item_id": item["id"], "output_index": 0}

    def bodies() -> Iterator[dict[str, Any]]:
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        empty = {"arguments": ""} if isinstance(decision, Call) else {"content": []}
        opened = {**item, **empty, "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": 0, "item": opened}
        if isinstance(decision, Call):
            kind, arguments = "response.function_call_arguments", item["arguments"]
            yield {"type": f"{kind}.delta", **place, "delta": arguments}
            yield {"type": f"{kind}.done", **place, "arguments": arguments, "name": item["name"]}
        else:
            (part,) = item["content"]
            inner = {**place, "content_index": 0}
            yield {"type": "response.content_part.added", **inner, "part": {**part, "text": ""}}
            for word in _pieces(decision):
                yield {"type": "response.output_text.delta", **inner, "delta": word, "logprobs": []}
            yield {"type": "response.output_text.done", **inner, "text": decision, "logprobs": []}
            yield {"type": "response.content_part.done", **inner, "part": part}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield {"type": "response.completed", "response": whole}

    return [
        Event(body["type"], json.dumps({**body, "sequence_number": number}, ensure_ascii=False))
        for number, body in enumerate(bodies())
    ]


def completion_events(request: dict[str, Any], decision: Call | str) -> list[Event]:
    """Return the events of a streamed chat completion."""
    whole = as_completion(request, decision)
    (choice,) = whole["choices"]
    common = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if isinstance(decision, Call) else ""}]
    if isinstance(decision, Call):
        deltas.append({"tool_calls": [{"index": number, **call} for number, call in enumerate(message["tool_calls"])]})
    else:
        deltas += [{"content": word} for word in _pieces(decision)]
    chunks = [{**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    options = request.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        chunks.append({**common, "choices": [], "usage": whole["usage"]})
    return [*(Event("", json.dumps(chunk, ensure_ascii=False)) for chunk in chunks), Event("", "[DONE]")]


def _pieces(text: str) -> list[str]:
    """Return the words of a text, each with the white space after it."""
    return re.findall(r"\S+\s*|\s+", text)


def _identity(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
