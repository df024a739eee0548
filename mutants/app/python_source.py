"""Mutants of a Python module by mutmut's operators; what nobody who uses the application can notice is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import libcst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

from mutants.app.mutant import Mutant

Lines = tuple[int, int]
"""The first and the last."""
STRINGS = 1
"""Of the operator on strings, the first mutant: the others change the case of letters alone."""
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception"})
TEXT_CALLS = frozenset({"print", "cast"})
"""Functions whose arguments are not judged: output for people, and types for mypy."""


def mutants(file: PurePosixPath, source: str) -> Iterator[Mutant]:
    """Yield the mutants of a module, in the order of its lines."""
    wrapper = MetadataWrapper(libcst.parse_module(source))
    module = wrapper.module
    positions, spans = wrapper.resolve(PositionProvider), wrapper.resolve(ByteSpanPositionProvider)
    raw = source.encode()
    seen: set[str] = set()
    counts: Counter[tuple[str, str]] = Counter()
    for node, lines in _nodes(module, positions, None):
        span = spans.get(node)
        written = raw[span.start : span.start + span.length].decode() if span else ""
        for changed in _changes(node):
            before, after = module.code_for_node(node), module.code_for_node(changed)
            if span and written == before.strip():  # much faster than to write the whole tree again
                mutated = (raw[: span.start] + after.strip().encode() + raw[span.start + span.length :]).decode()
            else:
                mutated = module.deep_replace(node, changed).code
            if mutated == source or mutated in seen or not _compiles(mutated):
                continue
            seen.add(mutated)
            counts[before, after] += 1
            line, number = positions[node].start.line, counts[before, after]
            yield Mutant("backend", file, line, before, after, number, mutated, lines=lines)


def _changes(node: Any) -> Iterator[Any]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            found = iter(operator(node))
            yield from islice(found, STRINGS) if operator is operator_string else found


def _nodes(node: Any, positions: Mapping[Any, Any], lines: Lines | None) -> Iterator[tuple[Any, Lines | None]]:
    """Yield what can be changed so that a user might notice: no types, imports, documentation or texts for people.

    Args:
        node: The syntax tree.
        positions: The place of each of its nodes.
        lines: Those that run where a change of the node matters; None outside of functions.

    Yields:
        Each node with the lines of its statement, or of the body of the function whose decorators or defaults it is in.
    """
    if isinstance(node, libcst.Annotation | libcst.Import | libcst.ImportFrom):
        return
    if isinstance(node, libcst.Expr) and isinstance(node.value, libcst.SimpleString | libcst.ConcatenatedString):
        return
    if isinstance(node, libcst.SimpleString | libcst.FormattedString | libcst.ConcatenatedString) and _is_prose(node):
        return
    if isinstance(node, libcst.Call) and _is_for_people(node.func):
        return
    place: Any = positions.get(node)
    if isinstance(node, libcst.FunctionDef):
        lines = positions[node.body].start.line, place.end.line
    elif lines is not None and isinstance(node, libcst.BaseCompoundStatement):
        lines = place.start.line, max(place.start.line, positions[node.body].start.line - 1)
    elif lines is not None and isinstance(node, libcst.SimpleStatementLine | libcst.ExceptHandler | libcst.Finally):
        lines = place.start.line, place.end.line
    yield node, lines
    for child in node.children:
        yield from _nodes(child, positions, lines)


def _is_prose(node: Any) -> bool:
    """Whether a string is a text for people, as a space shows."""
    return " " in libcst.Module([]).code_for_node(node).strip()


def _is_for_people(function: Any) -> bool:
    if isinstance(function, libcst.Attribute):
        return function.attr.value in LOG_METHODS
    return isinstance(function, libcst.Name) and function.value in TEXT_CALLS


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True
