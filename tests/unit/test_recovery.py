"""A pod that is Ready again later than a derived rule allows is no blocking finding of another rule."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.core.deadlines import POD_REPLACED, RECOVERED
from acceptance.core.target import Target
from acceptance.core.wait import WaitError
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.recovery import late_findings


@pytest.mark.parametrize(("seconds", "late"), [(5.0, False), (30.0, False), (45.0, True)])
@pytest.mark.parametrize("strict", [True, False])
def test_slow_start_is_advice_unless_the_target_is_strict(
    target: Target, seconds: float, strict: bool, *, late: bool
) -> None:
    stated = target.model_copy(update={"strict": strict})
    recovery: WaitResult[Any] = WaitResult(seconds, None)
    found = late_findings("STA-09", "Pod/a", "backend: main process killed", recovery, stated)
    assert [each.advice for each in found] == ([not strict] if late else [])


def test_pod_that_never_returns_is_a_failure(target: Target) -> None:
    gone: WaitResult[Any] = WaitResult(RECOVERED.seconds, WaitError("expected pod a to be Ready"))
    with pytest.raises(WaitError):
        late_findings("STA-09", "Pod/a", "killed", gone, target)
    assert RECOVERED.seconds > POD_REPLACED.seconds
