"""The request log names the request, and not what its user searches for."""

import asyncio
import logging

import pytest
from starlette.types import Message, Scope

from todo_backend.middleware import RequestContextMiddleware

SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/api/u/tasks",
    "query_string": b"q=private",
    "headers": [(b"x-request-id", b"given-1")],
}


async def app(_scope: Scope, _receive: object, _send: object) -> None:
    """Answers nothing."""


async def receive() -> Message:
    return {"type": "http.request"}


async def send(_: Message) -> None:
    """Nobody listens."""


def test_request_log_has_the_identifier_and_no_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "todo_backend.request"):
        asyncio.run(RequestContextMiddleware(app, pod_name="pod")(SCOPE, receive, send))
    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert (fields["path"], fields["request_id"]) == ("/api/u/tasks", "given-1")
    assert "private" not in str(fields)
