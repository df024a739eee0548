"""Identifiers in texts: the user's in what an application tells the model, and a task's in what a tool has listed."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from offered_tools import is_identifier, is_user

_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w-])", re.I)
_LABEL = re.compile(
    r"(?<![a-z])(?:user|owner|account)(?:['’]s)?[ _-]?(?:unique[ _-])?(?:id|uuid|identifier)(?![a-z])", re.I
)
_PERSON = re.compile(r"(?<![a-z])(?:user|account)(?![a-z])", re.I)
# What may be between a label and its value, such as `**: "` or ` (integer) is `.
_LINK = re.compile(
    r"(?:\s*\((?:int|integer|str|string|uuid|text)\))?[\s:=#'\"`*>(\[{]*"
    r"(?:\b(?:is|equals|set to|be)\b[\s:='\"`*<(\[{]*)?",
    re.I,
)
_VALUE = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[\w-]+(?:[|:][\w-]+)*")
_SENTENCE = re.compile(r"[.!?;]\s|\n\s*\n")
_REACH = 60
"""The number of characters after a label in which its value is looked for."""
_LONG = 16
"""The number of characters from which on a word without a digit is an identifier."""
_LABELLED = re.compile(
    r"(?:\b(?:id|uuid|guid|ref|reference|key|number|identifier|no)\b[\s:=#.'\"`*(\[]{0,5}|#)([\w-]*\d[\w-]*)", re.I
)
_WITH_DIGIT = re.compile(r"(?<![\w-])[\w-]*\d[\w-]*")
_DATE = re.compile(r"(?<![\w-])(?:\d{4}-\d\d-\d\d(?:T\S*)?|\d\d?:\d\d(?::\d\d)?)(?![\w-])")
_ORDINAL = re.compile(r"^\s*\d+[.)]\s+(?=\S)")


def stated_user(text: str, *, number: bool) -> str | None:
    """Return the identifier of the user that a text states; None if it states none.

    Of several, one directly after its label comes before one later in the sentence, a UUID before other texts, and the
    last before earlier ones: a text explains what it is for before it says what it is. After the word "user" alone,
    only what follows directly is one.

    Args:
        text: What the application tells the model.
        number: Whether it must be a number.
    """
    for label in (_LABEL, _PERSON):
        found = [
            (direct, _likeliness(value), place, value)
            for place, match in enumerate(label.finditer(text))
            for direct, value in _after(text[match.end() : match.end() + _REACH])
            if _likeliness(value) and (value.isdecimal() or not number) and (direct or label is _LABEL)
        ]
        if found:
            return max(found)[-1]
    named = re.findall(rf"(?:{_LABEL.pattern})['\"`*]*\s*[:=]\s*['\"`*]*([\w-]{{4,}})", text, re.I)
    return None if number or not named else str(named[-1])


def _after(rest: str) -> Iterator[tuple[bool, str]]:
    """Yield the words after a label in its sentence, each with whether only a link such as `is` precedes it."""
    linked = _LINK.match(rest)
    start = linked.end() if linked else 0
    ends = [match.start() for match in _SENTENCE.finditer(rest) if match.start() >= start]
    for match in _VALUE.finditer(rest, start, min(ends, default=len(rest))):
        yield match.start() == start, match[0]


def _likeliness(value: str) -> int:
    """Return how likely it is that a word is an identifier: 0 for a word of prose."""
    if _UUID.fullmatch(value):
        return 2
    return int(any(letter.isdigit() for letter in value) or "@" in value or len(value) >= _LONG)


def identifier_of(title: str, listed: str, *, number: bool) -> str | None:
    """Return the identifier of the task with this title in what a tool has listed, as JSON or as text; None if absent.

    Args:
        title: The task's.
        listed: What the tool has answered.
        number: Whether it must be a number.
    """
    value = _parsed(listed)
    found = [*_in_objects(title, value, ()), *_in_texts(title, _texts(value), number=number)]
    return next((each for each in found if each.isdecimal() or not number), None)


def _parsed(value: Any) -> Any:
    """Return a value with texts that are JSON, or lists and dicts as Python writes them, parsed."""
    if isinstance(value, dict):
        return {name: _parsed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_parsed(each) for each in value]
    if not isinstance(value, str) or value.strip()[:1] not in ("{", "[", '"'):
        return value
    for read in (_json_values, ast.literal_eval):
        try:
            return _parsed(read(value.strip()))
        except (ValueError, TypeError, SyntaxError, RecursionError):
            continue
    return value


def _json_values(text: str) -> Any:
    """Return the JSON value of a text, or the list of several in a row. Raises `ValueError` if it is no JSON."""
    decoder, values, place = json.JSONDecoder(), [], 0
    while place < len(text):
        value, end = decoder.raw_decode(text, place)
        values.append(value)
        place = end + len(text[end:]) - len(text[end:].lstrip())
    return values[0] if len(values) == 1 else values


def _in_objects(title: str, value: Any, around: tuple[dict[str, Any], ...]) -> Iterator[str]:
    """Yield the identifier of each object that has the title as a field, else of the next one around it."""
    if isinstance(value, list):
        for each in value:
            yield from _in_objects(title, each, ())
    elif isinstance(value, dict):
        enclosing = (value, *around)
        if any(isinstance(each, str) and each.strip() == title for each in value.values()):
            named = [
                (_rank(name), depth, name) for depth, each in enumerate(enclosing) for name in each if _of_task(name)
            ]
            found = (enclosing[depth][name] for _, depth, name in sorted(named))
            yield from (str(each) for each in found if isinstance(each, str | int) and each != "")
        for each in value.values():
            yield from _in_objects(title, each, enclosing)


def _of_task(name: object) -> bool:
    """Return whether a field may identify the task, and neither its user nor the task that it is a part of."""
    return isinstance(name, str) and is_identifier(name) and not is_user(name) and "parent" not in name.lower()


def _rank(name: str) -> tuple[bool, bool]:
    """Return a sort key of a field's name: names of other things' identifiers, such as `category_id`, come last."""
    own = re.fullmatch(r"_?[a-z]+", name) or re.match("task|todo|item", name, re.I)
    return not own, name not in ("id", "_id")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(each)


def _in_texts(title: str, texts: Iterable[str], *, number: bool) -> Iterator[str]:
    """Yield the identifier in the line with the title, else in later lines of its paragraph, else in those before.

    Of several lines, those where the title does not go on come first, then the shortest.
    """
    paragraphs = [each.splitlines() for text in texts for each in re.split(r"\n\s*\n", text)]
    named = [(lines, place) for lines in paragraphs for place, line in enumerate(lines) if title in line]
    goes_on = re.compile(re.escape(title) + r"\s+\w")
    for lines, place in sorted(named, key=lambda each: (bool(goes_on.search(each[0][each[1]])), len(each[0][each[1]]))):
        own = _in_line(lines[place].replace(title, " "), number=number)
        around = [*lines[place + 1 :], *lines[:place][::-1]]
        yield from (each for each in (own, *map(_labelled, around)) if each is not None)


def _labelled(line: str) -> str | None:
    """Return the identifier that a line labels as one."""
    match = _LABELLED.search(line)
    return match[1] if match else None


def _in_line(line: str, *, number: bool) -> str | None:
    """Return the identifier in a line without its title: a UUID, one with a label, or the first word with a digit."""
    if not number and (match := _UUID.search(line)):
        return match[0]
    if labelled := _labelled(line):
        return labelled
    for rest in (_ORDINAL.sub("", line), line):
        for word in _WITH_DIGIT.findall(_DATE.sub(" ", rest)):
            if word.isdecimal() or not number:
                return str(word)
    return None
