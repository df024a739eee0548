"""Live mutants: they apply, alone and together; each has a test of its rule, which alone kills it."""

from __future__ import annotations

import ast
import dataclasses
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from acceptance.core import rules
from acceptance.core.rules import ROOT
from acceptance.core.signals import interrupted_by_sigterm
from acceptance.kube.helm import find_helm
from mutants import confined, deployments, live, outcomes, releases
from mutants.applying import problems
from mutants.copies import mutated
from mutants.edits import replace
from mutants.mutant import Mutant


def asserted_rules(test: str) -> set[str]:
    """The rules that a test, or the tests of a module, are marked with."""
    path, _, name = test.partition("::")
    found: set[str] = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == (name or node.name):
            for mark in node.decorator_list:
                if ast.unparse(mark).startswith("pytest.mark.rule("):
                    found |= {str(ast.literal_eval(argument)) for argument in mark.args}  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("mutant", live.MUTANTS, ids=lambda mutant: mutant.name)
def test_test_of_a_mutant_asserts_its_rule(mutant: Mutant) -> None:
    assert "behaviour" in rules.load()[mutant.rule].levels
    assert mutant.rule in asserted_rules(mutant.test)


def test_edits_apply_alone_and_in_planned_releases() -> None:
    planned = releases.plan(live.MUTANTS)
    assert sorted(mutant.name for each in planned for mutant in each) == sorted(each.name for each in live.MUTANTS)
    assert len(planned) < 0.6 * len(live.MUTANTS)
    assert not list(problems(planned, helm=None))


def test_edits_that_do_not_apply_are_reported() -> None:
    image = "dockerfiles/backend.Dockerfile"
    for edit, problem in (
        (replace(image, "no such line", ""), "0 times"),
        (replace(image, "USER 1000:1000", "USER 1000:1000"), "1 edits change []"),
        (replace("app/backend/todo_backend/app.py", "import logging\n", "import logging ->\n"), "is no Python"),
    ):
        (found,) = problems([(Mutant("broken", "STA-01", "tests/x.py", (edit,)),)], helm=None)
        assert problem in found


def test_changed_chart_must_render() -> None:
    edit = replace("chart/templates/NOTES.txt", "{{- $kubectl :=", "{{- $undefined :=")
    (found,) = problems([(Mutant("broken", "STA-01", "tests/x.py", (edit,)),)], helm=find_helm())
    assert "the chart does not render" in found


def test_confined_mutants_and_their_tests_exist() -> None:
    by_name = {mutant.name: mutant for mutant in live.MUTANTS}
    for name, text in confined.SHOWS_IN.items():
        assert confined.may_show(name, by_name[name].test), name
        for module, _, function in (place.partition("::") for place in text.split()):
            places = [ROOT / "tests" / folder / f"test_{module}.py" for folder in ("behaviour", "journey")]
            (place,) = [each for each in places if each.is_file()]
            assert f"def {function}" in place.read_text(encoding="utf-8"), f"{name}: {module}::{function}"


TASKS = "app/backend/todo_backend/tasks.py"


def named(monkeypatch: pytest.MonkeyPatch, *modules: str) -> list[Mutant]:
    """Mutants with a rule, a module and a line of their own; `modules` says where each may show."""
    lines = ("router = APIRouter(", "async def create_task(", "async def delete_task(")
    found = [
        Mutant(f"m{n}", f"R-{n}", f"tests/behaviour/test_{shown.split()[0]}.py", (replace(TASKS, line, f"# \n{line}"),))
        for n, (shown, line) in enumerate(zip(modules, lines, strict=False))
    ]
    monkeypatch.setattr(confined, "SHOWS_IN", {f"m{n}": shown for n, shown in enumerate(modules)})
    return found


def test_independent_faults_share_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = named(monkeypatch, "users", "texts fields")
    assert releases.plan([first, second]) == [(first, second)]
    assert not releases.independent(first, dataclasses.replace(second, rule=first.rule))  # of one component
    assert not releases.independent(first, dataclasses.replace(second, edits=first.edits))  # of the same lines
    monkeypatch.setattr(confined, "SHOWS_IN", {"m0": "users"})
    assert not releases.independent(first, second)


def test_fault_that_another_test_may_see_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = named(monkeypatch, "users texts", "texts", "fields")
    assert releases.plan([first, second, third]) == [(first, third), (second,)]


def test_single_tests_of_a_module_can_share_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "texts::test_one users", "texts::test_two", "texts"
    one, two, all_ = (
        dataclasses.replace(mutant, rule="PER-09", test=f"tests/behaviour/test_texts.py::test_{test}")
        for mutant, test in zip(named(monkeypatch, *shown), ("one", "two", "three"), strict=True)
    )
    assert releases.plan([one, two, all_]) == [(one, two), (all_,)]
    assert confined.may_show(one.name, "tests/behaviour/test_texts.py")


def test_tests_of_one_fault_share_a_release() -> None:
    dropping = [mutant for mutant in live.MUTANTS if mutant.edits == deployments.DROPPING]
    assert len(dropping) > 5
    assert releases.plan(dropping) == [tuple(dropping)]
    with mutated(*dropping) as root:
        assert (root / "chart").is_dir()
    judging = [mutant for mutant in live.MUTANTS if mutant.experiment][:1]
    same = dataclasses.replace(judging[0], name="same", experiment="")
    assert not releases.same_fault(judging[0], same)


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in live.MUTANTS}) == len(live.MUTANTS)


