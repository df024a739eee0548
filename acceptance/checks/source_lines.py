"""Lines of a chart's files: where a template writes a field, and where a values file has a key.

A template is not YAML, so its lines are followed by their indentation: a line is returned only where the path leads to
exactly one, and the deepest line that is known otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import yaml

from acceptance.kube.manifests import loader_of

KEY = re.compile(r"""^(?:"([^"]+)"|'([^']+)'|([^\s"'{}#:-][^\s:{}]*)):(?:\s|$)""")
VALUES = re.compile(r"\.Values((?:\.\w+)+)")
COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.S)
NINDENT = re.compile(r"\bn?indent (\d+)")
CONTROL = re.compile(r"\{\{-?\s*(if|else|end|with|range|\$)\b")
INCLUDE = re.compile(r'\b(?:include|template)\s+"([^"]+)"')
DEFINE = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')
BLOCK = re.compile(r"\{\{-?\s*(if|with|range|define|block|end)\b")
MAX_INCLUDES = 5
"""How many templates that include each other are followed: a template may include itself."""
MIN_DEPTH = 2
"""Keys of the path that must be found: the line of `spec:` alone says nothing."""


@dataclass(frozen=True)
class Line:
    """A line with content: its file, its number from 1, its indentation, and its text without list dashes."""

    file: str
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


Lines = Sequence[Line]


@dataclass(frozen=True)
class SourceLine:
    """The line of a template file that a field's path leads to; `value` is the chart's value that it takes, if any."""

    file: str
    number: int
    value: str = ""


class Templates:
    """The template files of a chart, and the named templates that they define."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path: COMMENT.sub(_blank, text) for path, text in files.items()}
        self._named: dict[str, list[list[Line]]] = {}
        for path, text in self._files.items():
            for name, body in _definitions(path, text):
                self._named.setdefault(name, []).append(body)

    def line_of(self, path: str, kind: str, field: str) -> SourceLine | None:
        """Return the line that writes a field of a file's only object of `kind`, or the nearest parent's line."""
        block = _document(path, self._files.get(path, ""), kind)
        found: Line | None = None
        rest, depth = field, 0
        while rest:
            matching = [(line, lines) for line, lines in self._children(block) if _begins(rest, line.key)]
            if len(matching) != 1:
                break
            found, depth = matching[0][0], depth + 1
            block, rest = self._below(matching[0][1], found), rest[len(found.key) :]
            if rest.startswith("["):
                selector, _, rest = rest[1:].partition("]")
                item = _item(block, selector)
                if item is None:
                    break
                found, block = item[0], item
            rest = rest.lstrip(".")
        if found is None or (rest and depth < MIN_DEPTH):
            return None
        return SourceLine(found.file, found.number, _value(found, block, complete=not rest))

    def _children(self, block: Lines, levels: int = MAX_INCLUDES) -> list[tuple[Line, Lines]]:
        """Return the lines that set the block's own keys, those of included templates too, each with its block."""
        content = [line for line in block if not line.directive]
        least = min((line.indent for line in content), default=None)
        found = [(line, block) for line in content if line.indent == least]
        for line in block:
            if line.directive and least in (None, line.output_indent) and levels:
                for body in self._included(line.text):
                    found += self._children(body, levels - 1)
        return found

    def _included(self, text: str) -> list[list[Line]]:
        """Return the body of the named template that an action prints; nothing if several files define it."""
        match = None if CONTROL.match(text) else INCLUDE.search(text)
        bodies = self._named.get(match[1], []) if match else []
        return bodies if len(bodies) == 1 else []

    def _below(self, block: Lines, parent: Line) -> Lines:
        """Return the lines that belong to a key, of an included template if that is all there is."""
        below = _below(block, parent)
        for _ in range(MAX_INCLUDES):
            if any(not line.directive for line in below):
                break
            texts = [line.text for line in below if not CONTROL.match(line.text)] or [parent.text]
            bodies = self._included(texts[0]) if len(texts) == 1 else []
            if not bodies:
                break
            below = bodies[0]
        return below


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


def _definitions(path: str, text: str) -> Iterator[tuple[str, list[Line]]]:
    """Yield the name and the lines of each named template."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if named := DEFINE.search(line):
            depth = 0
            for end in range(start, len(lines)):
                for word in BLOCK.findall(lines[end]):
                    depth += -1 if word == "end" else 1
                if depth == 0:
                    break
            yield named[1], _content(path, lines[start + 1 : end], start + 2)


def _content(path: str, texts: Sequence[str], first: int) -> list[Line]:
    return [
        _line(path, number, text)
        for number, text in enumerate(texts, first)
        if text.strip() and not text.lstrip().startswith("#")
    ]


def _begins(path: str, key: str) -> bool:
    return bool(key) and (path == key or path.startswith((f"{key}.", f"{key}[")))


def _document(path: str, text: str, kind: str) -> Lines:
    """Return the lines of the only document of this kind, or none."""
    lines = text.splitlines()
    starts = [0, *(number for number, line in enumerate(lines, 1) if line.startswith("---")), len(lines) + 1]
    documents = [_content(path, lines[start : end - 1], start + 1) for start, end in pairwise(starts)]
    of_kind = [found for found in documents if any(line.key == "kind" and _is(line, kind) for line in found)]
    return of_kind[0] if len(of_kind) == 1 else []


def _is(line: Line, kind: str) -> bool:
    return line.indent == 0 and line.text.partition(":")[2].strip().strip("\"'") == kind


def _line(path: str, number: int, text: str) -> Line:
    stripped = text.lstrip()
    indent, item = len(text) - len(stripped), False
    while stripped.startswith("- "):
        content = stripped[2:].lstrip()
        indent, stripped, item = indent + len(stripped) - len(content), content, True
    return Line(path, number, indent, stripped.rstrip(), item)


def _below(block: Lines, parent: Line) -> Lines:
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


def _item(block: Lines, selector: str) -> list[Line] | None:
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


def _value(line: Line, below: Lines, *, complete: bool) -> str:
    """Return the path of the only value that the line takes, or that everything below it comes from."""
    own = line.text.partition(":")[2]
    below = [each for each in below if each != line]
    if own.strip():
        texts = [own] if complete else []
    else:
        texts = [each.text for each in below] if all(each.directive for each in below) else []
    paths = {match.group(1).removeprefix(".") for text in texts for match in VALUES.finditer(text)}
    return paths.pop() if len(paths) == 1 else ""


def values_line(text: str, path: str, *, exact: bool = False) -> int | None:
    """Return the line of a key of a YAML mapping by its dotted path, or of its nearest parent unless it is `exact`."""
    try:
        node = yaml.compose(text, loader_of(text))
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
