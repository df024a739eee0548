"""Lines of a chart's files: where a template writes a field, and where a values file has a key.

A template is not YAML, so its lines are followed by their indentation: a line is returned only where the path leads to
exactly one, and the deepest line that is known otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

KEY = re.compile(r"""^(?:"([^"]+)"|'([^']+)'|([^\s"'{}#:-][^\s:{}]*)):(?:\s|$)""")
VALUES = re.compile(r"\.Values((?:\.\w+)+)")
COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.S)
NINDENT = re.compile(r"\bn?indent (\d+)")
CONTROL = re.compile(r"\{\{-?\s*(if|else|end|with|range|\$)\b")
MIN_DEPTH = 2
"""Keys of the path that must be found: the line of `spec:` alone says nothing."""


@dataclass(frozen=True)
class Line:
    """A line with content: its number from 1, its indentation, and its text without list dashes."""

    number: int
    indent: int
    text: str
    item: bool = False
    """Whether a list item begins here."""

    @property
    def key(self) -> str:
        """The key that the line sets, or an empty string."""
        found = KEY.match(self.text)
        return next(filter(None, found.groups()), "") if found else ""

    @property
    def directive(self) -> bool:
        """Whether the line is an action of the template engine and nothing else."""
        return self.text.startswith("{{") and self.text.endswith("}}")

    @property
    def output_indent(self) -> int:
        """The indentation of what a directive prints, as far as it says."""
        stated = NINDENT.search(self.text)
        return int(stated[1]) if stated else self.indent


@dataclass(frozen=True)
class SourceLine:
    """The line of a template that a field's path leads to; `value` is the chart's value that it takes, if any."""

    number: int
    value: str = ""


def template_line(template: str, kind: str, field: str) -> SourceLine | None:
    """Return the line of a template that writes a field of its only object of `kind`, or the nearest parent's."""
    block = _document(template, kind)
    if block is None:
        return None
    found: Line | None = None
    rest, depth = field, 0
    while rest:
        matching = [line for line in _children(block) if _begins(rest, line.key)]
        if len(matching) != 1:
            break
        found, depth = matching[0], depth + 1
        block, rest = _below(block, found), rest[len(found.key) :]
        if rest.startswith("["):
            selector, _, rest = rest[1:].partition("]")
            item = _item(block, selector)
            if item is None:
                break
            found, block = item[0], item
        rest = rest.lstrip(".")
    if found is None or (rest and depth < MIN_DEPTH):
        return None
    return SourceLine(found.number, _value(found, block, complete=not rest))


def _begins(path: str, key: str) -> bool:
    return bool(key) and (path == key or path.startswith((f"{key}.", f"{key}[")))


def _document(template: str, kind: str) -> Sequence[Line] | None:
    """Return the lines of the only document of this kind, or None."""
    documents: list[list[Line]] = [[]]
    without_comments = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), template)
    for number, text in enumerate(without_comments.splitlines(), 1):
        if text.startswith("---"):
            documents.append([])
        elif text.strip() and not text.lstrip().startswith("#"):
            documents[-1].append(_line(number, text))
    of_kind = [lines for lines in documents if any(line.key == "kind" and _is(line, kind) for line in lines)]
    return of_kind[0] if len(of_kind) == 1 else None


def _is(line: Line, kind: str) -> bool:
    return line.indent == 0 and line.text.partition(":")[2].strip().strip("\"'") == kind


def _line(number: int, text: str) -> Line:
    stripped = text.lstrip()
    indent, item = len(text) - len(stripped), False
    while stripped.startswith("- "):
        content = stripped[2:].lstrip()
        indent, stripped, item = indent + len(stripped) - len(content), content, True
    return Line(number, indent, stripped.rstrip(), item)


def _children(block: Sequence[Line]) -> list[Line]:
    """Return the block's lines of the least indentation that set a key."""
    content = [line for line in block if not line.directive]
    least = min((line.indent for line in content), default=0)
    return [line for line in content if line.indent == least]


def _below(block: Sequence[Line], parent: Line) -> list[Line]:
    """Return the lines that belong to a key: those after it that are indented more, and the items of its list."""
    after = [line for line in block if line.number > parent.number]
    first = next((line for line in after if not line.directive), None)
    least = parent.indent if first is not None and first.item else parent.indent + 1
    below: list[Line] = []
    for line in after:
        if line.directive:
            below += [line] if line.output_indent >= least else []
        elif line.indent <= parent.indent:
            break
        else:
            below.append(line)
    return below


def _item(block: Sequence[Line], selector: str) -> list[Line] | None:
    """Return the lines of the list item whose name is `selector`, or of the only item if it can only be that one."""
    least = min((line.indent for line in block if not line.directive), default=0)
    items: list[list[Line]] = []
    generated = False
    for line in block:
        if line.item and line.indent == least:
            items.append([line])
        elif line.directive and line.output_indent < least:
            generated = generated or not CONTROL.match(line.text)
        elif items:
            items[-1].append(line)
    names = [next((_text(line) for line in item if line.indent == least and line.key == "name"), "") for item in items]
    if names.count(selector) == 1:
        return items[names.index(selector)]
    only = len(items) == 1 and not generated and ("{{" in names[0] or not names[0])
    return items[0] if only else None


def _text(line: Line) -> str:
    return line.text.partition(":")[2].strip().strip("\"'")


def _value(line: Line, below: Sequence[Line], *, complete: bool) -> str:
    """Return the path of the only value that the line takes, or that everything below it comes from."""
    own = line.text.partition(":")[2]
    below = [each for each in below if each.number != line.number]
    if own.strip():
        texts = [own] if complete else []
    else:
        texts = [each.text for each in below] if all(each.directive for each in below) else []
    paths = {match.group(1).removeprefix(".") for text in texts for match in VALUES.finditer(text)}
    return paths.pop() if len(paths) == 1 else ""


def values_line(text: str, path: str, *, exact: bool = False) -> int | None:
    """Return the line of a key of a YAML mapping by its dotted path, or of its nearest parent unless it is `exact`."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    line: int | None = None
    rest = path
    while rest and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if _begins(rest, str(key.value)):
                line, node, rest = key.start_mark.line + 1, value, rest[len(key.value) :].lstrip(".")
                break
        else:
            break
    return None if exact and rest else line
