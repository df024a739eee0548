"""The pytest plugin: options, markers by folder, rules, the verdict of a run, and what the run leaves.

`conftest.py` loads it with `pytest_plugins = ["acceptance.plugin.session"]`. A run writes `REPORTS/<run id>/` with
junit.xml, index.html, signoff.json and evidence/, and at its end points `REPORTS/latest` there.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest._code.code import ExceptionRepr

from acceptance.checks.finding import FindingsError, Untested, Waived, capture_findings
from acceptance.core import rules
from acceptance.core.git import checkout
from acceptance.core.redaction import filtered_logging, redactor
from acceptance.core.signals import uninterrupted
from acceptance.core.target import DEFAULT_TARGET, Target, TargetError
from acceptance.core.target import load as load_target
from acceptance.core.wait import WaitError
from acceptance.plugin.progress import Progress
from acceptance.report import html, run_folder
from acceptance.report.coverage import load_coverage_gaps
from acceptance.report.signoff import FixtureTime, Measurement, Picture, Results, RunMetadata
from acceptance.report.verdict import (
    FOLDERS,
    Exit,
    Outcome,
    Phase,
    RuleBinding,
    TestResult,
    add_phase,
    evaluate_rules,
    exit_code,
    missing_reasons,
    run_verdict,
)
from toolchain.console import ToolchainError

Collector = Callable[[pytest.Item, pytest.TestReport], Mapping[str, str]]
"""Gathers evidence of a failed phase as texts by title; bounded in time, and never raises for what it saw."""

TIE = pytest.StashKey[RuleBinding]()
DISRUPTIVE = frozenset({"behaviour", "journey"})
"""Folders whose tests break what they test."""
TURNS = ("static", "image", "behaviour", "contract", "journey", "unit")
"""The order of folders. Contract tests wait for the autoscaler's first metrics, which come while others run."""
LABORATORY = "experiments"
"""The fixture under every experiment."""
MARKS: Mapping[Outcome, tuple[str, str, str]] = {
    "error": ("error", "E", "ERROR"),
    "untested": ("untested", "u", "UNTESTED"),
    "waived": ("waived", "w", "WAIVED"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance", "acceptance of a release")
    group.addoption(
        "--target",
        metavar="FILE",
        type=Path,
        default=DEFAULT_TARGET,
        help="what is under test (default: target.toml)",
    )
    group.addoption(
        "--reports",
        metavar="DIR",
        type=Path,
        help="where each run leaves a folder, and `latest` points to the last (default: reports)",
    )
    group.addoption(
        "--signoff",
        action="store_true",
        help="exit code of the release's verdict: 0 accepted, 1 rejected, 2 incomplete",
    )
    group.addoption("--keep-cluster", action="store_true", help="leave cluster and release for the next run to use")
    group.addoption(
        "--cluster-provider",
        choices=("kind", "minikube", "existing"),
        default="kind",
        help="who makes the cluster (default: kind)",
    )
    group.addoption(
        "--context",
        metavar="NAME",
        help="test the release in this context of your kubeconfig; for experiments with --allow-disruption",
    )
    group.addoption(
        "--allow-disruption",
        action="store_true",
        help="let experiments break what runs in the context that --context names",
    )
    group.addoption(
        "--rollouts",
        metavar="N",
        type=int,
        default=0,
        help="roll each component out at least N times in the rollout experiment (default: as its requests need)",
    )
    # argparse's own error is its whole usage and pytest's exit code 4.
    parser.optparser.error = _refuse  # type: ignore[method-assign]


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"ERROR: {message}; see pytest --help\n")
    raise SystemExit(Exit.INCONCLUSIVE)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, int | None, int | None]:
    """Every way that a run could not judge ends with one sentence and the same code."""
    try:
        code = yield
    except pytest.UsageError as error:
        sys.stderr.write(redactor.text("".join(f"ERROR: {sentence}\n" for sentence in error.args)))
        return Exit.INCONCLUSIVE
    return code if code in (None, *Exit) else Exit.INCONCLUSIVE


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    for folder, level in FOLDERS.items():
        config.addinivalue_line("markers", f"{folder}: tests/{folder}" + (f", level {level}" if level else ""))
    config.addinivalue_line("markers", "e2e: every test of the release: all folders but unit")
    config.addinivalue_line("markers", "rule(*ids): the rules of spec/rules.yaml that the test asserts")
    config.option.runxfail = True  # an expected failure is a failure
    if config.option.help:
        return
    _check_options(config)
    run = Run(config)
    config.stash[RUN] = run
    config.pluginmanager.register(run, "acceptance-run")


