"""Waiting: never returns early, probes once more at the deadline, and reports what was expected and observed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from acceptance.core import wait
from acceptance.core.deadlines import CAUSE_LASTED, Deadline
from acceptance.core.wait import NotYet, WaitError, dwell, eventually

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


def test_deadline_may_count_from_an_earlier_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    left = DEADLINE.counted_from(980.0)
    assert left.seconds == 40
    assert left.source == "the specification; 60 s in all, of which 20.0 s had passed"
    assert DEADLINE.counted_from(900.0).seconds == 0
    assert DEADLINE.counted_from(1001.0).seconds == 60


def test_passed_deadline_is_probed_once(clock: Clock) -> None:
    asked: list[float] = []
    with pytest.raises(WaitError, match="within 0 s"):
        eventually("a thing", holds_from(clock, 1, asked), DEADLINE.counted_from(0.0), clock=clock)
    assert len(asked) == 1


@pytest.mark.parametrize("second", [0, 0.1, 1, 59.9, 60])
def test_returns_when_the_condition_holds_and_not_before(clock: Clock, second: float) -> None:
    assert eventually("a thing", holds_from(clock, second), DEADLINE, clock=clock) == "the value"
    assert second <= clock.passed <= second + wait.POLL_SECONDS


def test_last_probe_is_at_the_deadline(clock: Clock) -> None:
    asked: list[float] = []
    with pytest.raises(WaitError) as raised:
        eventually("a thing", holds_from(clock, 61, asked), DEADLINE, clock=clock)
    assert asked[-1] == pytest.approx(60)
    assert str(raised.value) == ("expected a thing within 60 s (the specification); after 60.0 s: 1 s too early")


def test_slow_probe_is_called_once_more_at_the_deadline(clock: Clock) -> None:
    asked = []

    def probe() -> None:
        asked.append(clock.passed)
        clock.now += 50
        raise NotYet("slow")

    with pytest.raises(WaitError, match=r"after 150\.2 s: slow"):
        eventually("a thing", probe, DEADLINE, clock=clock)
    assert asked == [0, 50.25, 100.25]


@pytest.mark.parametrize("error", [AssertionError("no"), ValueError("no"), KeyboardInterrupt()])
def test_other_exceptions_end_the_wait_at_once(clock: Clock, error: BaseException) -> None:
    def probe() -> None:
        raise error

    with pytest.raises(type(error)):
        eventually("a thing", probe, DEADLINE, clock=clock)
    assert clock.passed == 0


def test_false_value_is_returned(clock: Clock) -> None:
    assert eventually("a thing", lambda: None, DEADLINE, clock=clock) is None


def test_persisting_cause_ends_the_wait_early(clock: Clock) -> None:
    def cause() -> str | None:
        return "the image can't be pulled" if clock.passed >= 3 else None

    with pytest.raises(WaitError) as raised:
        eventually("a thing", holds_from(clock, 61), DEADLINE, cause=cause, clock=clock)
    assert clock.passed == pytest.approx(3 + CAUSE_LASTED.seconds, abs=2 * wait.POLL_SECONDS)
    assert str(raised.value) == f"expected a thing, but after {clock.passed:.1f} s: the image can't be pulled"


def test_cause_is_reported_within_20_seconds() -> None:
    assert CAUSE_LASTED.seconds + 2 * wait.POLL_SECONDS < 20


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(lambda passed: "a" if passed % 23 < 12 else None, id="heals now and then"),
        pytest.param(lambda passed: f"cause {passed // 10}", id="another one each time"),
        pytest.param(lambda passed: "a" if passed >= 50 else None, id="too late to last"),
    ],
)
def test_passing_cause_does_not_end_the_wait(clock: Clock, cause: Callable[[float], str | None]) -> None:
    found = eventually("a thing", holds_from(clock, 60), DEADLINE, cause=lambda: cause(clock.passed), clock=clock)
    assert found == "the value"


def test_gap_does_not_hide_a_cause(clock: Clock) -> None:
    """Such as a container that is Ready for 2 s each time before it crashes."""

    def cause() -> str | None:
        return "it crashes" if clock.passed % 10 < 8 else None

    with pytest.raises(WaitError, match=r"it crashes$"):
        eventually("a thing", holds_from(clock, 61), DEADLINE, cause=cause, clock=clock)
    assert clock.passed == pytest.approx(CAUSE_LASTED.seconds)


def test_wait_does_not_end_in_a_gap(clock: Clock) -> None:
    def cause() -> str | None:
        return "it crashes" if clock.passed < 14 else None

    assert eventually("a thing", holds_from(clock, 30), DEADLINE, cause=cause, clock=clock) == "the value"


def test_persisting_cause_is_reported_at_the_deadline(clock: Clock) -> None:
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
