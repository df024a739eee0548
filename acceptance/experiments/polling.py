"""Polls, during an experiment, a value that no watch delivers, and keeps each with its moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
PERIOD = 0.2
"""Seconds between two readings."""


@contextmanager
def polled(read: Callable[[], T], period: float = PERIOD) -> Iterator[list[tuple[float, T]]]:
    """Call `read` every `period` seconds until exit; yields the values, each with its moment, as they come.

    An error of `read` ends the polling, and is raised at exit.
    """
    values: list[tuple[float, T]] = []
    errors: list[Exception] = []
    ended = threading.Event()

    def poll() -> None:
        try:
            while not ended.is_set():
                values.append((time.time(), read()))
                ended.wait(period)
        except Exception as error:  # noqa: BLE001 - raised at exit
            errors.append(error)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield values
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
