"""Progress of a long setup: a live line on a terminal, elsewhere a line for each step that took long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape

from acceptance.report.history import LONG_STEP_SECONDS

QUIET_SECONDS = LONG_STEP_SECONDS
"""A shorter step prints nothing."""


class Progress:
    """Prints the steps of a setup to `file`; calls `end_line` first, since another writer's line may be unfinished."""

    def __init__(self, file: TextIO, end_line: Callable[[], None] = lambda: None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._status = self._console.status("")
        self._end_line = end_line
        self._steps: list[str] = []
        self._planned = self._begun = 0

    def plan(self, steps: int) -> None:
        """Announce how many steps follow."""
        self._planned, self._begun = steps, 0

    @contextmanager
    def step(self, name: str, usual_seconds: float | None = None) -> Iterator[None]:
        """Show `name` once it has run for `QUIET_SECONDS`, and its duration when it ends; steps nest."""
        started = time.monotonic()
        self._begun += 1
        number = f"step {self._begun} of {max(self._planned, self._begun)}, " if self._planned else ""
        usual = f" (usually {usual_seconds:.0f} s)" if usual_seconds is not None else ""
        self._steps.append(f"{number}{name}{usual}")
        self.note("")
        timer = threading.Timer(QUIET_SECONDS, self._show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self._status.stop()
            self._steps.pop()
            if (elapsed := time.monotonic() - started) >= QUIET_SECONDS:
                self._end_line()
                self._console.print(escape(f"{number}{name}: {elapsed:.1f} s{usual}"))

    def note(self, text: str) -> None:
        """Show the state of the current step; only on a terminal."""
        self._status.update(escape(": ".join(filter(None, (*self._steps, text)))))

    def _show(self) -> None:
        if self._console.is_terminal:
            self._end_line()
            self._status.start()
