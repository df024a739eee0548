"""From the outcomes of tests to the results of rules, the verdict and the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import pytest

from acceptance.checks.finding import (
    ClassifiedFinding,
    Finding,
    FindingsError,
    Untested,
    Waived,
    capture_findings,
    classify,
    report_findings,
)
from acceptance.core.git import Checkout
from acceptance.core.rules import Level, Rule
from acceptance.core.target import Target, Waiver, load
from acceptance.core.wait import WaitError
from acceptance.plugin.outcomes import phase_end
from acceptance.report.verdict import (
    Exit,
    LevelResult,
    Outcome,
    Phase,
    RuleBinding,
    TestResult,
    Verdict,
    add_phase,
    evaluate_rules,
    exit_code,
    joined,
    run_verdict,
)

CLEAN = Checkout("3f9d2c81b7e6", clean=True)
TODAY = date(2026, 7, 14)
BOTH = Rule("POD-04", "Pod", ("static", "live"), "both", "spec", "1-5 containers.")
WHOLE = Rule("CFG-01", "ConfigMap", ("static",), "release", "spec", "Its name.")


def finding(rule: str, name: str = "Deployment/todo-backend", *, advice: bool = False) -> Finding:
    return Finding(rule, name, "spec.x", "1", "2", advice)


def result(outcome: Outcome = "passed", *rules: str, level: Level = "static", part: str | None = None) -> TestResult:
    binding = RuleBinding(f"tests/{level}/test_x.py::test[{part}-{outcome}]", level, rules or ("POD-04",), part)
    return TestResult(binding, outcome, "" if outcome == "passed" else f"{outcome} because")


def after(*phases: tuple[Phase, BaseException | None], classified: Iterable[ClassifiedFinding] = ()) -> TestResult:
    made = TestResult(RuleBinding("t", "static", ("POD-04", "POD-06")))
    made.classified += classified
    for phase, error in phases:
        add_phase(made, phase, phase_end(error, phase) if error else None)
    return made


def timed_out() -> BaseException:
    return pytest.fail.Exception("Timeout (>1.0s) from pytest-timeout.")


@pytest.mark.parametrize(
    ("phase", "error", "outcome"),
    [
        ("call", None, "passed"),
        ("call", AssertionError("no"), "failed"),
        ("call", WaitError("no"), "failed"),
        ("call", FindingsError([finding("POD-04")]), "failed"),
        ("call", pytest.fail.Exception("DID NOT RAISE"), "failed"),
        ("call", ExceptionGroup("two", [AssertionError("a"), AssertionError("b")]), "failed"),
        ("call", ExceptionGroup("two", [AssertionError("a"), OSError("b")]), "error"),
        ("call", timed_out(), "error"),
        ("call", OSError("no engine"), "error"),
        ("call", KeyboardInterrupt(), "error"),
        ("call", Untested("no HPA"), "untested"),
        ("call", Waived("linux/arm64"), "waived"),
        ("call", pytest.skip.Exception("why"), "error"),
        ("setup", AssertionError("not ready"), "error"),
        ("setup", Untested("no node access"), "untested"),
        ("setup", None, "error"),
    ],
)
def test_exception_and_phase_determine_the_outcome(phase: Phase, error: BaseException | None, outcome: Outcome) -> None:
    assert after((phase, error)).outcome == outcome


def test_test_without_a_call_phase_has_not_passed() -> None:
    assert after(("setup", None)).reason == "not run: the session ended first"


def test_failed_teardown_overrides_a_pass_but_no_finding() -> None:
    passed = after(("setup", None), ("call", None), ("teardown", OSError("gone")))
    failed = after(("setup", None), ("call", AssertionError("no")), ("teardown", OSError("gone")))
    assert (passed.outcome, passed.reason) == ("error", "teardown: OSError: gone")
    assert (failed.outcome, failed.reason) == ("failed", "no")


def test_teardown_adds_to_the_findings_of_the_call() -> None:
    made = after(
        ("call", FindingsError([finding("POD-04")])),
        ("teardown", FindingsError([finding("POD-06")])),
    )
    assert (made.of("POD-04")[0], made.of("POD-06")[0]) == ("failed", "failed")


@pytest.mark.parametrize(
    ("called", "torn_down", "outcome"),
    [
        (OSError("gone"), Waived("linux/arm64"), "error"),
        (Untested("no HPA"), Waived("linux/arm64"), "untested"),
        (None, Waived("linux/arm64"), "waived"),
        (Waived("linux/arm64"), OSError("gone"), "error"),
    ],
)
def test_worse_of_call_and_teardown_counts(
    called: BaseException | None, torn_down: BaseException, outcome: Outcome
) -> None:
    assert after(("setup", None), ("call", called), ("teardown", torn_down)).outcome == outcome


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("failed", "passed", "failed"), ("passed", "error", "error"), ("untested", "passed", "passed")],
)
def test_worse_of_two_runs_of_a_test_counts(one: Outcome, other: Outcome, expected: Outcome) -> None:
    assert joined(result(one), result(other)).outcome == expected


def test_finding_fails_its_own_rule_only() -> None:
    made = after(("call", FindingsError([finding("POD-06")])))
    assert made.of("POD-06") == (
        "failed",
        "POD-06: Deployment/todo-backend: spec.x: expected 1, actual 2",
    )
    assert made.of("POD-04") == ("passed", "")


def test_only_findings_that_end_a_test_are_blocking() -> None:
    smaller, smallest = finding("POD-04", "Deployment/smaller"), finding("POD-04", "Deployment/smallest")
    ended = after(
        ("call", FindingsError([smallest])),
        classified=[ClassifiedFinding(smaller, "blocking"), ClassifiedFinding(smallest, "blocking")],
    )
    assert [each.finding for each in ended.classified] == [smallest]
    both = ExceptionGroup("two", [FindingsError([smaller]), FindingsError([smallest])])
    assert [each.finding for each in after(("call", both)).classified] == [smaller, smallest]


def test_plain_assertion_breaks_every_rule_of_the_test() -> None:
    made = after(("call", AssertionError("no")))
    assert made.of("POD-04") == made.of("POD-06") == ("failed", "no")


def test_finding_of_an_unbound_rule_is_an_error() -> None:
    made = after(("call", FindingsError([finding("SVC-01")])))
    assert made.outcome == "error"
    assert "SVC-01" in made.reason


def test_advice_and_waivers_do_not_fail_a_test() -> None:
    waiver = Waiver(rule="POD-04", object="Deployment/todo-backend", reason="until the split", until=TODAY)
    made = after(
        ("call", None),
        classified=[
            ClassifiedFinding(finding("POD-04"), "waived", waiver),
            ClassifiedFinding(finding("POD-06"), "advice"),
        ],
    )
    assert made.outcome == "passed"
    assert made.of("POD-04") == ("waived", "until the split")
    assert made.of("POD-06") == ("passed", "")


# ------------------------------------------------------------------------- findings


def with_waiver(target: Target, until: date) -> Target:
    waiver = Waiver(rule="POD-04", object="Deployment/todo-backend", reason="known", until=until)
    return target.model_copy(update={"waivers": (waiver,)})


@pytest.fixture(scope="module")
def suite_target() -> Target:
    return load()


def test_waiver_covers_its_rule_and_object_until_its_day(suite_target: Target) -> None:
    target = with_waiver(suite_target, TODAY)
    assert classify(finding("POD-04"), target, TODAY).severity == "waived"
    assert classify(finding("POD-04"), target, TODAY + timedelta(days=1)).severity == "blocking"
    assert classify(finding("POD-04", "Deployment/todo-frontend"), target, TODAY).severity == "blocking"
    assert classify(finding("POD-06"), target, TODAY).severity == "blocking"


def test_derived_rule_is_advice_unless_strict(suite_target: Target) -> None:
    lenient = suite_target.model_copy(update={"strict": False})
    assert classify(finding("DEP-06"), suite_target, TODAY).severity == "blocking"
    assert classify(finding("DEP-06"), lenient, TODAY).severity == "advice"
    assert classify(finding("POD-04"), lenient, TODAY).severity == "blocking"
    assert classify(finding("POD-04", advice=True), suite_target, TODAY).severity == "advice"


def test_report_findings_records_all_and_raises_blocking(suite_target: Target) -> None:
    target = with_waiver(suite_target, date.max)
    blocking, waived, advice = finding("POD-06"), finding("POD-04"), finding("POD-07", advice=True)
    with capture_findings() as captured:
        report_findings([waived, advice], target)
        with pytest.raises(FindingsError) as raised:
            report_findings([blocking, waived], target)
    assert raised.value.findings == (blocking,)
    assert [each.severity for each in captured] == ["waived", "advice", "blocking", "waived"]


def test_report_findings_works_without_a_capture(suite_target: Target) -> None:
    report_findings([], suite_target)
    with pytest.raises(FindingsError):
        report_findings([finding("POD-06")], suite_target)


# ---------------------------------------------------------------------------- rules


def evaluate(
    results: Sequence[TestResult], missing: Mapping[tuple[str, Level], str] | None = None
) -> dict[str, dict[Level, LevelResult]]:
    return evaluate_rules([BOTH, WHOLE], results, missing or {})


def test_each_part_is_evaluated_by_its_own_tests() -> None:
    level = evaluate([result("failed", part="backend"), result("passed", part="frontend")])["POD-04"]["static"]
    assert {name: part.outcome for name, part in level.parts.items()} == {"backend": "failed", "frontend": "passed"}
    assert level.outcome == "failed"
    assert len(level.tests) == 2


def test_part_without_a_test_leaves_the_level_untested() -> None:
    level = evaluate([result("passed", part="backend")])["POD-04"]["static"]
    assert level.parts["frontend"].outcome == "untested"
    assert level.outcome == "untested"


def test_test_without_a_part_covers_all_parts() -> None:
    assert evaluate([result("passed")])["POD-04"]["static"].outcome == "passed"


def test_release_rule_is_covered_by_every_test() -> None:
    results = [result("passed", "CFG-01", part="backend"), result("failed", "CFG-01", part="frontend")]
    level = evaluate(results)["CFG-01"]["static"]
    assert {name: part.outcome for name, part in level.parts.items()} == {"release": "failed"}


def test_levels_are_evaluated_separately() -> None:
    levels = evaluate([result("passed"), result("error", level="live")])["POD-04"]
    assert (levels["static"].outcome, levels["live"].outcome) == ("passed", "error")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["passed", "waived"], "waived"),
        (["passed", "untested"], "untested"),
        (["untested", "error"], "error"),
        (["error", "failed"], "failed"),
        (["passed", "passed"], "passed"),
    ],
)
def test_worst_of_several_tests_decides(outcomes: list[Outcome], expected: Outcome) -> None:
    assert evaluate([result(outcome) for outcome in outcomes])["POD-04"]["static"].outcome == expected


def test_untested_level_has_a_reason() -> None:
    levels = evaluate([], {("POD-04", "live"): "no test yet"})["POD-04"]
    assert levels["live"].parts["backend"].reason == "no test yet"
    assert levels["static"].parts["backend"].reason == "not selected in this run"


# -------------------------------------------------------------------------- verdict


def all_levels(outcome: Outcome) -> dict[str, dict[Level, LevelResult]]:
    return evaluate([result(outcome, level=level) for level in ("static", "live")] + [result("passed", "CFG-01")])


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("passed", "accepted"),
        ("waived", "accepted"),
        ("untested", "incomplete"),
        ("error", "incomplete"),
        ("failed", "rejected"),
    ],
)
def test_verdict_follows_the_worst_rule(outcome: Outcome, expected: Verdict) -> None:
    verdict, reasons = run_verdict(all_levels(outcome), fresh_cluster=True, checkout=CLEAN)
    assert verdict == expected
    assert bool(reasons) == (expected != "accepted")


@pytest.mark.parametrize(
    ("fresh", "tested", "suite_errors", "reason"),
    [
        (False, CLEAN, (), "cluster"),
        (True, Checkout("3f9d", clean=False), (), "changes"),
        (True, Checkout(None, clean=False), (), "not in a git checkout"),
        (True, CLEAN, ("the run was interrupted",), "interrupted"),
    ],
)
def test_acceptance_needs_fresh_cluster_and_clean_checkout(
    fresh: bool, tested: Checkout, suite_errors: Sequence[str], reason: str
) -> None:
    verdict, reasons = run_verdict(
        all_levels("passed"), fresh_cluster=fresh, checkout=tested, suite_errors=suite_errors
    )
    assert verdict == "incomplete"
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_run_without_tests_is_incomplete() -> None:
    assert run_verdict(evaluate([]), fresh_cluster=True, checkout=CLEAN)[0] == "incomplete"


@pytest.mark.parametrize(
    ("verdict", "outcomes", "signoff", "interrupted", "suite_error", "expected"),
    [
        ("incomplete", ["passed", "untested", "waived"], False, False, False, Exit.OK),
        ("rejected", ["passed", "failed"], False, False, False, Exit.REJECTED),
        ("incomplete", ["passed", "error"], False, False, False, Exit.INCONCLUSIVE),
        ("rejected", ["failed", "error"], False, False, False, Exit.REJECTED),
        ("incomplete", ["passed"], False, False, True, Exit.INCONCLUSIVE),
        ("rejected", ["failed"], False, True, False, Exit.INCONCLUSIVE),
        ("incomplete", [], False, False, True, Exit.INCONCLUSIVE),
        ("accepted", ["passed"], True, False, False, Exit.OK),
        ("rejected", ["failed"], True, False, False, Exit.REJECTED),
        ("incomplete", ["passed"], True, False, False, Exit.INCONCLUSIVE),
        ("rejected", ["failed"], True, True, False, Exit.REJECTED),
    ],
)
def test_exit_codes(
    verdict: Verdict, outcomes: list[Outcome], signoff: bool, interrupted: bool, suite_error: bool, expected: Exit
) -> None:
    results = [result(outcome) for outcome in outcomes]
    code = exit_code(verdict, results, signoff=signoff, interrupted=interrupted, suite_error=suite_error)
    assert code == expected
