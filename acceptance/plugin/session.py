"""One session of pytest from start to finish: its results, its verdict, its report and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

import pytest

from acceptance.core import rules
from acceptance.core.crash import crash_sentence
from acceptance.core.git import Checkout, checkout
from acceptance.core.redaction import filtered_logging, redactor
from acceptance.core.signals import Interruption, interrupted_by_sigterm, uninterrupted
from acceptance.core.target import Target, TargetError, load
from acceptance.plugin.collection import CollectionHooks
from acceptance.plugin.durations import DurationHooks
from acceptance.plugin.evidence import EvidenceGatherer
from acceptance.plugin.options import check_options, repeat_options, repeat_python
from acceptance.plugin.outcomes import OutcomeHooks
from acceptance.plugin.progress import Progress
from acceptance.plugin.selection import SelectionHooks
from acceptance.plugin.sharding import ShardHooks
from acceptance.plugin.state import STATE, SessionState
from acceptance.plugin.summary import SummaryHooks
from acceptance.report import history, html, recorded, run_folder, signoff
from acceptance.report.changes import changes
from acceptance.report.coverage import load_coverage_gaps
from acceptance.report.judging import judge
from acceptance.report.results import Picture, Results
from acceptance.report.verdict import FOLDERS, Exit, exit_code, missing_reasons

T = TypeVar("T")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and the hook objects."""
    for folder, level in FOLDERS.items():
        config.addinivalue_line("markers", f"{folder}: tests/{folder}" + (f", level {level}" if level else ""))
    config.addinivalue_line("markers", "e2e: every test of the release: all folders but unit")
    config.addinivalue_line("markers", "experiment(last=False): disturbs the release, and runs after tests that do not")
    config.addinivalue_line("markers", "every_experiment: judges all experiments of the run, after the last one")
    config.addinivalue_line("markers", "rule(*ids): the rules of spec/rules.yaml that the test asserts")
    config.option.runxfail = True  # an expected failure is a failure
    if config.option.help:
        return
    check_options(config)
    _redact_output(config)
    state = SessionState(config, _progress(config))
    interruption = _enter_until_unconfigured(config, interrupted_by_sigterm())
    config.stash[STATE] = state
    for concern, hooks in {
        "session": SessionHooks(config, state, interruption),
        "collection": CollectionHooks(config, state),
        "selection": SelectionHooks(config, state),
        "outcomes": OutcomeHooks(config, state, EvidenceGatherer(state)),
        "durations": DurationHooks(state),
        "sharding": ShardHooks(config, state),
        "summary": SummaryHooks(config, state),
    }.items():
        config.pluginmanager.register(hooks, f"acceptance-{concern}")


def _redact_output(config: pytest.Config) -> None:
    # The terminal reporter is made later, and takes the streams that it finds.
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = redactor.stream(stdout), redactor.stream(stderr)
    config.add_cleanup(lambda: setattr(sys, "stdout", stdout))
    config.add_cleanup(lambda: setattr(sys, "stderr", stderr))
    _enter_until_unconfigured(config, filtered_logging(redactor))


def _enter_until_unconfigured(config: pytest.Config, manager: AbstractContextManager[T]) -> T:
    stack = ExitStack()
    entered = stack.enter_context(manager)
    config.add_cleanup(stack.close)
    return entered


def _progress(config: pytest.Config) -> Progress:
    # While tests run, descriptor 1 is captured.
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    config.add_cleanup(terminal.close)
    return Progress(redactor.stream(terminal), lambda: _end_line(config, terminal))


def _end_line(config: pytest.Config, terminal: TextIO) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.currentfspath:
        terminal.write("\n")
        terminal.flush()
        reporter.currentfspath = None


