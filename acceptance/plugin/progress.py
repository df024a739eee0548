"""What a long set-up is doing: a live line on a terminal, elsewhere a line for each step that took long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape

QUIET_SECONDS = 1.0
"""A step that takes less says nothing."""


class Progress:
    """Steps of a set-up, written to `file`; `end_line` is called first, where another's line may be open."""

    def __init__(self, file: TextIO, end_line: Callable[[], None] = lambda: None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._status = self._console.status("")
        self._end_line = end_line
        self._steps: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` once it has lasted a while, and its time when it ends; steps nest."""
        started = time.monotonic()
        self._steps.append(name)
        self.note("")
        shown = threading.Timer(QUIET_SECONDS, self._show)
        shown.daemon = True
        shown.start()
        try:
            yield
        finally:
            shown.cancel()
            shown.join()
            self._status.stop()
            self._steps.pop()
            if (passed := time.monotonic() - started) >= QUIET_SECONDS:
                self._end_line()
                self._console.print(f"{escape(name)}: {passed:.1f} s")

    def note(self, text: str) -> None:
        """Say how far the step has come; only a terminal shows it."""
        self._status.update(escape(": ".join(filter(None, (*self._steps, text)))))

    def _show(self) -> None:
        if self._console.is_terminal:
            self._end_line()
            self._status.start()
