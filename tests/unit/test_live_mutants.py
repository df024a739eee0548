"""Live mutants: each applies, its test asserts its rule, and its outcome is judged by that rule alone."""

from __future__ import annotations

import ast
import signal
import sys
from pathlib import Path

import pytest

from acceptance.core import rules
from acceptance.core.rules import ROOT
from mutants import live
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
def test_mutant_applies_and_its_test_asserts_its_rule(mutant: Mutant) -> None:
    with live.mutated(mutant) as root:
        changed = [
            path.relative_to(root)
            for path in root.rglob("*")
            if path.is_file() and path.read_bytes() != (ROOT / path.relative_to(root)).read_bytes()
        ]
        for path in changed:
            if path.suffix == ".py":
                compile((root / path).read_text(encoding="utf-8"), str(path), "exec")
    assert 1 <= len(changed) <= len(mutant.edits)
    assert "behaviour" in rules.load()[mutant.rule].levels
    assert mutant.rule in asserted_rules(mutant.test)


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in live.MUTANTS}) == len(live.MUTANTS)


def test_shards_contain_each_mutant_once() -> None:
    parts = [mutant for number in (1, 2, 3) for mutant in live.select([], (number, 3))]
    assert sorted(parts, key=live.MUTANTS.index) == list(live.MUTANTS)
    assert {mutant.rule for mutant in live.select(["STA-07"], (1, 1))} == {"STA-07"}


def test_sample_is_chosen_by_the_commit() -> None:
    once, again, other = (live.sample(live.MUTANTS, 6, commit) for commit in ("a1", "a1", "b2"))
    assert once == again != other
    assert len({mutant.name for mutant in once}) == 6


def test_outcome_is_kept_unless_it_was_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter(["not judged: error", "killed"])
    monkeypatch.setattr(live, "outcome", lambda *_: next(outcomes))
    assert [live.evaluate(live.MUTANTS[0], tmp_path) for _ in range(3)] == ["not judged: error", "killed", "killed"]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("failed", "killed"),
        ("passed", "survived"),
        ("error", "not judged: error"),
        ("untested", "not judged: untested"),
    ],
)
def test_only_a_finding_of_its_rule_kills(
    result: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: list[str], log: Path) -> int:
        place = Path(argv[argv.index("--reports") + 1]) / "latest"
        place.mkdir()
        levels = f'{{"behaviour": {{"result": "{result}"}}}}'
        (place / "signoff.json").write_text(f'{{"rules": {{"{live.MUTANTS[0].rule}": {{"levels": {levels}}}}}}}')
        log.write_text("output of pytest")
        return 1

    monkeypatch.setattr(live, "run", run)
    assert live.outcome(live.MUTANTS[0], tmp_path / "log") == outcome


def test_mutant_without_signoff_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "run", lambda _, log: log.write_text("begun\nERROR: no engine\n") and 4)
    outcome = live.outcome(live.MUTANTS[0], tmp_path / "log")
    assert outcome == "not judged: exit code 4: ['ERROR: no engine']"


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


def test_interrupted_pytest_ends_by_itself(tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            live.run([sys.executable, "-c", INTERRUPTED], tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (tmp_path / "log").read_text() == "restored\n"
