"""Waiting for a condition: `eventually`; and letting time pass: `dwell`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from acceptance.core.deadlines import CAUSE_GAP, CAUSE_LASTED, Deadline

T = TypeVar("T")

POLL_SECONDS = 0.25
"""Seconds between two probes of a condition: by so much a measured time may be too long."""
log = logging.getLogger(__name__)


class Clock(Protocol):
    """Reads the time and lets it pass; tests inject their own."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""


class NotYet(Exception):  # noqa: N818 - a state, not an error
    """Raised by a probe whose condition does not hold yet; the message says what was observed instead."""


class WaitError(AssertionError):
    """A condition did not become true in time: the message says what was expected and what was last observed."""


def eventually(
    expected: str,
    probe: Callable[[], T],
    deadline: Deadline,
    *,
    cause: Callable[[], str | None] = lambda: None,
    clock: Clock = time,
) -> T:
    """Call `probe` until it returns, and return its value.

    Args:
        expected: The condition, as the error names it.
        probe: Raises `NotYet` while the condition does not hold. It is called once more at the deadline.
        deadline: How long the condition may take.
        cause: Returns a sentence when the condition can no longer come true, else None. A cause that persists for
            `CAUSE_LASTED`, with gaps of less than `CAUSE_GAP`, ends the wait early.
        clock: What passes the time.

    Raises:
        WaitError: The condition did not hold at the deadline, or a cause persisted.
    """
    start = clock.monotonic()
    persisting: str | None = None
    since = last = start
    while True:
        late = clock.monotonic() - start >= deadline.seconds
        try:
            return probe()
        except NotYet as state:
            actual = str(state)
        now = clock.monotonic()
        if late:
            raise WaitError(
                f"expected {expected} within {round(deadline.seconds, 1):g} s ({deadline.source}); "
                f"after {now - start:.1f} s: {persisting or actual}"
            )
        current = cause()
        if current is not None:
            last = now
        if current != persisting and (current is not None or now - last >= CAUSE_GAP.seconds):
            persisting, since = current, now
        if current is not None and now - since >= CAUSE_LASTED.seconds:
            raise WaitError(f"expected {expected}, but after {now - start:.1f} s: {current}")
        clock.sleep(max(0.0, min(POLL_SECONDS, start + deadline.seconds - now)))


def dwell(seconds: float, why: str, *, clock: Clock = time) -> None:
    """Let time pass where there is no condition to wait for.

    Args:
        seconds: How long; 0 or less returns at once.
        why: What the time is for, as shown in the debug log.
        clock: What passes the time; tests inject their own.
    """
    log.debug("dwelling for %g s: %s", seconds, why)
    clock.sleep(max(0.0, seconds))
