"""What keeps a run from being accepted: tests that were left out, failures without a result, and crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.cli import commands
from acceptance.core import suite as suites
from acceptance.core.rules import ROOT
from acceptance.report.judging import unreported
from acceptance.report.results import Measurement
from tests.unit.test_html import collected

CONFTEST = """
import dataclasses
import pytest
from acceptance.core import git, rules
from acceptance.plugin import session

one = dataclasses.replace(rules.load()["POD-04"], levels=("static",))
rules.load = lambda *_: {"POD-04": one}
session.checkout = lambda _: git.Checkout("a" * 40, clean=True)
session.load_coverage_gaps = lambda: {}
pytest_plugins = ["acceptance.plugin"]

@pytest.fixture(scope="session", autouse=True)
def fresh_cluster(run_metadata):
    run_metadata.fresh_cluster = run_metadata.used_cluster = True
"""
HEAD = """
import pytest
from pathlib import Path
from acceptance.report.results import Limit

pytestmark = pytest.mark.rule("POD-04")
"""
PLUGINS = {
    "crashing": """
@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish():
    yield
    raise ValueError("a\\nb")
""",
    "unwritable": """
from acceptance.report import history
def refuse(*_): raise OSError(28, "No space left on device")
def pytest_configure(config):
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(history, "append", refuse)
""",
    "incomparable": """
from acceptance.plugin import session
def fail(*_): raise TypeError("no figure")
def pytest_configure(config):
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(session, "changes", fail)
""",
    "repeating": 'def pytest_addoption(parser): parser.addoption("--reruns", type=int)\n',
    "distributing": 'def pytest_addoption(parser): parser.addoption("--numprocesses", type=int)\n',
}
GOOD = "def test_good(): pass\n"
TWO = GOOD + "def test_other(): pass\n"
FLAKY = """
def test_flaky():
    again = Path("again").exists()
    Path("again").touch()
    assert again
"""
ENDING = """
@pytest.fixture(scope="session")
def release():
    yield
    pytest.fail("it was not restored")
def test_good(release): pytest.exit("enough")
"""
LOST = 'def test_good(record_measurement): record_measurement("lost", 3, "writes", Limit(0, "PER-05: none"))\n'
LATE = 'def test_good(record_measurement): record_measurement("Ready", 31, "s", Limit(30, "POD-17: a wait"))\n'
SUBTEST = "def test_good(subtests):\n    with subtests.test():\n        assert 0\n"
SKIPPED = 'pytest.skip("why", allow_module_level=True)\n'
LEFT_OUT = {
    "conftest.py": "def pytest_ignore_collect(collection_path): return collection_path.stem == 'test_out' or None"
}


@dataclass(frozen=True)
class Scenario:
    """A suite, modules by their name in tests/static; `in_the_way` is a file where the run writes its report."""

    modules: dict[str, str]
    options: str = "--signoff"
    in_the_way: str = ""


SCENARIOS = {
    "whole": Scenario({"test_a.py": TWO}),
    "deselected": Scenario({"test_b.py": TWO}, "--signoff --deselect tests/static/test_b.py::test_other"),
    "keyword": Scenario({"test_c.py": TWO}, "--signoff -k good"),
    "developing": Scenario({"test_d.py": TWO}, "-k good"),
    "named": Scenario({"test_e.py": TWO}, "--signoff tests/static/test_e.py::test_good"),
    "ignored": Scenario(
        {"test_f.py": TWO, "test_g.py": TWO, "test_h.py": GOOD}, "--signoff --ignore tests/static/test_g.py -k good"
    ),
    "left out": Scenario({"test_i.py": TWO, "test_out.py": TWO, **LEFT_OUT}),
    "run twice": Scenario(
        {"test_j.py": FLAKY}, "--signoff --keep-duplicates tests/static/test_j.py tests/static/test_j.py"
    ),
    "subtest": Scenario({"test_k.py": SUBTEST}),
    "not collected": Scenario(
        {"test_l.py": GOOD, "test_m.py": "import nothing_of_that_name\n"}, "--continue-on-collection-errors"
    ),
    "skipped": Scenario({"test_n.py": GOOD, "test_o.py": SKIPPED}),
    "lost": Scenario({"test_p.py": LOST}),
    "late": Scenario({"test_q.py": LATE}),
    "ending": Scenario({"test_r.py": ENDING}),
    "bad history": Scenario({"test_s.py": GOOD}, "--signoff -p incomparable"),
    "no history": Scenario({"test_t.py": GOOD}, "--signoff -p unwritable"),
    "folder": Scenario({"test_u.py": GOOD}, in_the_way="reports/latest/file"),
    "file": Scenario({"test_z.py": GOOD}, in_the_way="reports/history"),
    "crash": Scenario({"test_v.py": GOOD}, "-p crashing"),
    "repeated": Scenario({"test_w.py": GOOD}, "--signoff -p repeating --reruns 2"),
    "distributed": Scenario({"test_x.py": GOOD}, "-p distributing --numprocesses 2"),
    "no JUnit": Scenario({"test_y.py": GOOD}, "-p no:junitxml"),
}
RUN = """
import os, sys, pytest
folder, *options = sys.argv[1:]
for line in options:
    name, _, line = line.partition(": ")
    os.chdir(f"{folder}/{name}")
    sys.stdout, out = open("stdout", "w"), sys.stdout
    sys.stderr, err = open("stderr", "w"), sys.stderr
    code = pytest.main(["--import-mode=importlib", "-p", "no:timeout", "-p", "no:hypothesispytest", *line.split()])
    sys.stdout.close(), sys.stderr.close()
    sys.stdout, sys.stderr = out, err
    open("code", "w").write(str(int(code)))
