"""The tests that judge mutants of the application: which of them may kill a mutant, and in which order they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MODULES = tuple(
    f"tests/behaviour/test_{name}.py"
    for name in (
        "api",
        "lists",
        "tokens",
        "users",
        "chat",
        "pages",
        "cors",
        "logs",
        "fields",
        "moments",
        "texts",
        "history",
        "caching",
        "accounts",
        "second_account",
        "plain_forms",
        "concurrency",
        "clients",
    )
)
"""The tests of the application alone: none needs Kubernetes."""
DECISIVE: Mapping[str, frozenset[str]] = {
    "test_invalid_token_is_refused_everywhere": frozenset({"auth", "settings"}),
    "test_other_origins_are_not_allowed": frozenset({"app", "settings", "middleware"}),
    "test_turn_with_a_failing_model_stores_nothing": frozenset({"agent", "app", "chat", "database", "settings"}),
    "test_turn_that_fails_after_the_tool_call_stores_nothing": frozenset({"agent", "app", "chat", "database"}),
    "test_odd_titles_are_stored_found_and_shown": frozenset({"app", "schemas", "tasks", "agent"}),
    "test_odd_messages_reach_the_model_and_the_page": frozenset({"app", "schemas", "chat", "agent"}),
    "test_long_history_reaches_the_model_once_and_in_order": frozenset({"chat", "agent"}),
    "test_unusual_token_is_no_error_of_the_server": frozenset({"auth", "app"}),
    "test_odd_name_and_password_are_kept": frozenset({"auth"}),
    "test_password_without_its_spaces_is_refused": frozenset({"auth"}),
    "test_pod_log_shows_a_request": frozenset({"logs", "middleware", "__main__", "settings"}),
}
"""Tests of one question with many cases, by the modules of the backend that answer it; others judge every module."""
PROMISING = 8
"""Tests that run first; the others run module by module, so that what they share is made once."""
MIN_SECONDS = 0.05
"""A quicker test is run no earlier."""
SLOW_SECONDS = 2
"""Tests that take longer run last."""
QUICK_SHARE = 3
"""One in so many tests, the quickest, is always among those of many that judge a mutant."""
SAME_FILE = 10
"""How many mutants of other files a killed one of the same file is worth."""


def function(test: str) -> str:
    """Return the name of a node ID's function."""
    return test.rpartition("::")[2].partition("[")[0]


def judges(test: str, module: str) -> bool:
    """Whether a test, by its node ID, may tell a mutant of a module from the original."""
    return module in DECISIVE.get(function(test), {module})


def covering(reached: Mapping[str, frozenset[str]], seconds: Mapping[str, float]) -> set[str]:
    """Return tests that together reach all that any reaches, in little time, and all quick ones.

    Args:
        reached: What each test reaches.
        seconds: How long each takes.
    """
    ranked = sorted(reached, key=lambda test: seconds.get(test, 0))
    chosen = set(ranked[: len(ranked) // QUICK_SHARE])
    missing = frozenset().union(*reached.values()).difference(*(reached[test] for test in chosen))
    while missing:
        best = max(reached, key=lambda test: len(reached[test] & missing) / max(MIN_SECONDS, seconds.get(test, 0)))
        chosen.add(best)
        missing -= reached[best]
    return chosen


def is_decisive(test: str) -> bool:
    """Whether a test, by its node ID, is of a question that some modules answer."""
    return function(test) in DECISIVE


@dataclass
class Order:
    """Orders tests by how many mutants they have killed per second of theirs, above all of the same file."""

    seconds: dict[str, float] = field(default_factory=dict)
    """By node ID, on the unmodified application at first, then as they kill."""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By test and mutated file."""

    def killed_by(self, test: str, file: str, seconds: float) -> None:
        """Count a mutant that a test has killed in so many seconds."""
        self.seconds[test] = (self.seconds.get(test, seconds) + seconds) / 2
        self.kills[test, file] += 1
        self.kills[test, ""] += 1

    def of(self, tests: Iterable[str], file: str) -> list[str]:
        """Return the tests: the most promising first, then the others in the order given, and the slow ones last."""
        given = list(tests)

        def worth(test: str) -> float:
            kills = SAME_FILE * self.kills[test, file] + self.kills[test, ""]
            return kills / max(MIN_SECONDS, self.seconds.get(test, 0))

        first = [test for test in sorted(given, key=worth, reverse=True)[:PROMISING] if worth(test)]
        others = [test for test in given if test not in first]
        return [*first, *sorted(others, key=lambda test: self.seconds.get(test, 0) > SLOW_SECONDS)]
