"""Values made in the background, each once, when it is first needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from acceptance.checks.finding import Untested

T = TypeVar("T")
WORKERS = 24
"""The number of threads: more than there are values, so that no value waits for a thread that waits for it."""


class Background:
    """Threads in which values are made, until it is closed."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)
        self._closed = False
        self.seconds: dict[str, float] = {}
        """How long each value took to make, including waits for others."""

    def lazy(self, name: str, make: Callable[[], T], unavailable: str = "") -> Lazy[T]:
        """Return a value that `make` will make; asking for it raises `Untested` if `unavailable` gives a reason."""
        return Lazy(self, name, make, unavailable)

    def submit(self, name: str, make: Callable[[], T]) -> Future[T]:
        """Make a value in a thread and note how long it took."""

        def timed() -> T:
            start = time.monotonic()
            try:
                return make()
            finally:
                self.seconds[name] = time.monotonic() - start

        return self._pool.submit(timed)

    def raise_if_closing(self) -> None:
        """Raise `CancelledError` when the run ends, and what is being made is no longer needed."""
        if self._closed:
            raise CancelledError("nothing more is made: the run ends")

    def close(self) -> None:
        """Wait for what is being made; nothing new is started, not even as a part of it."""
        self._closed = True
        self._pool.shutdown(cancel_futures=True)


class Lazy(Generic[T]):
    """A value made once in the background; calling it starts it if needed, and waits. A failure is raised each time."""

    def __init__(self, background: Background, name: str, make: Callable[[], T], unavailable: str) -> None:
        self._background = background
        self._name = name
        self._make = make
        self._unavailable = unavailable
        self._future: Future[T] | None = None
        self._lock = Lock()

    def __call__(self) -> T:
        """Return the value. Raises `Untested` where it is unavailable, `CancelledError` when the run ends."""
        self._background.raise_if_closing()
        return self.start().result()

    def start(self) -> Future[T]:
        """Start making the value, if that has not been done. Raises `Untested` where it is unavailable."""
        if self._unavailable:
            raise Untested(self._unavailable)
        with self._lock:
            if self._future is None:
                self._future = self._background.submit(self._name, self._make)
            return self._future

    @property
    def available(self) -> bool:
        """Whether the value can be had at all."""
        return not self._unavailable

    @property
    def started(self) -> bool:
        """Whether the value is made, or is being made."""
        return self._future is not None
