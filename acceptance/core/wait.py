"""Waiting for a condition: `eventually` and `consistently`; and letting time pass: `dwell`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from acceptance.core.deadlines import CAUSE_GAP, CAUSE_LASTED, Deadline

T = TypeVar("T")

POLL_SECONDS = 0.25
log = logging.getLogger(__name__)


class Clock(Protocol):
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class NotYet(Exception):  # noqa: N818 - a state, not an error
    """Raised by a probe whose condition does not hold; the message says what was seen instead."""


class WaitError(AssertionError):
    """A condition that did not come or last: what was wanted, what was last seen, after how long."""


def eventually(
    wanted: str,
    probe: Callable[[], T],
    deadline: Deadline,
    *,
    cause: Callable[[], str | None] = lambda: None,
    clock: Clock = time,
) -> T:
    """Call `probe` until it returns, and return its value.

    `probe` raises `NotYet` while the condition does not hold. `cause` returns a sentence when it cannot
    come any more, else None; one that stands unchanged for `CAUSE_LASTED`, gaps of less than `CAUSE_GAP` apart, ends
    the wait early.
    Raises `WaitError` at the deadline. The probe is called at least once, and once more at the deadline.
    """
    start = clock.monotonic()
    standing: str | None = None
    since = last = start
    while True:
        late = clock.monotonic() - start >= deadline.seconds
        try:
            return probe()
        except NotYet as state:
            seen = str(state)
        now = clock.monotonic()
        if late:
            raise WaitError(
                f"wanted {wanted} within {deadline.seconds:g} s ({deadline.source}); "
                f"after {now - start:.1f} s: {standing or seen}"
            )
        found = cause()
        if found is not None:
            last = now
        if found != standing and (found is not None or now - last >= CAUSE_GAP.seconds):
            standing, since = found, now
        if found is not None and now - since >= CAUSE_LASTED.seconds:
            raise WaitError(f"wanted {wanted}, but after {now - start:.1f} s: {found}")
        clock.sleep(max(0.0, min(POLL_SECONDS, start + deadline.seconds - now)))


def consistently(
    wanted: str, probe: Callable[[], T], seconds: float, *, period: float = POLL_SECONDS, clock: Clock = time
) -> int:
    """Call `probe` for `seconds` and return how often it held; it must hold every time.

    Raises `WaitError` at the first `NotYet`.
    """
    start = clock.monotonic()
    held = 0
    while True:
        try:
            probe()
        except NotYet as state:
            passed = clock.monotonic() - start
            raise WaitError(f"wanted {wanted} for {seconds:g} s, but after {passed:.1f} s: {state}") from state
        held += 1
        if clock.monotonic() - start >= seconds:
            return held
        clock.sleep(period)


def dwell(seconds: float, why: str, *, clock: Clock = time) -> None:
    """Let time pass where there is no condition to wait for.

    Args:
        seconds: How long; 0 or less returns at once.
        why: What the time is for, as shown in the debug log.
        clock: What passes the time; tests inject their own.
    """
    log.debug("dwelling for %g s: %s", seconds, why)
    clock.sleep(max(0.0, seconds))
