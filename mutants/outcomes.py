"""What became of live mutants: outcomes by the rules and tests of a run's signoff.json, kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mutants.mutant import Mutant

Result = Literal["killed", "found by another rule", "survived", "not judged"]
OUTCOME, SIGNOFF, LOG = "outcome.json", "signoff.json", "pytest.log"
"""The files in a mutant's folder."""


@dataclass(frozen=True)
class Failure:
    """A rule that failed at a level, and the tests that saw it."""

    rule: str
    level: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: Its name.
        rule: The rule that it breaks.
        result: `killed` if its own rule failed in its own test.
        reason: Why it was not judged.
        failures: Every rule that failed in the run, also those that other mutants of the release break.
        beside: The mutants that were in the same release.
        seconds: How long the release took.
    """

    mutant: str
    rule: str
    result: Result
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    beside: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        """The result, with the rules that found it or the reason."""
        if self.result == "found by another rule":
            return f"{self.result}: {', '.join(dict.fromkeys(each.rule for each in self.failures))}"
        return f"{self.result}: {self.reason}" if self.reason else self.result


def read(folder: Path) -> Outcome | None:
    """Return the outcome that a mutant's folder has, or None."""
    if not (folder / OUTCOME).is_file():
        return None
    data = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    failures = tuple(Failure(each["rule"], each["level"], tuple(each["tests"])) for each in data.pop("failures"))
    return Outcome(**{**data, "failures": failures, "beside": tuple(data["beside"])})


def write(folder: Path, outcome: Outcome) -> None:
    """Write the outcome into the mutant's folder."""
    (folder / OUTCOME).write_text(json.dumps(asdict(outcome), indent=1) + "\n", encoding="utf-8")


def judge(mutant: Mutant, rules: Mapping[str, Any], beside: Sequence[str] = ()) -> Outcome:
    """Return a mutant's outcome by the `rules` of signoff.json."""
    failures = tuple(_failures(rules))
    outcome = Outcome(mutant.name, mutant.rule, "killed", failures=failures, beside=tuple(beside))
    if any(
        each.rule == mutant.rule and each.level == "behaviour" and any(_is_of(mutant, test) for test in each.tests)
        for each in failures
    ):
        return outcome
    level = rules[mutant.rule]["levels"]["behaviour"]
    if level["result"] not in ("passed", "failed"):
        reason = next((test["reason"] for test in level["tests"] if test["reason"]), "")
        return not_judged(mutant, f"{level['result']}: {reason}".removesuffix(": "), failures, beside)
    return replace(outcome, result="found by another rule" if failures else "survived")


def not_judged(mutant: Mutant, reason: str, failures: Iterable[Failure] = (), beside: Sequence[str] = ()) -> Outcome:
    """Return the outcome of a mutant whose test gave no verdict."""
    return Outcome(mutant.name, mutant.rule, "not judged", reason, tuple(failures), tuple(beside))


def _is_of(mutant: Mutant, test: str) -> bool:
    return test == mutant.test or test.startswith((f"{mutant.test}::", f"{mutant.test}["))


def _failures(rules: Mapping[str, Any]) -> Iterator[Failure]:
    for rule, each in rules.items():
        for name, level in each["levels"].items():
            if level["result"] == "failed":
                yield Failure(rule, name, tuple(t["test"] for t in level["tests"] if t["result"] == "failed"))


def summary(outcomes: Sequence[Outcome], commit: str | None) -> dict[str, Any]:
    """Return summary.json: the commit, the number of mutants by result, and every outcome."""
    results = [each.result for each in outcomes]
    return {
        "commit": commit,
        "results": {result: results.count(result) for result in dict.fromkeys(results)},
        "mutants": [{**asdict(each), "seconds": round(each.seconds)} for each in outcomes],
    }


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 if every mutant was killed, 1 if one survived or only another rule found it, else 2."""
    results = {each.result for each in outcomes}
    if results & {"survived", "found by another rule"}:
        return 1
    return 0 if results == {"killed"} else 2
