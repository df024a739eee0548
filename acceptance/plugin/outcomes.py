"""Outcomes of tests: what an exception means, what a report shows, and what is redacted in it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from datetime import date

import pytest
from _pytest._code.code import ExceptionChainRepr, ExceptionRepr, ReprEntry, ReprTraceback
from pytest_timeout import PYTEST_FAILURE_MESSAGE

from acceptance.checks.finding import (
    ClassifiedFinding,
    Finding,
    FindingsError,
    Untested,
    Waived,
    capture_findings,
    classify,
)
from acceptance.checks.grouping import group
from acceptance.core.redaction import redactor
from acceptance.core.rules import Level
from acceptance.core.wait import WaitError
from acceptance.kube.helm import RefusedReleaseError
from acceptance.plugin.evidence import EvidenceGatherer
from acceptance.plugin.state import SessionState
from acceptance.report.finding_text import format_findings, repeat_command
from acceptance.report.verdict import Outcome, Phase, PhaseEnd, RuleBinding, TestResult, add_phase, joined
from toolchain.console import ToolchainError

REPEATED = "setup failed with the same error as"
"""The start of an error that an earlier test has shown."""
STATUS_LETTERS: Mapping[Outcome, tuple[str, str, str]] = {
    "error": ("error", "E", "ERROR"),
    "untested": ("untested", "u", "UNTESTED"),
    "waived": ("waived", "w", "WAIVED"),
}


class OutcomeHooks:
    """Hooks that turn what pytest reports into results of tests."""

    def __init__(self, config: pytest.Config, state: SessionState, evidence: EvidenceGatherer) -> None:
        self._config = config
        self._state = state
        self._evidence = evidence
        self._setup_errors: list[tuple[BaseException, str]] = []
        self._earlier: list[TestResult] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note which test runs; if it runs again, its earlier results count too."""
        tests = self._state.results.tests
        self._state.current = tests[item.nodeid]
        try:
            return (yield)
        finally:
            self._state.current = None
            for earlier in self._earlier:
                tests[item.nodeid] = joined(earlier, tests[item.nodeid])
            self._earlier.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin another result where the test has run: it was named twice, or a plugin repeats it."""
        tests = self._state.results.tests
        if tests[item.nodeid].seconds:
            self._earlier.append(tests[item.nodeid])
            self._state.current = tests[item.nodeid] = TestResult(tests[item.nodeid].binding)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Capture the findings that a test of the release reports."""
        result = self._state.results.tests[item.nodeid]
        if result.binding.level is None:
            return (yield)
        with capture_findings() as classified:
            try:
                return (yield)
            finally:
                result.classified += classified

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the phase to the test's result, and make the report show the result, redacted."""
        report = yield
        assert report.when is not None
        phase: Phase = report.when
        result = self._state.results.tests[item.nodeid]
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, RefusedReleaseError) and phase != "teardown":
            add_phase(result, phase, self._refusal(error, result))
        else:
            end = phase_end(error, phase) if error else None
            if end is not None and end.outcome == "untested" and phase == "call" and result.binding.level is None:
                end = PhaseEnd("error", f"a unit test has nothing that it could lack: {end.reason}")
            if end is not None and end.outcome == "failed" and not end.findings:
                end = self._assertion(end, result)
            add_phase(result, phase, end)
        if isinstance(error, Untested) and error.cause is not None and result.binding.level is not None:
            self._add_cause(error.cause, result.binding.level)
        result.seconds[phase] = report.duration
        self._show_result(item, call, report, result)
        if not report.passed:
            report.acceptance = result.outcome  # type: ignore[attr-defined]
        if report.failed and error and result.binding.level in ("live", "behaviour"):
            self._evidence.attach(report, error, result)
        if phase == "teardown":
            report.user_properties.append(("outcome", result.outcome))
        self._redact(report)
        return report

    def _refusal(self, error: RefusedReleaseError, result: TestResult) -> PhaseEnd:
        """Return how a refused upgrade ends a phase, in setup too: a finding of each rule of the test.

        In teardown it is what restores the release after many tests, and says nothing about the rules of the last one.
        """
        target = self._state.results.target
        release, actual = f"Release/{target.chart.release}", f"refused: {error.summary}"
        found = [
            Finding(rule, release, f"helm {error.command[1]}", "accepted", actual) for rule in result.binding.rules
        ]
        classified = [classify(each, target, date.today()) for each in found]
        result.classified += [each for each in classified if each.severity != "blocking"]
        blocking = tuple(each.finding for each in classified if each.severity == "blocking")
        return PhaseEnd("failed" if blocking else "untested", actual, blocking)

    def _assertion(self, end: PhaseEnd, result: TestResult) -> PhaseEnd:
        """Return how a plain assertion ends a test: as advice where it would be advice as a finding of each rule."""
        target = self._state.results.target
        release = f"Release/{target.chart.release}"
        found = [
            classify(Finding(rule, release, "", "", end.reason), target, date.today()) for rule in result.binding.rules
        ]
        if not found or any(each.severity == "blocking" for each in found):
            return end
        result.classified += found
        return replace(end, outcome="untested")

    def _add_cause(self, cause: Finding, level: Level) -> None:
        """Add the finding that leaves a test nothing to assert, unless a selected test reports it itself."""
        tests = self._state.results.tests
        if any(test.binding.level == level and cause.rule in test.binding.rules for test in tests.values()):
            return
        classified = classify(cause, self._state.results.target, date.today())
        outcome: Outcome = "failed" if classified.severity == "blocking" else "passed"
        binding = RuleBinding(f"tests/{level}/test_rules.py::test_rule[{cause.rule}]", level, (cause.rule,))
        tests[binding.test] = TestResult(binding, outcome, str(cause), [classified])

    def _show_result(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, result: TestResult
    ) -> None:
        error = call.excinfo.value if call.excinfo else None
        hidden = report.skipped or isinstance(error, Untested) or (report.passed and report.when == "call")
        if result.outcome == "error" and hidden:
            report.outcome, report.longrepr = "failed", result.reason
        elif isinstance(error, Untested):
            path, line, _ = item.location
            report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, result.reason)
        elif isinstance(error, FindingsError) and call.excinfo and report.when == "call":
            # The findings are the message: no source code between them and the reader.
            report.longrepr = self._findings_only(call.excinfo, result) if result.outcome == "failed" else result.reason
        elif isinstance(error, RefusedReleaseError) and report.when != "teardown":
            report.longrepr = "\n".join(map(str, group(result.classified))) or result.reason
        elif report.failed and error and report.when == "setup":
            self._shorten_setup_error(item, report, error)

    def _findings_only(self, excinfo: pytest.ExceptionInfo[BaseException], result: TestResult) -> ExceptionRepr:
        """Show the test's findings in full, except for what an earlier test of this run has shown."""
        results = self._state.results
        earlier: list[ClassifiedFinding] = []
        for test in results.tests.values():
            if test is result:
                break
            earlier += (each for each in test.classified if each.severity == "blocking")
        groups = group((each for each in result.classified if each.severity == "blocking"), earlier)
        text = format_findings(groups, repeat_command(results.python, [result.binding.test], results.options))
        entry = ReprEntry(text.splitlines(), None, None, None, "value")
        crash = excinfo.getrepr(style="value").reprcrash
        if crash is not None:
            crash.message = "\n".join(map(str, groups))
        return ExceptionChainRepr([(ReprTraceback([entry], None, "value"), crash, None)])

    def _shorten_setup_error(self, item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
        """Show a setup error that fails many tests in full once, and of a wait or a tool the sentence only."""
        first = next((test for known, test in self._setup_errors if known is error), None)
        if first is not None:
            report.longrepr = f"{REPEATED} {first}: {str(error).partition(chr(10))[0]}"
            return
        self._setup_errors.append((error, item.nodeid))
        if isinstance(error, ToolchainError | WaitError):
            report.longrepr = str(error)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what pytest counts as failed; an assertion that is advice has another word there."""
        if report.failed and getattr(report, "acceptance", "") not in STATUS_LETTERS.keys() - {"error"}:
            self._state.failed.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what was not collected, or skipped while it was: its tests are missing."""
        if not report.passed:
            how = "was skipped as a whole" if report.skipped else "could not be collected"
            self._state.collection_errors.append(f"{report.nodeid} {how}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Redact what a failed collection shows."""
        report = yield
        if report.failed:
            self._redact(report)
        return report

    def _redact(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        hook = self._config.hook
        data = hook.pytest_report_to_serializable(config=self._config, report=report)
        clean = hook.pytest_report_from_serializable(config=self._config, data=redactor.data(data))
        report.longrepr, report.sections = clean.longrepr, clean.sections

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        """Return the words and letter of the outcomes that pytest does not know, and of a finding in setup."""
        if report.when == "setup" and getattr(report, "acceptance", "") == "failed":
            return "failed", "F", "FAILED"
        return STATUS_LETTERS.get(getattr(report, "acceptance", "passed"))


def phase_end(error: BaseException, phase: Phase) -> PhaseEnd:
    """Return what an exception that ended a phase means for the test's rules.

    Only an assertion of the test itself is a finding; in setup or teardown it is an error of the suite, and so is a
    time-out. A plain skip is an error: it names no missing capability.
    """
    reason = str(error) or type(error).__name__
    findings = tuple(_findings(error))
    if isinstance(error, Waived):
        return PhaseEnd("waived", reason, findings)
    if isinstance(error, Untested):
        return PhaseEnd("untested", reason, findings)
    if phase == "call" and _is_assertion(error):
        return PhaseEnd("failed", reason, findings)
    if isinstance(error, pytest.skip.Exception):
        return PhaseEnd("error", f"a plain skip ({reason}): raise Untested(reason) to say what is missing", findings)
    return PhaseEnd("error", f"{phase}: {type(error).__name__}: {reason}", findings)


def _is_assertion(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # hypothesis: several distinct counterexamples
        return all(map(_is_assertion, error.exceptions))
    if isinstance(error, pytest.fail.Exception):  # also what pytest.raises reports
        return not str(error).startswith(PYTEST_FAILURE_MESSAGE.partition("%")[0])
    return isinstance(error, AssertionError)


def _findings(error: BaseException) -> Iterator[Finding]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _findings(each)
    elif isinstance(error, FindingsError):
        yield from error.findings
