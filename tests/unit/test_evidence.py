"""Evidence of failures is shown once: in one report, and of what several tests would show alike."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.plugin.evidence import EvidenceGatherer
from acceptance.report.verdict import RuleBinding, TestResult


class State:
    """A run whose collectors are given; it notes what is kept."""

    def __init__(self, *collectors: Callable[[], dict[str, str]]) -> None:
        self.collectors = collectors
        self.kept: list[str] = []

    def keep(self, result: TestResult, name: str, content: str) -> None:
        self.kept.append(f"{result.binding.test} {name} {content}")


def shown(gatherer: EvidenceGatherer, test: str) -> list[tuple[str, str]]:
    """The sections that a failure of a test gets."""
    report: Any = SimpleNamespace(longrepr=None, sections=[])
    gatherer.attach(report, AssertionError(test), TestResult(RuleBinding(test, "behaviour", ("POD-01",))))
    sections: list[tuple[str, str]] = report.sections
    return sections


def failing() -> dict[str, str]:
    raise OSError("no engine")


@pytest.mark.parametrize("later", ["POST /tasks", "POST /tasks 500"])
def test_log_is_shown_once(later: str) -> None:
    logs = iter(["POST /tasks", later, later, later])
    state: Any = State(lambda: {"log of backend": next(logs)}, lambda: {"log of backend": next(logs)}, failing)
    gatherer = EvidenceGatherer(state)
    failure = ("evidence", "could not be gathered: OSError: no engine")
    assert shown(gatherer, "test_a") == [("log of backend", "POST /tasks"), failure]
    again = "the same as of test_a" if later == "POST /tasks" else later
    assert shown(gatherer, "test_b") == [("log of backend", again), ("evidence", "the same as of test_a")]
    assert f"test_b log of backend.txt {later}" in state.kept
