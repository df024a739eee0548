"""What a run's results mean for the rules, and for the release: pure functions of the tests' outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, get_args

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.checks.grouping import group
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


@dataclass(frozen=True)
class RuleBinding:
    """The rules that a test asserts, at the level of its folder, for one part or for all that the rules name."""

    test: str
    level: Level | None
    rules: tuple[str, ...] = ()
    part: str | None = None

    def covers(self, rule: Rule, level: Level, part: str) -> bool:
        """Return whether the test asserts this part of `rule` at `level`."""
        anywhere = self.part is None or not rule.components
        return rule.id in self.rules and self.level == level and (anywhere or self.part == part)


@dataclass
class TestResult:
    """The result of one test; `seconds` by phase, `evidence` as paths in the run's folder."""

    __test__ = False

    binding: RuleBinding
    outcome: Outcome = "error"
    reason: str = "not run: the session ended first"
    classified: list[ClassifiedFinding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)

    def of(self, rule: str) -> tuple[Outcome, str]:
        """Return what the test says about one of its rules, and why."""
        own = [each for each in self.classified if each.finding.rule == rule]
        blocking = any(each.severity == "blocking" for each in self.classified)
        if self.outcome == "failed" and not blocking:
            return "failed", self.reason  # a plain assertion does not say which rule it is about
        if self.outcome in ("failed", "passed"):
            if broken := group(each for each in own if each.severity == "blocking"):
                return "failed", "\n".join(map(str, broken))
            if waivers := {each.waiver.reason: None for each in own if each.waiver}:
                return "waived", "; ".join(waivers)
            return "passed", ""
        return self.outcome, self.reason


@dataclass(frozen=True)
class PhaseEnd:
    """How an exception ended a phase of a test, and the findings that it carries."""

    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...] = ()


def add_phase(result: TestResult, phase: Phase, end: PhaseEnd | None) -> None:
    """Add a phase to a test's result: the worst of its phases is the result's.

    Args:
        result: The result so far.
        phase: The phase that ended.
        end: How an exception ended it, or None where none did.
    """
    known = result.classified
    if phase == "call":
        # Of the blocking findings only those that ended the test: hypothesis reports many on its way to the smallest.
        known = [each for each in known if each.severity != "blocking"]
    added = [ClassifiedFinding(each, "blocking") for each in (end.findings if end else ())]
    result.classified = list(dict.fromkeys([*known, *added]))
    outcome, reason = result.outcome, result.reason
    if end is not None:
        if phase != "teardown" or OUTCOMES.index(end.outcome) < OUTCOMES.index(outcome):
            outcome, reason = end.outcome, end.reason
    elif phase == "call":
        outcome, reason = "passed", ""
    unbound = {each.finding.rule for each in result.classified} - set(result.binding.rules)
    if unbound and not (phase == "teardown" and outcome == "failed"):
        outcome, reason = "error", f"findings of {', '.join(sorted(unbound))}, which the test is not bound to"
    result.outcome, result.reason = outcome, reason


def joined(one: TestResult, other: TestResult) -> TestResult:
    """Join the results of a test that ran twice: in two shards, each for its own experiments, or again in one run.

    The worse one counts. It is untested only where it had nothing to assert both times.
    """
    judged = [each for each in (one, other) if each.outcome != "untested"] or [one]
    outcome = worst(each.outcome for each in judged)
    reasons = dict.fromkeys(each.reason for each in judged if each.outcome == outcome and each.reason)
    return TestResult(
        one.binding,
        outcome,
        "\n".join(reasons),
        [*one.classified, *other.classified],
        {phase: one.seconds.get(phase, 0) + other.seconds.get(phase, 0) for phase in {**one.seconds, **other.seconds}},
        list(dict.fromkeys([*one.evidence, *other.evidence])),
    )


