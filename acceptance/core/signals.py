"""Signals: SIGTERM ends a run as Ctrl-C does, and neither interrupts a cleanup."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C, here and in the commands that are run, which inherit this; SIGTERM is ignored here only."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminate = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


class Interruption:
    """Whether Ctrl-C or SIGTERM was received: an error of a cleanup can take the place of the `KeyboardInterrupt`."""

    received = False


@contextmanager
def interrupted_by_sigterm() -> Iterator[Interruption]:
    """Raise `KeyboardInterrupt` at SIGTERM, so that it is handled as Ctrl-C is; yields a record of either.

    Ctrl-C stays ignored where it was, as in a process that a shell has started in the background.
    """
    interruption = Interruption()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interruption.received = True
        signal.default_int_handler(number, frame)

    terminate, ctrl_c = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGTERM, interrupt)
    if ctrl_c is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, ctrl_c)