class SessionHooks:
    """Hooks at the start and the end of the session."""

    def __init__(self, config: pytest.Config, state: SessionState, interruption: Interruption) -> None:
        self._config = config
        self._state = state
        self._interruption = interruption
        self._interrupted = False
        self._suite_failed = False
        self._checkout = Checkout(None, clean=False)
        self._record: dict[str, Any] = {}
        self._requested_junit = config.option.xmlpath
        if state.writes and not self._requested_junit:
            config.option.xmlpath = str(state.folder / "junit.xml")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Load the target, and make the run's folder. Raises `pytest.UsageError`."""
        target = self._load_target()
        if self._state.writes:
            self._check_folder()
        self._state.start(
            Results(
                run=self._state.id,
                started=datetime.now(UTC),
                target=target,
                target_file=run_folder.relative(self._config.option.target, self._config.rootpath),
                python=repeat_python(self._config),
                options=tuple(repeat_options(self._config)),
            )
        )
        self._checkout = checkout(target.root)
        if self._state.writes:
            try:
                lock = run_folder.open_folder(self._state.folder)
            except OSError as error:
                message = f"can't write to {self._state.parent}: {error.strerror}; see --reports"
                raise pytest.UsageError(message) from error
            self._config.add_cleanup(lock.close)

    def _check_folder(self) -> None:
        """Raise `pytest.UsageError` if what the run writes at its end is in the way already."""
        latest, past = self._state.parent / run_folder.LATEST, self._state.parent / history.FOLDER
        if latest.exists() and not latest.is_symlink():
            raise pytest.UsageError(f"{latest} is not a link to a run: move it away, or see --reports")
        if past.exists() and not past.is_dir():
            raise pytest.UsageError(f"{past} is not a folder: move it away, or see --reports")

    def _load_target(self) -> Target:
        try:
            return load(self._config.option.target)
        except TargetError as error:
            raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """End the run after a test in which it was interrupted, though an error of a cleanup hid that."""
        result = yield
        if self._interruption.received:
            raise KeyboardInterrupt
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note the interrupt, and ignore further ones: what the run created is now removed."""
        self._interrupted = True
        if excinfo.errisinstance(KeyboardInterrupt):
            _enter_until_unconfigured(self._config, uninterrupted())
        if self._state.started:
            self._state.results.suite_errors.append(f"the run was interrupted: {excinfo.exconly()}")

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note an internal error of pytest or a plugin."""
        if self._state.started:
            self._state.results.suite_errors.append(f"internal error: {str(excrepr).splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Set the exit code, after everything else."""
        if self._state.writes and session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            self._state.writes = False
            yield
            run_folder.discard(self._state.folder)  # JUnit's file is in it by now
            return None
        if not self._state.writes:
            return (yield)
        original = session.exitstatus
        yield
        session.exitstatus = exit_code(
            self._state.signoff["verdict"],
            self._state.results.tests.values(),
            signoff=self._config.option.signoff,
            interrupted=self._interrupted,
            suite_error=self._suite_failed or original not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        )
        if self._state.write_errors:
            session.exitstatus = Exit.INCONCLUSIVE
        return None

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_sessionfinish")
    def pytest_report_run(self, session: pytest.Session) -> Generator[None]:
        """Judge the run, and write its report: before the terminal's summary, which shows the verdict.

        JUnit's file exists by then, and the last fixtures are torn down. What fails in those that are left after an
        interrupt belongs to no test.
        """
        failure = ""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not self._state.writes:
                raise
            failure = f"the run's teardown: {type(error).__name__}: {error}"
        if self._state.writes:
            self._add_suite_errors(session, failure)
            self._evaluate()
            self._write_report()

    def _add_suite_errors(self, session: pytest.Session, failure: str) -> None:
        errors = self._state.results.suite_errors
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            errors.append("no test was selected")
        unexpected = [*self._state.collection_errors, *self._overlooked()]
        if failure:
            unexpected.append(failure)
        self._suite_failed = bool(unexpected)
        errors += unexpected
        errors += [
            f"the unit test {name} ended {test.outcome}"
            for name, test in self._state.results.tests.items()
            if test.binding.level is None and test.outcome in ("failed", "error")
        ]

    def _overlooked(self) -> Iterator[str]:
        """Yield a sentence for each test of which pytest counts a failure that its result does not show."""
        tests = self._state.results.tests
        for name in sorted(self._state.failed):
            if tests[name].outcome not in ("failed", "error"):
                yield f"pytest counts {name} as failed, and its result is {tests[name].outcome}"

    def _evaluate(self) -> None:
        results = self._state.results
        missing = missing_reasons(rules.load().values(), self._state.bindings, load_coverage_gaps())
        if checkout(results.target.root) != self._checkout:
            results.suite_errors.append("the checkout changed during the run")
        ended = datetime.now(UTC)
        self._state.signoff = redactor.data(judge(results, missing, self._checkout, ended))
        self._add_changes()
        self._record = redactor.data(recorded.record(results, missing, self._checkout, ended))

    def _add_changes(self) -> None:
        data = self._state.signoff
        try:
            data["changes"] = changes(data, history.load(self._state.history))
        except history.HistoryError as error:
            self._config.issue_config_time_warning(pytest.PytestWarning(str(error)), stacklevel=2)
        except Exception as error:  # noqa: BLE001 - earlier runs must not cost the report of this one
            self._config.issue_config_time_warning(pytest.PytestWarning(crash_sentence(error)), stacklevel=2)

    def _write_report(self) -> None:
        errors = self._state.write_errors
        try:
            self._write(self._state.signoff)
        except OSError as error:
            errors.append(f"the report can't be written to {self._state.folder}: {error.strerror}")
            return
        self._state.reported = True
        try:
            history.append(self._state.history, self._state.signoff)
        except OSError as error:
            errors.append(f"the run can't be added to {self._state.history}: {error.strerror}")

    def _write(self, data: Mapping[str, Any]) -> None:
        folder = self._state.folder
        pictures = [
            Picture(*(redactor.text(text) for text in (picture.name, picture.svg, picture.caption)))
            for picture in self._state.results.pictures
        ]
        html.write(folder, data, pictures)
        recorded.write(folder, self._record)
        junit = Path(os.path.expandvars(self._requested_junit or folder / "junit.xml")).expanduser()  # as pytest does
        if junit.is_file():
            text = redactor.text(junit.read_text(encoding="utf-8"))
            junit.write_text(text, encoding="utf-8")
            (folder / "junit.xml").write_text(text, encoding="utf-8")
        signoff.write(folder, data)
        run_folder.publish(folder)
