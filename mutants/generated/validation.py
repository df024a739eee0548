"""Mutants of `_validation.tpl`: each problem left out, and each limit and pattern of a condition loosened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

APPEND = re.compile(r"\{\{-? ?\$problems = append \$problems .*?\}\}", re.S)
"""A statement that reports a problem."""
INCLUDE = re.compile(r'\(include "(todo-chatbot\.validate\.\w+" [^|]*)\| fromJsonArray\)')
"""The problems of one part."""
LOOSER = (
    ("a pattern without its start", re.compile(r"regexMatch `(\^)"), ""),
    ("a pattern without its end", re.compile(r"regexMatch `[^`]*(\$)`"), ""),
    ("a pattern without its end", re.compile(r"printf `\^[^`]*(\$)`"), ""),
    ("one more", re.compile(r"\bgt [^{}]*? (\d+)(?=\)| -\}\})"), "+1"),
    ("one less", re.compile(r"\(lt [^{}()]*? (\d+)\)"), "-1"),
    ("one less", re.compile(r"\{(\d+),\}\$"), "-1"),
    ("more than", re.compile(r"if (ge) \(add"), "gt"),
    ("less than", re.compile(r"if (le) "), "lt"),
)
"""What is done to the first group of each match."""


RESERVED = re.compile(r"\$own := list(?P<own>[^}]*)-\}\}|has \$key \(list (?P<labels>[^)]*)\)")
"""Names that users must not set."""
TEXT = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Mutant:
    """The template with one problem less, or with a looser condition at a line."""

    line: int
    change: str
    text: str

    @property
    def id(self) -> str:
        """Name in the output."""
        return f"validation line {self.line} {self.change}"


def every(text: str) -> Iterator[Mutant]:
    """Yield the mutants of the template's text."""

    def mutant(span: tuple[int, int], replacement: str, change: str) -> Mutant:
        start, end = span
        return Mutant(text.count("\n", 0, start) + 1, change, text[:start] + replacement + text[end:])

    for match in APPEND.finditer(text):
        yield mutant(match.span(), "", f"{_message(match.group())}: dropped")
    for match in INCLUDE.finditer(text):
        yield mutant(match.span(), "(list)", f"{match.group(1)}: dropped")
    for match in RESERVED.finditer(text):
        group = match.lastgroup or ""
        for name in TEXT.finditer(match.group(group)):
            offset = match.start(group)
            yield mutant((offset + name.start(), offset + name.end()), "", f"{name.group()}: dropped")
    for change, pattern, new in LOOSER:
        for index, match in enumerate(pattern.finditer(text)):
            old = match.group(1)
            replacement = str(int(old) + int(new)) if old.isdecimal() else new
            yield mutant(match.span(1), replacement, f"condition {index}: {change}")


def _message(statement: str) -> str:
    words = TEXT.search(statement)
    return words.group()[1:41] if words else statement


def numbered(text: str) -> str:
    """Return the template with each message preceded by the number of its statement's line: `#31#`."""

    def with_line(match: re.Match[str]) -> str:
        line = text.count("\n", 0, match.start()) + 1
        return match.group().replace('"', f'"#{line}#', 1)

    return APPEND.sub(with_line, text)


def concerned(mutant: Mutant, text: str) -> set[int]:
    """Return the lines of the statements that a mutant of the template can silence."""
    lines = [text.count("\n", 0, match.start()) + 1 for match in APPEND.finditer(text)]
    parts = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(r"\{\{-? define ", text)]
    included = next((each for each in INCLUDE.finditer(text) if f"{each.group(1)}: dropped" == mutant.change), None)
    if included is None:
        return {next(line for line in lines if line >= mutant.line)}
    name = included.group(1).partition('"')[0]
    start = text.count("\n", 0, text.index(f'define "{name}"')) + 1
    end = min((part for part in parts if part > start), default=len(text))
    return {line for line in lines if start <= line < end}