"""


@dataclass(frozen=True)
class Ended:
    """How a scenario ended; `signoff` is empty without a report."""

    code: int
    out: str
    err: str
    signoff: dict[str, Any]

    @property
    def verdict(self) -> tuple[int, str, list[str]]:
        """Exit code, verdict and reasons."""
        return self.code, self.signoff["verdict"], self.signoff["reasons"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every scenario, run in one process, since pytest's start takes longest."""
    root = tmp_path_factory.mktemp("suites")
    for name, source in PLUGINS.items():
        (root / f"{name}.py").write_text(f"import pytest\n{source}", encoding="utf-8")
    for name, scenario in SCENARIOS.items():
        tests = root / name / "tests" / "static"
        tests.mkdir(parents=True)
        (root / name / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        (root / name / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        for module, source in scenario.modules.items():
            (tests / module).write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
        if scenario.in_the_way:
            (root / name / scenario.in_the_way).parent.mkdir(parents=True)
            (root / name / scenario.in_the_way).touch()
    lines = [f"{name}: {scenario.options}" for name, scenario in SCENARIOS.items()]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{root}"}
    done = subprocess.run([sys.executable, "-c", RUN, root, *lines], env=environment, check=False, capture_output=True)
    assert done.returncode == 0, done
    return {name: read(root / name) for name in SCENARIOS}


def read(folder: Path) -> Ended:
    out, err, code = ((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr", "code"))
    data = folder / "reports" / "latest" / "signoff.json"
    return Ended(int(code), out, err, json.loads(data.read_text(encoding="utf-8")) if data.is_file() else {})


@pytest.mark.parametrize("name", ["whole", "left out", "late", "bad history"])
def test_whole_run_is_accepted(ended: dict[str, Ended], name: str) -> None:
    assert ended[name].verdict == (0, "accepted", [])


@pytest.mark.parametrize("name", ["deselected", "keyword", "named"])
def test_deselected_test_is_missed(ended: dict[str, Ended], name: str) -> None:
    assert ended[name].verdict == (2, "incomplete", ["1 test that asserts rules was not selected"])


def test_ignored_module_is_missed(ended: dict[str, Ended]) -> None:
    reason = "1 test and 1 module (tests/static/test_g.py) that assert rules were not selected"
    assert ended["ignored"].verdict == (2, "incomplete", [reason])


def test_selection_without_signoff_ends_as_its_tests_do(ended: dict[str, Ended]) -> None:
    assert (ended["developing"].code, ended["developing"].signoff["verdict"]) == (0, "incomplete")


def test_worse_result_of_a_test_that_ran_twice_counts(ended: dict[str, Ended]) -> None:
    assert ended["run twice"].verdict == (1, "rejected", ["1 rule is broken: POD-04"])


def test_failure_that_no_result_shows_is_an_error(ended: dict[str, Ended]) -> None:
    reason = "pytest counts tests/static/test_k.py::test_good as failed, and its result is passed"
    assert ended["subtest"].verdict == (2, "incomplete", [reason])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not collected", "tests/static/test_m.py could not be collected"),
        ("skipped", "tests/static/test_o.py was skipped as a whole"),
    ],
)
def test_module_without_tests_is_an_error(ended: dict[str, Ended], name: str, reason: str) -> None:
    assert ended[name].verdict == (2, "incomplete", [reason])


def test_count_beyond_its_limit_needs_a_finding(ended: dict[str, Ended]) -> None:
    reason = "figures exceed their limits, and no test says so: lost"
    assert ended["lost"].verdict == (2, "incomplete", [reason])


def test_failing_teardown_of_the_session_costs_no_report(ended: dict[str, Ended]) -> None:
    code, verdict, reasons = ended["ending"].verdict
    assert (code, verdict) == (2, "incomplete")
    assert "the run's teardown: Failed: it was not restored" in reasons


def test_comparison_with_earlier_runs_costs_no_report(ended: dict[str, Ended]) -> None:
    assert "PytestWarning: the suite itself failed: TypeError: no figure" in ended["bad history"].out


def test_unwritable_history_is_reported_as_such(ended: dict[str, Ended]) -> None:
    assert (ended["no history"].code, ended["no history"].signoff["verdict"]) == (2, "accepted")
    assert "release accepted" in ended["no history"].out
    assert "the run can't be added to " in ended["no history"].out
    assert ".jsonl: No space left on device" in ended["no history"].out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("folder", "reports/latest is not a link to a run: move it away"),
        ("file", "reports/history is not a folder: move it away"),
        ("crash", "ERROR: the suite itself failed: ValueError: a"),
        ("repeated", "--signoff judges the first run of each test: omit --reruns"),
        ("distributed", "-n of pytest-xdist is not supported"),
        ("no JUnit", "the report has JUnit's file: omit -p no:junitxml"),
    ],
)
def test_run_that_could_not_judge_ends_in_a_sentence(ended: dict[str, Ended], name: str, sentence: str) -> None:
    assert ended[name].code == 2
    assert sentence in ended[name].err
    assert len(ended[name].err.splitlines()) == 1
    assert "Traceback" not in ended[name].out


