"""Repeats an experiment once if it was inconclusive; one with findings is not repeated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from acceptance.core.inconclusive import InconclusiveError
from acceptance.experiments.runner import ExperimentRunner

P = ParamSpec("P")
T = TypeVar("T")


def repeat_if_inconclusive(make: Callable[P, T]) -> Callable[P, T]:
    """Call the decorated function again, once, if it raises `InconclusiveError`; the second error propagates.

    The function makes one experiment with its argument `experiments`, the `ExperimentRunner`. The report shows both
    attempts; the runner's `progress` shows why there is a second one.
    """
    signature = inspect.signature(make)
    if "experiments" not in signature.parameters or inspect.isgeneratorfunction(make):
        raise TypeError(f"{make.__name__} is a generator, or has no argument `experiments`")

    @wraps(make)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        runner: ExperimentRunner = signature.bind(*args, **kwargs).arguments["experiments"]
        return attempt_twice(lambda: make(*args, **kwargs), runner.progress)

    return repeated


def attempt_twice(make: Callable[[], T], progress: Callable[[str], None]) -> T:
    """Return what `make` returns, at the second attempt if the first raises `InconclusiveError`.

    Args:
        make: A measurement; its second `InconclusiveError` propagates, and so does any other exception.
        progress: Shows why there is a second attempt.
    """
    try:
        return make()
    except InconclusiveError as error:
        progress(f"repeated once, since it was inconclusive: {error}")
    return make()
