"""A stub of OpenAI's API: the API's formats over HTTP, deterministic and stateless.

The response depends on the request only: the last user message names a tool to call ("add task: X"), the tool's
result is quoted, and any other message is echoed. A second port is for tests only: it returns the received requests,
and makes the stub slow, failing or malformed. It needs the standard library only, so it runs in any image with Python.

    python3 model.py [--port 8080] [--control-port 8081]
"""

import argparse
import hashlib
import json
import re
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A turn with a tool needs two requests: this is far more than any run sends.
KEPT_REQUESTS = 20_000

_COMMANDS = (
    (re.compile(r"add (?:a )?task:\s*(?P<title>.+)", re.I | re.S), "add_task"),
    (re.compile(r"complete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "complete_task"),
    (re.compile(r"delete (?:the )?task:\s*(?P<title>.+)", re.I | re.S), "delete_task"),
    (re.compile(r"(?:list (?:my )?tasks|what are my tasks)\W*", re.I), "list_tasks"),
)


class BadRequestError(Exception):
    """A request is invalid; the message tells its sender why."""


@dataclass(frozen=True)
class Behaviour:
    """How requests are answered: after `delay_seconds`, with `status`; `malformed` is a 200 with an unusable body."""

    delay_seconds: float = 0
    status: int = 200
    malformed: bool = False

    @classmethod
    def parse(cls, given: object) -> "Behaviour":
        """The behaviour of a JSON object; absent fields have their defaults.

        Raises:
            BadRequestError: for an unknown field, or a value of another type or out of range.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(given, dict) or not given.keys() <= known:
            raise BadRequestError(f"behaviour is an object with the fields {', '.join(sorted(known))}")
        behaviour = cls(**given)
        if not isinstance(behaviour.delay_seconds, int | float) or not 0 <= behaviour.delay_seconds <= 600:
            raise BadRequestError("delay_seconds is a number from 0 to 600")
        if not isinstance(behaviour.status, int) or not (behaviour.status == 200 or 400 <= behaviour.status <= 599):
            raise BadRequestError("status is 200 or from 400 to 599")
        if not isinstance(behaviour.malformed, bool):
            raise BadRequestError("malformed is true or false")
        return behaviour


@dataclass(frozen=True)
class Turn:
    """A request's user messages, oldest first, and the tools' results since the last one."""

    messages: list[str]
    results: list[str]


@dataclass(frozen=True)
class Call:
    """A tool call."""

    name: str
    arguments: dict[str, str]


@dataclass
class State:
    """The received requests, and the behaviour that tests have set."""

    behaviour: Behaviour = Behaviour()
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    lock: threading.Lock = field(default_factory=threading.Lock)


def decide(turn: Turn) -> Call | str:
    """A tool to call, or the text to answer with."""
    if turn.results:
        return "Done: " + "; ".join(turn.results)
    message = turn.messages[-1].strip()
    for pattern, name in _COMMANDS:
        if match := pattern.fullmatch(message):
            return Call(name, {key: value.strip() for key, value in match.groupdict().items()})
    remembered = f" (I remember: {turn.messages[0]})" if len(turn.messages) > 1 else ""
    return f"You said: {message}{remembered}"


def read_turn(items: object) -> Turn:
    """The turn in `input` of a Responses request, or in `messages` of a chat completions request.

    Raises:
        BadRequestError: if it is no conversation with a user message.
    """
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    messages: list[str] = []
    results: list[str] = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            raise BadRequestError("every item of the conversation must be an object")
        if item.get("role") == "user":
            messages.append(_text(item.get("content")))
            results = []
        elif item.get("type") == "function_call_output":
            results.append(_text(item.get("output")))
        elif item.get("role") == "tool":
            results.append(_text(item.get("content")))
    if not messages:
        raise BadRequestError("the conversation has no user message")
    return Turn(messages, results)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def as_response(request: dict[str, Any], decision: Call | str) -> dict[str, Any]:
    """A response to `POST /v1/responses`."""
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
    """A response to `POST /v1/chat/completions`."""
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


def _identity(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


# By path: the field of the conversation, and the format of the response.
_APIS = {"/v1/responses": ("input", as_response), "/v1/chat/completions": ("messages", as_completion)}


def answer(path: str, request: object) -> dict[str, Any]:
    """The response to a request to one of the two APIs.

    Raises:
        BadRequestError: if it is invalid, or asks for a stream.
    """
    place, shape = _APIS[path]
    if not isinstance(request, dict):
        raise BadRequestError("the body is not a JSON object")
    if request.get("stream"):
        raise BadRequestError("streaming is not supported: omit stream")
    return shape(request, decide(read_turn(request.get(place))))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An idle connection occupies a thread.
    timeout = 120
    state: State

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, content: object) -> None:
        data = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str) -> None:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.reply(status, {"error": {"message": message, "type": kind, "param": None, "code": None}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged: the received requests are available at the control port."""


class _ModelHandler(_Handler):
    def do_POST(self) -> None:
        body = self.body()
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"}
        with self.state.lock:
            behaviour = self.state.behaviour
            self.state.requests.append({"time": time.time(), "path": self.path, "headers": headers, "body": request})
        time.sleep(behaviour.delay_seconds)
        if not self.headers.get("Authorization", "").startswith("Bearer sk-proj-"):
            self.refuse(401, "Incorrect API key provided.")
        elif behaviour.status != 200:
            self.refuse(behaviour.status, "Set to fail.")
        elif behaviour.malformed:
            self.reply(200, {"meaning": None})
        elif self.path not in _APIS:
            self.refuse(404, f"There is no POST {self.path}.")
        else:
            try:
                self.reply(200, answer(self.path, request))
            except BadRequestError as error:
                self.refuse(400, str(error))


class _ControlHandler(_Handler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply(200, {"status": "ok"})
        elif self.path == "/requests":
            with self.state.lock:
                received = list(self.state.requests)
            self.reply(200, received)
        elif self.path == "/behaviour":
            self.reply(200, asdict(self.state.behaviour))
        else:
            self.refuse(404, f"There is no GET {self.path}.")

    def do_DELETE(self) -> None:
        if self.path != "/requests":
            self.refuse(404, f"There is no DELETE {self.path}.")
            return
        with self.state.lock:
            self.state.requests.clear()
        self.reply(200, [])

    def do_PUT(self) -> None:
        body = self.body()
        if self.path != "/behaviour":
            self.refuse(404, f"There is no PUT {self.path}.")
            return
        try:
            behaviour = Behaviour.parse(json.loads(body))
        except (BadRequestError, ValueError) as error:
            self.refuse(400, str(error))
            return
        with self.state.lock:
            self.state.behaviour = behaviour
        self.reply(200, asdict(behaviour))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 refuses connections under load.
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes its connection, such as after its timeout, is no error."""


def servers(port: int, control_port: int, host: str = "0.0.0.0") -> tuple[_Server, _Server]:  # noqa: S104
    """The model's server and the control server, listening (0 = any free port) but not serving yet."""
    state = State()
    return (
        _Server((host, port), type("Model", (_ModelHandler,), {"state": state})),
        _Server((host, control_port), type("Control", (_ControlHandler,), {"state": state})),
    )


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="Deterministic stub of OpenAI's API.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--control-port", type=int, default=8081)
    options = parser.parse_args()
    model, control = servers(options.port, options.control_port)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    model.serve_forever()


if __name__ == "__main__":
    main()