@dataclass(frozen=True)
class PartResult:
    """A rule at one level for one part; `reason` where it did not pass."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class LevelResult:
    """A rule at one level: its parts (`release` for a rule of the release as a whole) and its tests."""

    parts: Mapping[str, PartResult]
    tests: tuple[TestResult, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of the parts."""
        return worst(part.outcome for part in self.parts.values())


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst outcome, which decides; `untested` where there is none."""
    return min(outcomes, key=OUTCOMES.index, default="untested")


def evaluate_rules(
    rules: Iterable[Rule], results: Sequence[TestResult], missing: Mapping[tuple[str, Level], str]
) -> dict[str, dict[Level, LevelResult]]:
    """Return the result of each rule at each of its levels.

    Args:
        rules: The rules.
        results: The results of all tests.
        missing: Why a level of a rule has no test.
    """
    evaluated: dict[str, dict[Level, LevelResult]] = {}
    for rule in rules:
        evaluated[rule.id] = {}
        for level in rule.levels:
            reason = missing.get((rule.id, level), "not selected in this run")
            parts = {part: _part_result(rule, level, part, results, reason) for part in rule.components or ("release",)}
            tests = tuple(r for r in results if r.binding.level == level and rule.id in r.binding.rules)
            evaluated[rule.id][level] = LevelResult(parts, tests)
    return evaluated


def _part_result(rule: Rule, level: Level, part: str, results: Sequence[TestResult], missing: str) -> PartResult:
    outcomes = [result.of(rule.id) for result in results if result.binding.covers(rule, level, part)]
    if not outcomes:
        return PartResult("untested", missing)
    outcome = worst(outcome for outcome, _ in outcomes)
    reasons = dict.fromkeys(reason for each, reason in outcomes if each == outcome and reason)
    return PartResult(outcome, "\n".join(reasons))


def run_verdict(
    evaluated: Mapping[str, Mapping[Level, LevelResult]],
    *,
    fresh_cluster: bool,
    checkout: Checkout,
    suite_errors: Sequence[str] = (),
) -> tuple[Verdict, list[str]]:
    """Return the verdict on the release, and every reason why it is not accepted.

    Args:
        evaluated: The result of each rule at each of its levels.
        fresh_cluster: Whether the cluster was created by this run.
        checkout: What was tested.
        suite_errors: What kept the suite itself from judging, such as an interrupt or a failed unit test.
    """
    rules: dict[Outcome, list[str]] = {outcome: [] for outcome in OUTCOMES}
    untested = 0
    for rule, levels in evaluated.items():
        outcomes = [level.outcome for level in levels.values()]
        untested += outcomes.count("untested")
        for outcome in set(outcomes):
            rules[outcome].append(rule)
    reasons = []
    if broken := rules["failed"]:
        reasons.append(f"{_count(broken, 'rule is', 'rules are')} broken: {', '.join(broken)}")
    if unjudged := rules["error"]:
        reasons.append(f"{_count(unjudged, 'rule', 'rules')} could not be judged: {', '.join(unjudged)}")
    if untested:
        total = sum(map(len, evaluated.values()))
        reasons.append(f"{untested} of the rules' {total} levels are untested")
    if not fresh_cluster:
        reasons.append("the cluster was not created by this run")
    if checkout.obstacle:
        reasons.append(checkout.obstacle)
    reasons += suite_errors
    if broken:
        return "rejected", reasons
    return ("incomplete", reasons) if reasons else ("accepted", [])


def _count(things: Sequence[object], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"


def exit_code(
    verdict: Verdict, results: Iterable[TestResult], *, signoff: bool, interrupted: bool, suite_error: bool
) -> Exit:
    """Return the process's exit code. A finding outweighs an error: it stays true whatever else went wrong."""
    if signoff:
        codes = {"accepted": Exit.OK, "rejected": Exit.REJECTED, "incomplete": Exit.INCONCLUSIVE}
        return codes[verdict]
    outcomes = {result.outcome for result in results}
    if interrupted:
        return Exit.INCONCLUSIVE
    if "failed" in outcomes:
        return Exit.REJECTED
    return Exit.INCONCLUSIVE if suite_error or "error" in outcomes else Exit.OK


def missing_reasons(
    rules: Iterable[Rule], bindings: Iterable[RuleBinding], coverage_gaps: Mapping[str, Sequence[str]]
) -> dict[tuple[str, Level], str]:
    """Return the reason for each level of a rule that has no test yet."""
    bound = {(rule, binding.level) for binding in bindings for rule in binding.rules}
    return {
        (rule.id, level): "no test yet"
        for rule in rules
        for level in LEVELS
        if (rule.id, level) not in bound and any(e.split("/")[0] == level for e in coverage_gaps.get(rule.id, ()))
    }
