"""The smoke test: its session is valid, and every failure of a page is a problem."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from todo_backend.auth import session_cookie, user_of
from todo_backend.smoke_test import USER, problem, session_header

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/ok": 200, "/moved": 302}.get(self.path, 503))
        if self.path == "/moved":
            self.send_header("Location", "/ok")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("public_url", ["http://localhost:3000", "https://todo.example.com"])
def test_the_session_is_valid(public_url: str) -> None:
    name, _, token = session_header(SECRET, public_url)["Cookie"].partition("=")
    assert name.startswith("__Secure-") == public_url.startswith("https")
    assert user_of(session_cookie({name: token}) or "", SECRET.encode()) == USER


def test_only_a_response_of_the_requested_page_is_no_problem(origin: str) -> None:
    assert problem(f"{origin}/ok", {}) is None
    assert problem(f"{origin}/moved", {}) == f"redirected to {origin}/ok"
    assert problem(f"{origin}/down", {}) == "status 503"
    assert problem("http://127.0.0.1:1/", {}) is not None
