"""What a run's results say of the rules, and of the release: pure functions of what the tests did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, get_args

import pytest
from pytest_timeout import PYTEST_FAILURE_MESSAGE

from acceptance.checks.finding import ClassifiedFinding, Finding, FindingsError, Untested, Waived
from acceptance.core.git import Checkout
from acceptance.core.rules import LEVELS, Level, Rule

Outcome = Literal["failed", "error", "untested", "waived", "passed"]
"""Worst first. error: the suite or the machine; untested: something that the test needs is missing."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Verdict = Literal["accepted", "rejected", "incomplete"]
Phase = Literal["setup", "call", "teardown"]

FOLDERS: Mapping[str, Level | None] = {
    "static": "static",
    "image": "image",
    "contract": "live",
    "behaviour": "behaviour",
    "journey": "behaviour",
    "unit": None,
}
"""A test's folder under tests/, and the level that its rules are asserted at there."""


class Exit(IntEnum):
    """Exit codes. Without --signoff: nothing that ran failed, something failed, it could not be judged."""

    OK = 0
    REJECTED = 1
    INCONCLUSIVE = 2


def outcome_of(error: BaseException, phase: Phase) -> Outcome:
    """What an exception that left a test's `phase` says of its rules.

    Only an assertion of the test itself is a finding; in set-up or tear-down it is the suite's trouble, and
    so is a time-out. A plain skip is an error: it names no missing capability.
    """
    if isinstance(error, Untested):
        return "untested"
    if isinstance(error, Waived):
        return "waived"
    return "failed" if phase == "call" and _is_assertion(error) else "error"