def _check_options(config: pytest.Config) -> None:
    option = config.option
    if option.cluster_provider != "kind":
        raise pytest.UsageError(
            f"--cluster-provider {option.cluster_provider} is not supported yet; "
            "leave the option out, and the run makes a kind cluster of its own"
        )
    if option.context and option.keep_cluster:
        raise pytest.UsageError(
            f"--keep-cluster is of a cluster that the run makes, and context {option.context} is your own: "
            "leave one of the two out"
        )
    if option.capture == "tee-sys":
        raise pytest.UsageError("--capture=tee-sys would show secrets; use -s, which is filtered")


class Run:
    """One run: hooks that collect what its tests do, and write its reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.id = run_folder.new_id()
        self.parent: Path = config.option.reports or config.rootpath / "reports"
        self.folder = self.parent / self.id
        self.writes = not config.option.collectonly
        self.collectors: list[Collector] = []
        self.current: TestResult | None = None
        self.interrupted = False
        self.unended = False
        self.ties: list[RuleBinding] = []
        self.results: Results
        self._explained: list[tuple[BaseException, str]] = []
        self._setups: list[tuple[BaseException, str]] = []
        self._asked_for_junit = config.option.xmlpath
        if self.writes and not self._asked_for_junit:
            config.option.xmlpath = str(self.folder / "junit.xml")
        # The terminal's own writer is made after this, and takes what it finds.
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = redactor.stream(stdout), redactor.stream(stderr)
        config.add_cleanup(lambda: setattr(sys, "stdout", stdout))
        config.add_cleanup(lambda: setattr(sys, "stderr", stderr))
        filters = ExitStack()
        filters.enter_context(filtered_logging(redactor))
        config.add_cleanup(filters.close)
        # While tests run, descriptor 1 is captured.
        self._terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        config.add_cleanup(self._terminal.close)
        self.progress = Progress(redactor.stream(self._terminal), self._end_line)

    def _end_line(self) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and reporter.currentfspath:
            self._terminal.write("\n")
            self._terminal.flush()
            reporter.currentfspath = None

    # ------------------------------------------------------------------ session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        path: Path = self.config.option.target
        try:
            target = load_target(path)
        except TargetError as error:
            raise pytest.UsageError(str(error)) from error
        self.results = Results(
            run=self.id,
            started=datetime.now(UTC),
            target=target,
            target_file=run_folder.relative(path, self.config.rootpath),
        )
        self._checkout = checkout(target.root)
        if self.writes:
            try:
                self._lock = run_folder.open_folder(self.folder)
            except OSError as error:
                raise pytest.UsageError(f"can't write to {self.parent}: {error.strerror}; see --reports") from error
            self.config.add_cleanup(self._lock.close)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = True
        if excinfo.errisinstance(KeyboardInterrupt):  # what was made is now removed, however often Ctrl-C is pressed
            ignored = ExitStack()
            ignored.enter_context(uninterrupted())
            self.config.add_cleanup(ignored.close)
        if hasattr(self, "results"):
            self.results.suite_errors.append(f"the run was interrupted: {excinfo.exconly()}")

    def pytest_internalerror(self, excrepr: object) -> None:
        if hasattr(self, "results"):
            self.results.suite_errors.append(f"internal error: {str(excrepr).splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """First the verdict, which the terminal's summary then shows; JUnit's file is there at the end."""
        if self.writes and session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            self.writes = False
            yield
            shutil.rmtree(self.folder, ignore_errors=True)  # JUnit's file is there by now
            return None
        if not self.writes:
            return (yield)
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            self.results.suite_errors.append("no test was selected")
        own = [name for name, each in self.results.tests.items() if each.binding.level is None]
        for name in own:
            if (outcome := self.results.tests[name].outcome) in ("failed", "error"):
                self.results.suite_errors.append(f"the suite's own test {name} ended {outcome}")
        self._judge()
        original = session.exitstatus
        yield
        signoff = self.signoff
        try:
            self._write(signoff)
        except OSError as error:
            pytest.exit(f"the report can't be written to {self.folder}: {error.strerror}", Exit.INCONCLUSIVE)
        session.exitstatus = exit_code(
            signoff["verdict"],
            self.results.tests.values(),
            signoff=self.config.option.signoff,
            interrupted=self.interrupted,
            troubled=self.unended or original not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        )
        return None

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_sessionfinish")
    def pytest_last_fixtures(self) -> Generator[None]:
        """Fixtures that end after an interrupt belong to no test: what goes wrong there is the run's trouble."""
        try:
            yield
        except Exception as error:
            if not self.writes:
                raise
            self.unended = True
            self.results.suite_errors.append(f"the run's end: {type(error).__name__}: {error}")
            self._judge()

    def _judge(self) -> None:
        results = self.results
        every = rules.load()
        missing = missing_reasons(every.values(), self.ties, load_coverage_gaps())
        judged = evaluate_rules(every.values(), list(results.tests.values()), missing)
        if checkout(results.target.root) != self._checkout:
            results.suite_errors.append("the checkout changed during the run")
        verdict, reasons = run_verdict(
            judged,
            fresh_cluster=results.metadata.fresh_cluster,
            tested=self._checkout,
            troubles=results.suite_errors,
        )
        signoff = results.signoff(every, judged, verdict, reasons, self._checkout, datetime.now(UTC))
        self.signoff: dict[str, Any] = redactor.data(signoff)

    def _write(self, signoff: Mapping[str, Any]) -> None:
        pictures = [
            Picture(*(redactor.text(text) for text in (each.name, each.svg, each.caption)))
            for each in self.results.pictures
        ]
        html.write(self.folder, signoff, pictures)
        junit = Path(self._asked_for_junit or self.folder / "junit.xml")
        if junit.is_file():
            text = redactor.text(junit.read_text(encoding="utf-8"))
            junit.write_text(text, encoding="utf-8")
            (self.folder / "junit.xml").write_text(text, encoding="utf-8")
        run_folder.publish(self.folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.writes:
            return
        verdict = self.signoff["verdict"]
        if all(test.binding.level is None for test in self.results.tests.values()):
            verdict = "not tested"
        terminalreporter.section(f"release {verdict}")
        for reason in self.signoff["reasons"] if verdict != "not tested" else ():
            terminalreporter.line(reason)
        for waiver in self.signoff["waivers"]:
            if waiver["state"] != "used":
                terminalreporter.line("waiver of {rule} for {object} is {state}".format_map(waiver))
        for finding in self.signoff["findings"]:
            if finding["severity"] == "advice":
                terminalreporter.line(
                    "advice: {rule}: {object}: {field}: expected {expected}, actual {actual}".format_map(finding)
                )
        aside = Counter(
            f"{test.outcome}: {test.reason}"
            for test in self.results.tests.values()
            if test.outcome in ("untested", "waived")
        )
        for told, count in aside.items():
            terminalreporter.line(redactor.text(f"{told} ({count} test{'' if count == 1 else 's'})"))
        terminalreporter.line(f"report: {os.path.relpath(self.parent / run_folder.LATEST / 'index.html')}")

    # --------------------------------------------------------------- collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        mistakes = []
        for item in items:
            try:
                tie = _tie(item, self.config.rootpath)
            except ValueError as error:
                mistakes.append(f"{item.nodeid}: {error}")
                continue
            item.stash[TIE] = tie
            self.ties.append(tie)
            item.user_properties += [("rule", rule) for rule in tie.rules]
            if tie.part:
                item.user_properties.append(("part", tie.part))
        if mistakes:
            raise pytest.UsageError(*mistakes)
        items.sort(key=_turn)  # stable: within a turn in the order of collection

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        option = self.config.option
        if not all(TIE in item.stash for item in session.items):
            return  # their mistakes are being told
        disruptive = [item.nodeid for item in session.items if any(map(item.get_closest_marker, DISRUPTIVE))]
        if option.context and disruptive and not option.allow_disruption:
            raise pytest.UsageError(
                f"{disruptive[0]} disrupts what runs in context {option.context}; "
                "say --allow-disruption if that is what you want"
            )
        for item in session.items:
            self.results.tests[item.nodeid] = TestResult(item.stash[TIE])

    # --------------------------------------------------------------------- tests

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.current = self.results.tests[item.nodeid]
        try:
            return (yield)
        finally:
            self.current = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        result = self.results.tests[item.nodeid]
        if result.binding.level is None:
            return (yield)
        with capture_findings() as judged:
            try:
                return (yield)
            finally:
                result.classified += judged

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        made = yield
        assert made.when is not None
        phase: Phase = made.when
        result = self.results.tests[item.nodeid]
        error = call.excinfo.value if call.excinfo else None
        add_phase(result, error, phase)
        result.seconds[phase] = made.duration
        if result.outcome == "error" and (made.skipped or (made.passed and phase == "call")):
            made.outcome, made.longrepr = "failed", result.reason
        elif isinstance(error, Untested | Waived):
            path, line, _ = item.location
            made.outcome, made.longrepr = "skipped", (path, (line or 0) + 1, result.reason)
        elif isinstance(error, FindingsError) and call.excinfo and phase == "call":
            # The findings are the message: no source code between them and the reader.
            made.longrepr = _sentences(call.excinfo) if result.outcome == "failed" else result.reason
        elif made.failed and error and phase == "setup":
            self._shorten(item, made, error)
        if not made.passed:
            made.acceptance = result.outcome  # type: ignore[attr-defined]
        if made.failed and error and result.binding.level in ("live", "behaviour"):
            self._explain(item, made, error, result)
        if phase == "teardown":
            made.user_properties.append(("outcome", result.outcome))
        self._redact(made)
        return made

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        made = yield
        if made.failed:
            self._redact(made)
        return made

    def _redact(self, made: pytest.TestReport | pytest.CollectReport) -> None:
        hook = self.config.hook
        data = hook.pytest_report_to_serializable(config=self.config, report=made)
        clean = hook.pytest_report_from_serializable(config=self.config, data=redactor.data(data))
        made.longrepr, made.sections = clean.longrepr, clean.sections

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        return MARKS.get(getattr(report, "acceptance", "passed"))

    def _shorten(self, item: pytest.Item, made: pytest.TestReport, error: BaseException) -> None:
        """A set-up that fails many tests is told in full once, and of the tools' and the waits' only the sentence."""
        told = next((test for known, test in self._setups if known is error), None)
        if told is not None:
            made.longrepr = f"its set-up failed as that of {told}: {str(error).partition(chr(10))[0]}"
            return
        self._setups.append((error, item.nodeid))
        if isinstance(error, ToolchainError | WaitError):
            made.longrepr = str(error)

    def _explain(self, item: pytest.Item, made: pytest.TestReport, error: BaseException, result: TestResult) -> None:
        """Attach evidence; once for a set-up that fails many tests."""
        for known, test in self._explained:
            if known is error:
                _attach(made, "Evidence", f"as of {test}, which failed of the same cause")
                return
        self._explained.append((error, item.nodeid))
        for collector in self.collectors:
            try:
                gathered = collector(item, made)
            except Exception as trouble:  # noqa: BLE001 - evidence must never hide the failure
                gathered = {"evidence": f"could not be gathered: {type(trouble).__name__}: {trouble}"}
            for title, text in gathered.items():
                _attach(made, title, text)
                self.keep(result, f"{title}.txt", text)

    def keep(self, result: TestResult, name: str, content: str | bytes) -> Path:
        """Write evidence of a test, redacted, and return where."""
        folder = self.folder / "evidence" / run_folder.safe_file_name(result.binding.test)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / run_folder.safe_file_name(name)
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(redactor.content(raw))
        relative = path.relative_to(self.folder).as_posix()
        if relative not in result.evidence:
            result.evidence.append(relative)
        return path

    # -------------------------------------------------------------------- timing

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if fixturedef.scope == "function" or not self.writes:
            return (yield)
        where = "" if fixturedef.scope == "session" else request.node.nodeid
        key = (fixturedef.argname, where)
        taken = self.results.fixtures.setdefault(key, FixtureTime(*key))
        ending = [0.0]

        def ended() -> None:
            if ending[0]:
                taken.teardown += time.monotonic() - ending[0]

        # Finalizers run last in, first out: the fixture's own come between these two.
        fixturedef.addfinalizer(ended)
        started = time.monotonic()
        try:
            with self.progress.step(fixturedef.argname):
                return (yield)
        finally:
            taken.setup += time.monotonic() - started
            fixturedef.addfinalizer(lambda: ending.__setitem__(0, time.monotonic()))


RUN = pytest.StashKey[Run]()


def _sentences(excinfo: pytest.ExceptionInfo[BaseException]) -> ExceptionRepr:
    shown = excinfo.getrepr(style="value")
    if shown.reprcrash is not None:
        shown.reprcrash.message = str(excinfo.value)
    return shown


def _attach(made: pytest.TestReport, title: str, text: str) -> None:
    """Where both the terminal and JUnit show it: with the failure's own text."""
    if isinstance(made.longrepr, ExceptionRepr):
        made.longrepr.addsection(title, text)
    else:
        made.sections.append((title, text))


def _turn(item: pytest.Item) -> tuple[bool, int]:
    """When a test has its turn: what needs no release first, experiments last."""
    folder = next(folder for folder in FOLDERS if item.get_closest_marker(folder))
    return LABORATORY in getattr(item, "fixturenames", ()), TURNS.index(folder)


def _folder(item: pytest.Item, root: Path) -> str:
    parts = item.path.relative_to(root).parts if item.path.is_relative_to(root) else ()
    if len(parts) < 3 or parts[0] != "tests" or parts[1] not in FOLDERS:
        raise ValueError(f"a test belongs in a folder of its level: tests/{{{','.join(FOLDERS)}}}/")
    return parts[1]


def _tie(item: pytest.Item, root: Path) -> RuleBinding:
    """What the test stands for, and its folder's markers put on; `ValueError` says what is wrong with it."""
    folder = _folder(item, root)
    level = FOLDERS[folder]
    item.add_marker(folder)
    if level is None:
        if item.get_closest_marker("rule"):
            raise ValueError("a unit test asserts no rule of the release")
        return RuleBinding(item.nodeid, None)
    item.add_marker("e2e")
    named = tuple(dict.fromkeys(rule for mark in item.iter_markers("rule") for rule in mark.args))
    if not named:
        raise ValueError('tie it to a rule: @pytest.mark.rule("POD-04")')
    part = _part(item)
    for identifier in named:
        rule = rules.load().get(identifier)
        if rule is None:
            raise ValueError(f"{identifier!r} is not in spec/rules.yaml")
        if level not in rule.levels:
            raise ValueError(f"{identifier} is asserted at {', '.join(rule.levels)}, not at {level}")
        if part and rule.components and part not in rule.components:
            raise ValueError(f"{identifier} is a rule of the {rule.part}, not of the {part}")
    return RuleBinding(item.nodeid, level, named, part)


def _part(item: pytest.Item) -> str | None:
    """The component that a parametrised test is for."""
    values: Sequence[object] = ()
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        values = list(item.callspec.params.values())
    return next((str(value) for value in values if value in ("backend", "frontend")), None)


# --------------------------------------------------------------------------- fixtures


def run_of(config: pytest.Config) -> Run:
    """The run that `config` belongs to: its `id`, its `folder`, its `progress`."""
    return config.stash[RUN]


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """What is under test, as --target names it."""
    return run_of(pytestconfig).results.target


@pytest.fixture(scope="session")
def run_metadata(pytestconfig: pytest.Config) -> RunMetadata:
    """What fixtures know of subject, environment and overrides; the report shows it."""
    return run_of(pytestconfig).results.metadata


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """`progress("what is being done")`: the live line of a long set-up."""
    return run_of(pytestconfig).progress.note


@pytest.fixture(scope="session")
def record_measurement(pytestconfig: pytest.Config) -> Callable[[str, float, str, str], None]:
    """`record_measurement(name, value, unit, source)`; `source` tells what the figure is held against."""
    run = run_of(pytestconfig)

    def record(name: str, value: float, unit: str, source: str) -> None:
        test = run.current.binding.test if run.current else ""
        run.results.measurements.append(Measurement(name, value, unit, source, test))

    return record


@pytest.fixture(scope="session")
def record_picture(pytestconfig: pytest.Config) -> Callable[[str, str, str], None]:
    """`record_picture(name, svg, caption)`: an SVG in the report; the caption says what it shows."""
    results = run_of(pytestconfig).results
    return lambda name, svg, caption: results.pictures.append(Picture(name, svg, caption))


@pytest.fixture(scope="session")
def record_evidence(pytestconfig: pytest.Config) -> Callable[[str, str | bytes], Path]:
    """`record_evidence(name, content)`: a file of the test that runs, redacted, named in the report."""
    run = run_of(pytestconfig)

    def record(name: str, content: str | bytes) -> Path:
        if run.current is None:
            raise RuntimeError(f"evidence {name} belongs to a test, and none is running")
        return run.keep(run.current, name, content)

    return record


@pytest.fixture(scope="session")
def on_failure(pytestconfig: pytest.Config) -> Callable[[Collector], Any]:
    """`with on_failure(collector): yield ...` in a fixture: evidence of every failure, set-up's included."""
    run = run_of(pytestconfig)

    @contextmanager
    def registered(collector: Collector) -> Iterator[None]:
        run.collectors.append(collector)
        try:
            yield
        finally:
            run.collectors.remove(collector)

    return registered
