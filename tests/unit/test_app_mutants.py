"""Generated mutants of the application: which there are, which tests judge them, and how a run goes on."""

from __future__ import annotations

import ast
import io
from pathlib import Path, PurePosixPath

import pytest
from rich.console import Console

from acceptance.core.rules import ROOT
from mutants.app import __main__ as command
from mutants.app import lists, starter, stryker
from mutants.app.mutant import Mutant
from mutants.app.python_source import mutants
from mutants.app.session import Result
from mutants.app.tests import (
    DECISIVE,
    MODULES,
    PROMISING,
    SLOW_SECONDS,
    Order,
    covering,
    function,
    judges,
)
from mutants.equivalent import Equivalent

SOURCE = '''"""Documentation."""

import logging
from typing import Annotated

log = logging.getLogger("x")


def limit(number: int | None = None, *, most: Annotated[int, "at most"] = 3) -> bool:
    """Tell whether a number is allowed."""
    log.warning("number %s", number)
    if number is None:
        raise ValueError("no number was given")
    return number < most
'''


def of(source: str) -> list[Mutant]:
    return list(mutants(PurePosixPath("todo_backend/tasks.py"), source))


def test_what_a_user_may_notice_is_changed() -> None:
    found = of(SOURCE)
    assert {(each.before.strip(), each.after.strip()) for each in found} >= {
        ("< most", "<= most"),
        ("is", "is not"),
        ("3", "4"),
    }
    for each in found:
        compile(each.source, "mutant", "exec")
        assert each.source != SOURCE
    assert [each.line for each in found] == sorted(each.line for each in found)


@pytest.mark.parametrize("text", ["Documentation", "at most", "number %s", "no number was given", "import", "-> bool"])
def test_texts_for_people_and_types_stay(text: str) -> None:
    found = of(SOURCE)
    assert found
    for each in found:
        # A whole argument or statement may be dropped, but no text is changed.
        assert text in each.source or text not in each.after
        assert f"XX{text}" not in each.source


def test_names_and_keys_are_unique_and_stay_where_lines_move() -> None:
    found, moved = of(SOURCE), of("# moved\n" + SOURCE)
    assert len({each.name for each in found}) == len({each.key for each in found}) == len(found)
    assert [each.name for each in moved] == [each.name for each in found]


def test_tests_must_reach_the_lines_where_the_change_matters() -> None:
    found = of(SOURCE)
    lines = {each.before.strip(): each.lines for each in found}
    assert lines["< most"] == (14, 14)
    assert lines["is"] == (12, 12)
    assert lines["3"] == (10, 14)
    assert lines['logging.getLogger("x")'] is None
    places = next(each.places for each in found if each.before.strip() == "is")
    assert places == {"todo_backend/tasks.py:12"}


def test_shards_contain_each_mutant_once() -> None:
    found = of(SOURCE)
    parts = [each for number in (1, 2, 3) for each in command.select(found, (number, 3))]
    assert sorted(parts, key=found.index) == found
    assert command.select(found, (1, 1), seed="a") == command.select(found, (1, 1), seed="a") != found
    assert command.select(found, (1, 1), 3, "a") == command.select(found, (1, 1), 3, "a")
    assert {each.file.name for each in command.every("dependencies")} == {"dependencies.py"}


def test_result_is_kept_and_survivor_is_judged_by_new_tests(tmp_path: Path) -> None:
    first, second, third = of(SOURCE)[:3]
    results = command.Results(tmp_path, "tests of today")
    results.write(first, Result("tests/x.py::test_y", 1.5))
    results.write(second, Result(None, 9.0))
    assert results.read(first) == Result("tests/x.py::test_y", 1.5)
    assert results.read(second) == Result(None, 9.0)
    assert results.read(third) is None
    changed = command.Results(tmp_path, "tests of tomorrow")
    assert changed.read(first) is not None
    assert changed.read(second) is None


def test_scores_count_equivalent_ones_and_those_of_other_levels_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = of(SOURCE)[:5]
    entries = {
        (lists.EQUIVALENT, found[1]): Equivalent(found[1].name, "nobody notices"),
        (lists.ELSEWHERE, found[3]): Equivalent(found[3].name, "an experiment judges it"),
    }
    monkeypatch.setattr(lists, "find", lambda file, mutant: entries.get((file, mutant)))
    monkeypatch.setattr(lists, "load", lambda file: [entry for (of, _), entry in entries.items() if of == file])
    results = command.Results(tmp_path, "tests")
    for each, killer in zip(found[:3], ("test", None, None), strict=True):
        results.write(each, Result(killer, 1))
    output = io.StringIO()
    total = command.summarize(found, results, Console(file=output, width=200), only_survivors=False)
    assert total == command.Score(killed=1, survived=1, equivalent=1, elsewhere=1, waiting=1)
    assert total.share == 0.5
    assert found[2].name in output.getvalue()
    assert "equivalent:    1 of" in output.getvalue()
    assert "not judged here:    1 of" in output.getvalue()