def test_crash_of_a_command_is_no_rejection(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def crash(*_: object) -> None:
        raise KeyError("subject")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("acceptance.cli.commands.report", crash)
    monkeypatch.setattr(sys, "argv", ["acceptance", "report"])
    assert commands.main() == 2
    error = capsys.readouterr().err
    assert error.startswith("ERROR: the suite itself failed: KeyError: 'subject' (acceptance/cli/commands.py:")
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", ["[]", '{"schema": "todo-chatbot-acceptance/signoff/1"}'])
@pytest.mark.parametrize("command", ["summary", "durations", "verify"])
def test_results_of_another_version_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, content: str
) -> None:
    (tmp_path / "signoff.json").write_text(content, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["acceptance", command, str(tmp_path)])
    assert commands.main() == 2
    assert capsys.readouterr().err.endswith("has no results of a run, or of another version of the suite\n")


def test_finding_of_another_test_explains_a_figure() -> None:
    results = collected()
    results.measurements.append(Measurement("kills: tasks: lost", 1, "writes", 0, "PER-05: each is stored once"))
    assert list(unreported(results)) == ["figures exceed their limits, and no test says so: kills: tasks: lost"]
    lost = Finding("PER-05", "Table/task", "rows", "1", "0", advice=True)
    results.tests["tests/behaviour/test_PER-05.py::test_it"].classified.append(ClassifiedFinding(lost, "advice"))
    assert list(unreported(results)) == []


def test_suite_has_the_digest_of_what_judges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suites, "FOLDERS", (tmp_path / "tests",))
    found = []
    for name in ("static/test_a.py", "unit/test_b.py", "static/__pycache__/test_a.pyc", "static/test_c.py"):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).touch()
        found.append(suites.suite.__wrapped__().digest)
    first, *others, last = found
    assert [*others, last] == [first, first, last]
    assert first != last
