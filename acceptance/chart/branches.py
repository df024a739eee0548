"""Branches of a template's text, and the text with one of them taken whatever its conditions say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VALUE = re.compile(r"\$?\.Values((?:\.\w+)+)")
"""A value by its path."""
STRING = r'"(?:\\.|[^"\\])*"|`[^`]*`'
ACTION = re.compile(
    rf"\{{\{{-?\s*(?P<inside>(?P<word>\w*)(?:{STRING}|/\*.*?\*/|(?!-?\}}\}}).)*?)\s*-?\}}\}}", re.DOTALL
)
"""What is between double braces."""
LITERAL = re.compile(STRING)
CONDITION = re.compile(
    r"(?P<start>(?:else\s+)?(?P<kind>if|with|range)\b)\s*(?P<variable>\$.*?:=\s*)?(?P<test>.*)", re.DOTALL
)
TAKEN = {
    "if": "true",
    "with": 'default (dict "acceptance" "1") ({test})',
    "range": 'default (list (dict "acceptance" "1")) ({test})',
}
LEFT_OUT = {"if": "false", "with": "false", "range": "list"}


@dataclass(frozen=True)
class Branch:
    """What a template renders under conditions.

    Attributes:
        content: Its text, without the branches within.
        conditions: What decides whether it is rendered: the tests of all branches around it, and of those before it.
        taken: The template's text in which it is rendered; if conditions come before its own, also the text in which
            it is rendered unless one of these is met.
    """

    content: str
    conditions: tuple[str, ...]
    taken: tuple[str, ...]


@dataclass
class _Open:
    """A block that has not ended: the conditions passed over, that of its present branch, and what it has contained."""

    passed: list[re.Match[str]] = field(default_factory=list)
    condition: re.Match[str] | None = None
    content: str = ""


def branches(text: str) -> Iterator[Branch]:
    """Yield every branch of a template that depends on a condition."""
    blocks = [_Open()]
    end = 0
    for action in ACTION.finditer(text):
        blocks[-1].content += text[end : action.start()]
        end = action.end()
        word, block = action["word"], blocks[-1]
        if word in ("else", "end") and len(blocks) > 1:
            yield from _branch(text, blocks)
            if word == "end":
                blocks.pop()
                continue
            block.passed += [block.condition] if block.condition else []
            block.content = ""
            block.condition = CONDITION.match(text, action.start("inside"), action.end("inside"))
        else:
            block.content += action[0]
            if word in ("if", "with", "range"):
                blocks.append(_Open(condition=CONDITION.match(text, action.start("inside"), action.end("inside"))))
            elif word in ("define", "block"):
                blocks.append(_Open())


def _branch(text: str, blocks: list[_Open]) -> Iterator[Branch]:
    """Yield the branch that ends, if it has conditions."""
    passed = {each: LEFT_OUT for block in blocks for each in block.passed}
    own = {block.condition: TAKEN for block in blocks if block.condition is not None}
    decided = passed | own
    if decided:
        taken = (_replaced(text, decided), *([_replaced(text, own)] if passed and own else []))
        yield Branch(blocks[-1].content, tuple(each["test"] for each in decided), taken)


def _replaced(text: str, decided: Mapping[re.Match[str], Mapping[str, str]]) -> str:
    """Return the text with other tests in place of some, by the kind of their actions."""
    for condition in sorted(decided, key=lambda each: -each.start()):
        test = decided[condition][condition["kind"]].format(test=condition["test"])
        new = f"{condition['start']} {condition['variable'] or ''}{test}"
        text = f"{text[: condition.start()]}{new}{text[condition.end() :]}"
    return text


def depends_on(condition: str) -> set[str] | None:
    """Return the paths of the values that alone decide a condition; None if something else has a part in it."""
    code = LITERAL.sub("", condition)
    if re.search(r"[.$]", VALUE.sub("", code)):
        return None
    return {match[1].lstrip(".") for match in VALUE.finditer(code)}
