"""A stub of OpenAI's API: the API's formats over HTTP, deterministic and stateless.

What it answers depends on the request only (`decision.py`). A second port is for tests only: it returns the received
requests, and makes the stub slow, failing or malformed. It needs the standard library only.

    python3 model.py [--port 8080] [--control-port 8081]
"""

import argparse
import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from decision import BadRequestError, decide, read_turn
from formats import Event, as_completion, as_response, completion_events, response_events

# A turn with a tool needs two requests: this is far more than any run sends.
KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class Behaviour:
    """How requests are answered: after `delay_seconds`, with `status`; `malformed` is a 200 with an unusable body.

    `repeats_calls`: what a tool has answered is ignored, so that a command's tool is called again and again.
    """

    delay_seconds: float = 0
    status: int = 200
    malformed: bool = False
    repeats_calls: bool = False

    @classmethod
    def parse(cls, given: object) -> "Behaviour":
        """Return the behaviour of a JSON object; absent fields have their defaults.

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
        if not isinstance(behaviour.malformed, bool) or not isinstance(behaviour.repeats_calls, bool):
            raise BadRequestError("malformed and repeats_calls are true or false")
        return behaviour


@dataclass
class State:
    """The received requests, and the behaviour that tests have set."""

    behaviour: Behaviour = Behaviour()
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    lock: threading.Lock = field(default_factory=threading.Lock)


# By path: the field of the conversation, and the formats of the response and of its events.
_APIS = {
    "/v1/responses": ("input", as_response, response_events),
    "/v1/chat/completions": ("messages", as_completion, completion_events),
}


def answer(path: str, request: object, *, repeats_calls: bool = False) -> dict[str, Any] | list[Event]:
    """Return the response to a request to one of the two APIs, or its events if it asks for a stream.

    Raises:
        BadRequestError: if it is invalid.
    """
    place, whole, events = _APIS[path]
    if not isinstance(request, dict):
        raise BadRequestError("the body is not a JSON object")
    turn = read_turn(request.get(place), request.get("tools"), request.get("instructions"))
    decision = decide(replace(turn, results=[]) if repeats_calls else turn)
    return (events if request.get("stream") else whole)(request, decision)


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

    def send(self, answer: dict[str, Any] | list[Event]) -> None:
        if isinstance(answer, dict):
            self.reply(200, answer)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in answer:
            name = f"event: {event.name}\n" if event.name else ""
            self.wfile.write(f"{name}data: {event.data}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

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
                self.send(answer(self.path, request, repeats_calls=behaviour.repeats_calls))
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
        """Ignore a client that closes its connection, such as after its timeout."""


def servers(port: int, control_port: int, host: str = "0.0.0.0") -> tuple[_Server, _Server]:  # noqa: S104
    """Return the model's server and the control server, listening (0 = any free port) but not serving yet."""
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