def test_decisive_tests_and_modules_exist() -> None:
    sources = [ast.parse((ROOT / module).read_text(encoding="utf-8")) for module in MODULES]
    names = {node.name for source in sources for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
    assert DECISIVE.keys() <= names
    modules = {path.stem for path in (ROOT / "app/backend/todo_backend").glob("*.py")}
    assert frozenset().union(*DECISIVE.values()) <= modules


def test_most_promising_tests_run_first_and_slow_ones_last() -> None:
    tests = [f"tests/behaviour/test_a.py::test_{number}[case]" for number in range(12)]
    order = Order(dict.fromkeys(tests, 0.5))
    assert order.of(tests, "a.py") == tests
    order.seconds |= {tests[5]: 0.01, tests[0]: SLOW_SECONDS + 1}
    for test in (tests[9], tests[9], tests[5]):
        order.killed_by(test, "b.py", order.seconds[test])
    expected = [tests[5], tests[9], *tests[1:5], *tests[6:9], *tests[10:], tests[0]]
    assert order.of(tests, "a.py") == expected
    order.killed_by(tests[2], "a.py", 0.5)
    assert order.of(tests, "a.py")[:3] == [tests[2], tests[5], tests[9]]
    for test in tests:
        order.killed_by(test, "a.py", 0.5)
    others = [test for test in order.of(tests, "a.py")[PROMISING:] if test != tests[0]]
    assert others == [test for test in tests if test in others]
    assert sorted(order.of(tests, "a.py")) == sorted(tests)


def test_of_many_tests_the_quick_ones_and_some_of_each_kind_judge() -> None:
    reached = {"quick": {"a"}, "slow": {"a", "b", "c"}, "same": {"a", "b"}, "slower": {"b", "c"}, "other": {"d"}}
    seconds = {"quick": 0.1, "slow": 1.0, "same": 1.0, "slower": 9.0, "other": 20.0}
    found = covering({test: frozenset(places) for test, places in reached.items()}, seconds)
    assert found == {"quick", "slow", "other"}


def test_test_with_many_cases_judges_the_modules_that_answer_it() -> None:
    test = "tests/behaviour/test_tokens.py::test_invalid_token_is_refused_everywhere[expired-bearer]"
    assert function(test) == "test_invalid_token_is_refused_everywhere"
    assert judges(test, "auth")
    assert not judges(test, "tags")
    assert judges("tests/behaviour/test_api.py::test_tag_lifecycle", "tags")


def test_starter_imports_what_the_package_does() -> None:
    found = starter.libraries(ROOT / "app" / "backend" / "todo_backend")
    assert {"fastapi", "sqlalchemy", "openai", "agents"} <= set(found)
    assert not [name for name in found if name.startswith("todo_backend")]


@pytest.mark.parametrize("file", [lists.EQUIVALENT, lists.ELSEWHERE], ids=lambda file: file.stem)
def test_entries_have_reasons_and_distinct_patterns(file: Path) -> None:
    entries = lists.load(file)
    assert entries
    assert all(entry.reason.endswith(".") for entry in entries)
    assert len({entry.pattern for entry in entries}) == len(entries)


def test_frontend_mutant_has_the_text_that_it_replaces() -> None:
    text = 'const a = 1;\nif (a > 0 &&\n    b) log("no such task", "x");\n'
    found = [
        {"id": "0", "file": "lib/a.ts", "mutator": "ConditionalExpression", "replacement": "true"}
        | {"start": {"line": 1, "column": 4}, "end": {"line": 2, "column": 5}},
        {"id": "1", "file": "lib/a.ts", "mutator": "StringLiteral", "replacement": '""'}
        | {"start": {"line": 2, "column": 11}, "end": {"line": 2, "column": 25}},
        {"id": "2", "file": "lib/a.ts", "mutator": "StringLiteral", "replacement": '""'}
        | {"start": {"line": 2, "column": 27}, "end": {"line": 2, "column": 30}},
    ]
    first, second = stryker.parse(found, {"lib/a.ts": text})
    assert (first.line, first.before, first.name) == (2, "a > 0 &&\n    b", "lib/a.ts: a > 0 && b -> true")
    assert (second.before, second.switch) == ('"x"', "2")
    assert first.key != second.key
    renumbered = {**found[0], "id": "7"}
    assert next(stryker.parse([renumbered], {"lib/a.ts": text})).key == first.key


def test_frontend_files_run_on_the_server() -> None:
    names = stryker.sources(ROOT / "app" / "frontend")
    assert {
        "lib/backend.ts",
        "observe.js",
        "app/actions/tasks/[id]/delete/route.ts",
        "app/(signed-in)/layout.tsx",
    } <= set(names)
    for name in names:
        assert '"use client"' not in (ROOT / "app" / "frontend" / name).read_text(encoding="utf-8")
