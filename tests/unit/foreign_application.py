"""Applications of other teams on loopback, which answer requests to sign up and in, and those of the API."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import requests

from acceptance.provision.gateway import Gateway

Response = tuple[int, object, list[str]]
"""Status, JSON, and the cookies that are set."""


@dataclass
class Request:
    """What the application was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class ForeignApplication:
    """Answers `METHOD /path` with what `answers` has; anything else with 404.

    An answer is a status, JSON and cookies, or a function of the request that returns them.
    """

    answers: dict[str, Any]
    asked: list[Request] = field(default_factory=list)
    port: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[ForeignApplication]:
        """Serve for the duration of the context."""
        application = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                application.answer(self)

            do_GET = do_POST = answer  # noqa: N815 - named by http.server

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = int(server.server_address[1])
            thread = threading.Thread(target=server.serve_forever, args=[0.02])
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        text = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
        is_form = "form" in handler.headers.get("Content-Type", "")
        body = dict(parse_qsl(text)) if is_form else json.loads(text or "null")
        request = Request(handler.command, handler.path, dict(handler.headers.items()), body)
        self.asked.append(request)
        found = self.answers.get(f"{request.method} {request.path}", (404, {"detail": "Not Found"}, []))
        status, content, cookies = found(request) if callable(found) else found
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for cookie in cookies:
            handler.send_header("Set-Cookie", cookie)
        handler.send_header("Content-Length", str(len(encoded)))
        handler.end_headers()
        handler.wfile.write(encoded)


@dataclass(frozen=True)
class LoopbackGateway(Gateway):
    """A gateway to the applications that stand in for the components, by name."""

    applications: Mapping[str, ForeignApplication] = field(default_factory=dict, kw_only=True)

    def url(self, component: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.applications[component].port}{path}"

    def session(self) -> requests.Session:
        return requests.Session()

    def check_connection(self) -> None:
        """It is always there."""
