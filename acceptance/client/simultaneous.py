"""Requests that are sent at the same moment, as by several people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from psycopg import Connection

from acceptance.client.rows import lock_row
from acceptance.core.wait import dwell

T = TypeVar("T")
LOCKED_SECONDS = 1.5
"""How long a row is locked, in which each request has read it and waits to change it: far below a request's 10 s."""


def send_together(requests: Sequence[Callable[[], T]]) -> list[T]:
    """Send every request from a thread of its own, all at the same moment, and return the results in their order.

    Raises the first exception of a request, once all have ended.
    """
    start = threading.Barrier(len(requests))

    def send(request: Callable[[], T]) -> T:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def send_to_locked_row(
    postgres: Connection[Any], table: str, column: str, value: object, requests: Sequence[Callable[[], T]]
) -> list[T]:
    """Send requests that change one row while it is locked, and return the results in their order.

    Each of them has read the row, or waits to read it, before the first one changes it: a server that writes back what
    it has read loses a change each time, not only when two requests happen to overlap.

    Args:
        postgres: A connection that may lock rows, outside a transaction.
        table: The table, with or without its schema.
        column: The column that names the row.
        value: The row's value in it.
        requests: The requests; the first exception of one is raised once all have ended.
    """
    with ThreadPoolExecutor(len(requests)) as pool:
        with postgres.transaction():
            lock_row(postgres, table, column, value)
            sent = [pool.submit(request) for request in requests]
            dwell(LOCKED_SECONDS, "the requests meet at a locked row")
        return [each.result() for each in sent]
