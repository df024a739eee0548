"""An experiment that was inconclusive is repeated once. A finding is not: it ends in no exception."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from acceptance.core.inconclusive import InconclusiveError
from acceptance.experiments.experiment import ExperimentRunner

P = ParamSpec("P")
T = TypeVar("T")


def repeat_if_inconclusive(make: Callable[P, T]) -> Callable[P, T]:
    """Call the decorated function again, once, if it raises `InconclusiveError`; the second error propagates.

    The function makes one experiment with its argument `experiments`, the `ExperimentRunner`. The report shows both
    attempts; the runner's `progress` is told why there is a second one.
    """
    signature = inspect.signature(make)
    if "experiments" not in signature.parameters or inspect.isgeneratorfunction(make):
        raise TypeError(f"{make.__name__} is a generator, or has no argument `experiments`")

    @wraps(make)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return make(*args, **kwargs)
        except InconclusiveError as error:
            runner: ExperimentRunner = signature.bind(*args, **kwargs).arguments["experiments"]
            runner.progress(f"repeated once, since it was inconclusive: {error}")
        return make(*args, **kwargs)

    return repeated
