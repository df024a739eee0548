"""A request is recognised in a log in the forms in which applications write it."""

from __future__ import annotations

import pytest

from acceptance.client.logged import Logged
from acceptance.core.target import Target


@pytest.mark.parametrize(
    "line",
    [
        'INFO: 10.0.0.1:3 - "GET {path} HTTP/1.1" 404 Not Found',
        '{"method": "GET", "path": "{path}", "status": 404}',
        "GET {path} 404 1.2 ms - 9",
    ],
)
def test_unknown_path_is_shown_once(line: str) -> None:
    request = Logged.of_unknown_path()
    assert request.shown_in("started\nready\n") == 0
    assert request.shown_in(f"started\n{line.replace('{path}', request.path)}\n") == 1


@pytest.mark.parametrize("component", ["backend", "frontend"])
@pytest.mark.parametrize("with_query", [True, False])
def test_route_is_shown_by_one_more_line(target: Target, component: str, *, with_query: bool) -> None:
    """A log may leave out the query, and a path without the user's identifier is in earlier lines too."""
    shared = target.model_copy(update={"api": target.api.model_copy(update={"tasks": "/api/tasks/"})})
    request = Logged.of_route(shared, component)
    path = request.path if with_query else request.path.partition("?")[0]
    earlier = f"GET {path.partition('?')[0]} 200\n"
    assert request.shown_in(earlier + f"GET {path} 401\n") == request.shown_in(earlier) + 1


def test_path_of_a_user_has_the_marker(target: Target) -> None:
    request = Logged.of_route(target, "backend")
    assert request.marker in request.path.partition("?")[0]
