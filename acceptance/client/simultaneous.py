"""Requests that are sent at the same moment, as by several people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


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
