"""Names are unique: definitions within a module, and deadlines."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.core import deadlines
from acceptance.core.deadlines import Deadline
from acceptance.core.rules import ROOT

FOLDERS = ("acceptance", "toolchain", "mutants", "support", "tests")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def defined(source: str) -> Iterator[str]:
    """Yield the names that a module's top-level statements bind, once per binding; branches are skipped."""
    for statement in ast.parse(source).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from assigned(target)
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def assigned(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def duplicates(names: Iterator[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_defines_no_name_twice(module: Path) -> None:
    assert duplicates(defined(module.read_text(encoding="utf-8"))) == []


def test_duplicate_names_are_detected() -> None:
    source = "A = 1\nB: int = 2\nA, C = 3, 4\ndef f(): x = 1; x = 2\nclass B: ...\nD[0] = 1\nD[1] = 2\n"
    assert duplicates(defined(source)) == ["A", "B"]


def test_deadline_names_are_unique() -> None:
    names = [value.name for value in vars(deadlines).values() if isinstance(value, Deadline)]
    assert len(names) > 10
    assert duplicates(iter(names)) == []
