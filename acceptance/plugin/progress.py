"""Progress of a long setup: a live line on a terminal, elsewhere a line for each step that took long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape

QUIET_SECONDS = 1.0
"""A shorter step prints nothing."""


class Progress:
    """Prints the steps of a setup to `file`; calls `end_line` first, since another writer's line may be unfinished."""

    def __init__(self, file: TextIO, end_line: Callable[[], None] = lambda: None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._status = self._console.status("")
        self._end_line = end_line
        self._steps: list[str] = []
        self._planned = self._begun = 0
        self._usual: Mapping[str, float] = {}

    def plan(self, steps: int, usual: Mapping[str, float]) -> None:
        """Announce how many steps follow, and the seconds that they usually take, by name."""
        self._planned, self._begun, self._usual = steps, 0, usual

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` once it has run for `QUIET_SECONDS`, and its duration when it ends; steps nest."""
        started = time.monotonic()
        self._begun += 1
        number = f"step {self._begun} of {max(self._planned, self._begun)}, " if self._planned else ""
        usual = f" (usually {self._usual[name]:.0f} s)" if name in self._usual else ""
        shown = name.partition(" of ")[0].replace("_", " ")
        self._steps.append(f"{number}{shown}{usual}")
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
                self._console.print(escape(f"{number}{shown}: {elapsed:.1f} s{usual}"))

    def note(self, text: str) -> None:
        """Show the state of the current step; only on a terminal."""
        self._status.update(escape(": ".join(filter(None, (*self._steps, text)))))

    def _show(self) -> None:
        if self._console.is_terminal:
            self._end_line()
            self._status.start()
