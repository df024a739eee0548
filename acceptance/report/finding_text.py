"""Findings as text for the terminal: what is wrong, where, what controls it, and how to check again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acceptance.checks.grouping import GroupedFinding
from acceptance.core import rules

MAX_HEADLINE = 160
"""The characters of a finding's headline."""


def repeat_command(python: str, tests: Sequence[str], options: Sequence[str]) -> str:
    """Return the shell command that repeats tests; `python` starts the interpreter in the suite's folder."""
    return f"{python} {shlex.join(['-m', 'pytest', *tests, *options])}"


def format_findings(findings: Iterable[GroupedFinding], command: str) -> str:
    """Format the findings of one test; one that refers to other rules takes a single line."""
    texts: list[str] = []
    sentences: dict[str, str] = {}
    for each in findings:
        head = f"{each.rule} {each.object}{f' ({each.file})' if each.file else ''}"
        if each.refers:
            texts.append(f"{head}: {each.sentences}")
            continue
        texts += [head, *(f"  {field}{_place(str(field.place), each.file)}" for field in each.fields)]
        if each.values:
            texts.append(f"  Value: {', '.join(each.values)}")
        if rule := rules.load().get(each.rule):
            sentences[each.rule] = " ".join(rule.text.split())
    for name, sentence in sentences.items():
        texts.append(f"  Rule{f' {name}' if len(sentences) > 1 else ''}: {sentence}")
    return "\n".join([*texts, f"  Repeat: {command}"])


def _place(place: str, file: str) -> str:
    return f" [{place}]" if place not in ("", file) else ""


def finding_line(finding: Mapping[str, Any]) -> str:
    """Format a finding of signoff.json in one line; the fields that another rule shows are named together."""
    place = f" ({finding['file']})" if finding["file"] else ""
    referring: dict[str, list[str]] = {}
    for each in finding["fields"]:
        if each["see"]:
            referring.setdefault(each["see"], []).append(each["field"])
    texts = [field_line(each) for each in finding["fields"] if not each["see"]]
    texts += [field_line({"see": rule, "field": ", ".join(fields)}) for rule, fields in referring.items()]
    return f"{finding['rule']}: {finding['object']}{place}: {'; '.join(texts)}"


def field_line(field: Mapping[str, str]) -> str:
    """Format a field of a finding of signoff.json; an assertion has none, and its message says what was expected."""
    if field["see"]:
        return f"{field['field']}: see {field['see']}".removeprefix(": ")
    if not field["field"]:
        return field["actual"]
    occurs = f" ({field['occurs']})" if field["occurs"] else ""
    return f"{field['field']}: expected {field['expected']}, actual {field['actual']}{occurs}"


def headline(finding: Mapping[str, Any]) -> str:
    """Format a finding's object and first field in a short line; the rule is named elsewhere."""
    return shortened(f"{finding['object']}: {field_line(finding['fields'][0])}", MAX_HEADLINE)


def shortened(text: str, most: int) -> str:
    """Return a text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