def test_mutants_are_selected_by_shard_rule_and_name() -> None:
    parts = [mutant for number in (1, 2, 3) for mutant in live.select([], (number, 3))]
    assert sorted(parts, key=live.MUTANTS.index) == list(live.MUTANTS)
    assert {mutant.rule for mutant in live.select(["STA-07"], (1, 1))} == {"STA-07"}
    named = live.select([], (1, 1), ["containers of root", "capability"])
    assert [mutant.name for mutant in named] == ["containers of root", "a capability added"]
    assert not live.select(["STA-07"], (1, 1), ["containers of root"])


def test_sample_is_chosen_by_the_commit() -> None:
    once, again, other = (live.sample(live.MUTANTS, 6, commit) for commit in ("a1", "a1", "b2"))
    assert once == again != other
    assert len({mutant.name for mutant in once}) == 6


FIRST, SECOND = (
    next(mutant for mutant in live.MUTANTS if mutant.name == name)
    for name in ("no preStop and no drain", "drain without Connection: close")
)


def signoff(**results: Mapping[str, str]) -> str:
    """A signoff.json: by rule, the result of each test."""
    rules = {}
    for rule, tests in results.items():
        worst = next((each for each in ("failed", "error", "untested") if each in tests.values()), "passed")
        listed = [{"test": test, "result": result, "reason": ""} for test, result in tests.items()]
        rules[rule.replace("_", "-")] = {"levels": {"behaviour": {"result": worst, "tests": listed}}}
    return json.dumps({"rules": rules})


def fake_run(monkeypatch: pytest.MonkeyPatch, *signoffs: str) -> list[list[str]]:
    """Each run of pytest writes the next signoff.json; returns the tests of each run."""
    left, runs = iter(signoffs), []

    def run(argv: list[str], log: Path) -> int:
        place = Path(argv[argv.index("--reports") + 1]) / "latest"
        place.mkdir()
        (place / "signoff.json").write_text(next(left))
        log.write_text("output of pytest")
        runs.append([argument for argument in argv if argument.startswith("tests/")])
        return 1

    monkeypatch.setattr(live, "run", run)
    return runs


OTHER = "tests/behaviour/test_other.py::test_other"


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ({"STA_08": {FIRST.test: "failed"}}, "killed"),
        ({"STA_08": {f"{FIRST.test}[backend]": "failed"}, "POD_10": {OTHER: "failed"}}, "killed"),
        ({"STA_08": {FIRST.test: "passed"}}, "survived"),
        ({"STA_08": {FIRST.test: "passed"}, "POD_10": {OTHER: "failed"}}, "found by another rule: POD-10"),
        ({"STA_08": {FIRST.test: "passed", OTHER: "failed"}}, "found by another rule: STA-08"),
        ({"STA_08": {FIRST.test: "error"}}, "not judged: error"),
        ({"STA_08": {FIRST.test: "untested"}, "POD_10": {OTHER: "failed"}}, "not judged: untested"),
    ],
)
def test_only_a_finding_of_its_rule_in_its_test_kills(
    results: dict[str, Mapping[str, str]], outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_run(monkeypatch, signoff(**results))
    (found,) = live.evaluate((FIRST,), tmp_path)
    assert str(found) == outcome
    folder = live.folder_of(FIRST, tmp_path)
    assert {"signoff.json", "pytest.log"} <= {path.name for path in folder.iterdir()}
    assert outcomes.read(folder) == (None if outcome.startswith("not judged") else found)


def test_what_is_not_killed_beside_others_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = signoff(STA_08={FIRST.test: "failed", SECOND.test: "passed"}, POD_10={OTHER: "failed"})
    runs = fake_run(monkeypatch, together, signoff(STA_08={SECOND.test: "passed"}))
    killed, survived = live.evaluate((FIRST, SECOND), tmp_path)
    assert (killed.mutant, str(killed), killed.beside) == (FIRST.name, "killed", (SECOND.name,))
    assert [(each.rule, each.tests) for each in killed.failures] == [("STA-08", (FIRST.test,)), ("POD-10", (OTHER,))]
    assert (survived.mutant, str(survived), survived.beside) == (SECOND.name, "survived", ())
    assert runs == [[FIRST.test, SECOND.test], [SECOND.test]]
    kept = [json.loads((live.folder_of(each, tmp_path) / "signoff.json").read_text()) for each in (FIRST, SECOND)]
    assert kept[0] == json.loads(together) != kept[1]


def test_mutant_without_signoff_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "run", lambda _, log: log.write_text("begun\nERROR: no engine\n") and 4)
    (found,) = live.evaluate((FIRST,), tmp_path)
    assert str(found) == "not judged: exit code 4: ['ERROR: no engine']"


def test_exit_code_is_that_of_the_worst_outcome(tmp_path: Path) -> None:
    killed, survived = (outcomes.Outcome(FIRST.name, "STA-08", each) for each in ("killed", "survived"))
    elsewhere = outcomes.Outcome(FIRST.name, "STA-08", "found by another rule")
    unknown = outcomes.not_judged(FIRST, "error")
    assert outcomes.exit_code([killed, killed]) == 0
    assert outcomes.exit_code([killed, unknown]) == outcomes.exit_code([]) == 2
    assert outcomes.exit_code([survived, unknown]) == outcomes.exit_code([elsewhere, killed]) == 1
    live.report([killed, unknown], tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["results"] == {"killed": 1, "not judged": 1}


INTERRUPTED = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print("restored")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_pytest_ends_by_itself(tmp_path: Path, name: str) -> None:
    program = INTERRUPTED.replace("getppid(), signal.SIGINT", f"getppid(), signal.{name}")
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
            live.run([sys.executable, "-c", program], tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (tmp_path / "log").read_text() == "restored\n"
