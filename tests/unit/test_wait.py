"""Waiting: it never passes early, looks once more at the deadline, and says what was wanted and what was seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.core import wait
from acceptance.core.deadlines import CAUSE_LASTED, Deadline
from acceptance.core.wait import NotYet, WaitError, consistently, dwell, eventually

DEADLINE = Deadline("a thing", 60, "the specification")


class Clock:
    """Time that passes only in sleep, and in probes that take some."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        assert seconds >= 0
        self.now += seconds

    @property
    def passed(self) -> float:
        return self.now - 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


def holds_from(clock: Clock, second: float, asked: list[float] | None = None) -> Callable[[], str]:
    """A probe whose condition holds from a second on."""

    def probe() -> str:
        if asked is not None:
            asked.append(clock.passed)
        if clock.passed < second:
            raise NotYet(f"{second - clock.passed:g} s too early")
        return "the value"

    return probe


@pytest.mark.parametrize("second", [0, 0.1, 1, 59.9, 60])
def test_it_passes_when_the_condition_holds_and_never_before(clock: Clock, second: float) -> None:
    assert eventually("a thing", holds_from(clock, second), DEADLINE, clock=clock) == "the value"
    assert second <= clock.passed <= second + wait.POLL_SECONDS


def test_the_last_look_is_at_the_deadline(clock: Clock) -> None:
    asked: list[float] = []
    with pytest.raises(WaitError) as raised:
        eventually("a thing", holds_from(clock, 61, asked), DEADLINE, clock=clock)
    assert asked[-1] == pytest.approx(60)
    assert str(raised.value) == ("wanted a thing within 60 s (the specification); after 60.0 s: 1 s too early")


def test_a_slow_probe_is_called_once_more_after_the_deadline(clock: Clock) -> None:
    asked = []

    def probe() -> None:
        asked.append(clock.passed)
        clock.now += 50
        raise NotYet("slow")

    with pytest.raises(WaitError, match=r"after 150\.2 s: slow"):
        eventually("a thing", probe, DEADLINE, clock=clock)
    assert asked == [0, 50.25, 100.25]


@pytest.mark.parametrize("error", [AssertionError("no"), ValueError("no"), KeyboardInterrupt()])
def test_what_is_not_NotYet_ends_the_wait_at_once(clock: Clock, error: BaseException) -> None:  # noqa: N802
    def probe() -> None:
        raise error

    with pytest.raises(type(error)):
        eventually("a thing", probe, DEADLINE, clock=clock)
    assert clock.passed == 0


def test_a_false_value_is_a_value(clock: Clock) -> None:
    assert eventually("a thing", lambda: None, DEADLINE, clock=clock) is None


def test_a_cause_that_lasts_ends_the_wait_early(clock: Clock) -> None:
    def cause() -> str | None:
        return "the image can't be pulled" if clock.passed >= 3 else None

    with pytest.raises(WaitError) as raised:
        eventually("a thing", holds_from(clock, 61), DEADLINE, cause=cause, clock=clock)
    assert clock.passed == pytest.approx(3 + CAUSE_LASTED.seconds, abs=2 * wait.POLL_SECONDS)
    assert str(raised.value) == f"wanted a thing, but after {clock.passed:.1f} s: the image can't be pulled"


def test_a_cause_is_told_within_20_seconds_of_its_being_known() -> None:
    assert CAUSE_LASTED.seconds + 2 * wait.POLL_SECONDS < 20


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(lambda passed: "a" if passed % 23 < 12 else None, id="heals now and then"),
        pytest.param(lambda passed: f"cause {passed // 10}", id="another one each time"),
        pytest.param(lambda passed: "a" if passed >= 50 else None, id="too late to last"),
    ],
)
def test_a_cause_that_does_not_last_does_not_end_it(clock: Clock, cause: Callable[[float], str | None]) -> None:
    found = eventually("a thing", holds_from(clock, 60), DEADLINE, cause=lambda: cause(clock.passed), clock=clock)
    assert found == "the value"


def test_a_gap_does_not_hide_a_cause(clock: Clock) -> None:
    """Such as a container that is Ready for 2 s each time before it crashes."""

    def cause() -> str | None:
        return "it crashes" if clock.passed % 10 < 8 else None

    with pytest.raises(WaitError, match=r"it crashes$"):
        eventually("a thing", holds_from(clock, 61), DEADLINE, cause=cause, clock=clock)
    assert clock.passed == pytest.approx(CAUSE_LASTED.seconds)


def test_a_wait_does_not_end_in_a_gap(clock: Clock) -> None:
    def cause() -> str | None:
        return "it crashes" if clock.passed < 14 else None

    assert eventually("a thing", holds_from(clock, 30), DEADLINE, cause=cause, clock=clock) == "the value"


def test_a_cause_that_stands_at_the_deadline_is_told_rather_than_what_was_seen(clock: Clock) -> None:
    with pytest.raises(WaitError, match=r"after 60\.0 s: the cause$"):
        eventually(
            "a thing",
            holds_from(clock, 61),
            DEADLINE,
            cause=lambda: "the cause" if clock.passed >= 50 else None,
            clock=clock,
        )


@pytest.mark.parametrize(("seconds", "passed"), [(2.5, 2.5), (0, 0), (-1, 0)])
def test_dwell_lets_time_pass(clock: Clock, seconds: float, passed: float) -> None:
    dwell(seconds, "the load continues", clock=clock)
    assert clock.passed == passed


def test_a_state_must_hold_all_the_time(clock: Clock) -> None:
    assert consistently("a thing", lambda: None, 2, period=0.5, clock=clock) == 5
    assert clock.passed == 2


def test_a_state_that_ends_is_told_with_the_time(clock: Clock) -> None:
    def probe() -> None:
        if clock.passed >= 1.5:
            raise NotYet("it is gone")

    with pytest.raises(WaitError) as raised:
        consistently("a thing", probe, 2, clock=clock)
    assert str(raised.value) == "wanted a thing for 2 s, but after 1.5 s: it is gone"


def test_a_state_is_looked_at_even_if_no_time_is_to_pass(clock: Clock) -> None:
    assert consistently("a thing", lambda: None, 0, clock=clock) == 1