def _is_assertion(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # hypothesis: several distinct counterexamples
        return all(map(_is_assertion, error.exceptions))
    if isinstance(error, pytest.fail.Exception):  # also what pytest.raises says
        return not str(error).startswith(PYTEST_FAILURE_MESSAGE.partition("%")[0])
    return isinstance(error, AssertionError)


@dataclass(frozen=True)
class RuleBinding:
    """What a test stands for: its rules, at the level of its folder, for one part or all that they name."""

    test: str
    level: Level | None
    rules: tuple[str, ...] = ()
    part: str | None = None

    def covers(self, rule: Rule, level: Level, part: str) -> bool:
        """Whether the test stands for this part of `rule` at `level`."""
        anywhere = self.part is None or not rule.components
        return rule.id in self.rules and self.level == level and (anywhere or self.part == part)


@dataclass
class TestResult:
    """What became of one test; `seconds` by phase, `evidence` as paths in the run's folder."""

    __test__ = False

    binding: RuleBinding
    outcome: Outcome = "error"
    reason: str = "the run ended before it"
    classified: list[ClassifiedFinding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)

    def of(self, rule: str) -> tuple[Outcome, str]:
        """What the test says of one of its rules, and why."""
        mine = [each for each in self.classified if each.finding.rule == rule]
        counting = any(each.severity == "blocking" for each in self.classified)
        if self.outcome == "failed" and not counting:
            return "failed", self.reason  # a plain assertion says nothing of which rule
        if self.outcome in ("failed", "passed"):
            if broken := [str(each.finding) for each in mine if each.severity == "blocking"]:
                return "failed", "\n".join(broken)
            if waivers := {each.waiver.reason: None for each in mine if each.waiver}:
                return "waived", "; ".join(waivers)
            return "passed", ""
        return self.outcome, self.reason


def add_phase(result: TestResult, error: BaseException | None, phase: Phase) -> None:
    """Add how one phase of a test ended to its result: the worst of its phases stands."""
    outcome, reason = result.outcome, result.reason
    if phase == "call":
        # Only what ended the test counts: hypothesis accepts many examples on its way to the smallest.
        aside = dict.fromkeys(each for each in result.classified if each.severity != "blocking")
        result.classified = [*aside, *(ClassifiedFinding(each, "blocking") for each in _findings_in(error))]
    if error is None:
        if phase == "call":
            outcome, reason = "passed", ""
    else:
        outcome, reason = outcome_of(error, phase), str(error) or type(error).__name__
        if isinstance(error, pytest.skip.Exception) and outcome == "error":
            reason = f"a plain skip ({reason}): raise Untested(reason) to say what is missing"
        elif outcome == "error":
            reason = f"{phase}: {type(error).__name__}: {reason}"
        if phase == "teardown" and result.outcome == "failed":
            return
    if strays := {each.finding.rule for each in result.classified} - set(result.binding.rules):
        outcome, reason = "error", f"findings of {', '.join(sorted(strays))}, which the test is not tied to"
    result.outcome, result.reason = outcome, reason


def _findings_in(error: BaseException | None) -> Iterator[Finding]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _findings_in(each)
    elif isinstance(error, FindingsError):
        yield from error.findings


@dataclass(frozen=True)
class PartResult:
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class LevelResult:
    """A rule at one level: its parts (`release` for a rule of the release as a whole) and its tests."""

    parts: Mapping[str, PartResult]
    tests: tuple[TestResult, ...]

    @property
    def outcome(self) -> Outcome:
        return worst(part.outcome for part in self.parts.values())


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The one that decides; `untested` where there is none."""
    return min(outcomes, key=OUTCOMES.index, default="untested")


def evaluate_rules(
    rules: Iterable[Rule], results: Sequence[TestResult], missing: Mapping[tuple[str, Level], str]
) -> dict[str, dict[Level, LevelResult]]:
    """Each rule at each of its levels. `missing` tells why a level has no result."""
    judged: dict[str, dict[Level, LevelResult]] = {}
    for rule in rules:
        judged[rule.id] = {}
        for level in rule.levels:
            parts = {}
            for part in rule.components or ("release",):
                said = [result.of(rule.id) for result in results if result.binding.covers(rule, level, part)]
                outcome = worst(outcome for outcome, _ in said)
                reasons = dict.fromkeys(reason for each, reason in said if each == outcome and reason)
                if not said:
                    reasons = {missing.get((rule.id, level), "not selected in this run"): None}
                parts[part] = PartResult(outcome, "\n".join(reasons))
            tests = tuple(r for r in results if r.binding.level == level and rule.id in r.binding.rules)
            judged[rule.id][level] = LevelResult(parts, tests)
    return judged


def run_verdict(
    judged: Mapping[str, Mapping[Level, LevelResult]],
    *,
    fresh_cluster: bool,
    tested: Checkout,
    troubles: Sequence[str] = (),
) -> tuple[Verdict, list[str]]:
    """The verdict on the release, and all that stands between it and acceptance.

    `troubles` are what kept the suite itself from judging: an interrupt, a failed test of its own.
    """
    rules: dict[Outcome, list[str]] = {outcome: [] for outcome in OUTCOMES}
    coverage_gaps = 0
    for rule, levels in judged.items():
        outcomes = [level.outcome for level in levels.values()]
        coverage_gaps += outcomes.count("untested")
        for outcome in set(outcomes):
            rules[outcome].append(rule)
    reasons = []
    if broken := rules["failed"]:
        reasons.append(f"{_count(broken, 'rule is', 'rules are')} broken: {', '.join(broken)}")
    if unjudged := rules["error"]:
        reasons.append(f"{_count(unjudged, 'rule', 'rules')} could not be judged: {', '.join(unjudged)}")
    if coverage_gaps:
        levels_in_all = sum(map(len, judged.values()))
        reasons.append(f"{coverage_gaps} of the rules' {levels_in_all} levels are untested")
    if not fresh_cluster:
        reasons.append("the cluster was not made by this run")
    if tested.obstacle:
        reasons.append(tested.obstacle)
    reasons += troubles
    if broken:
        return "rejected", reasons
    return ("incomplete", reasons) if reasons else ("accepted", [])


def _count(things: Sequence[object], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"


def exit_code(
    verdict: Verdict, results: Iterable[TestResult], *, signoff: bool, interrupted: bool, troubled: bool
) -> Exit:
    """The process's exit code. A finding outweighs an error: it stays true whatever else went wrong."""
    if signoff:
        codes = {"accepted": Exit.OK, "rejected": Exit.REJECTED, "incomplete": Exit.INCONCLUSIVE}
        return codes[verdict]
    outcomes = {result.outcome for result in results}
    if interrupted:
        return Exit.INCONCLUSIVE
    if "failed" in outcomes:
        return Exit.REJECTED
    return Exit.INCONCLUSIVE if troubled or "error" in outcomes else Exit.OK


def missing_reasons(
    rules: Iterable[Rule], known: Iterable[RuleBinding], coverage_gaps: Mapping[str, Sequence[str]]
) -> dict[tuple[str, Level], str]:
    """Why a level without a result has none: no test is written yet, or its tests did not run."""
    tied = {(rule, tie.level) for tie in known for rule in tie.rules}
    return {
        (rule.id, level): "no test yet"
        for rule in rules
        for level in LEVELS
        if (rule.id, level) not in tied and any(e.split("/")[0] == level for e in coverage_gaps.get(rule.id, ()))
    }
