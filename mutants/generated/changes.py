"""The changes that each field of an object is tried with, by its type, and the walk over all fields."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from acceptance.kube.secrets import decode

Step = str | int
"""A key of a mapping, or an index of a list."""
Field = tuple[Step, ...]
REMOVED, DUPLICATED = "removed", "duplicated"
FREE_MAPPINGS = frozenset({"labels", "annotations", "matchLabels", "selector", "data", "nodeSelector"})
"""Fields that accept any key: a duplicate is the same value under another key."""
OTHER_WORDS = {
    "Always": "Never",
    "ClusterIP": "NodePort",
    "Equal": "Exists",
    "IfNotPresent": "Always",
    "RollingUpdate": "Recreate",
    "RuntimeDefault": "Unconfined",
    "TCP": "UDP",
    "Utilization": "AverageValue",
    "HTTP": "HTTPS",
    "Never": "Always",
    "true": "false",
    "false": "true",
    "development": "production",
}
"""Values that Kubernetes or the specification accepts instead of others."""
_WORD = re.compile(r"[A-Za-z]+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Change:
    """One change of one field: its name, and the new value unless it removes or duplicates the field."""

    name: str
    value: Any = None

    def apply(self, item: Any, field: Field) -> Any:
        """Return the object with the change; the parts that it does not touch are shared with the original."""
        step, rest = field[0], field[1:]
        altered: Any = copy.copy(item)
        if rest:
            altered[step] = self.apply(item[step], rest)
        elif self.name == REMOVED:
            del altered[step]
        elif self.name == DUPLICATED and isinstance(step, int):
            altered.append(copy.deepcopy(item[step]))
        elif self.name == DUPLICATED:
            altered[f"{step}-copy"] = item[step]
        else:
            altered[step] = self.value
        return altered


def fields(value: Any, prefix: Field = ()) -> Iterator[Field]:
    """Yield every field below a value: leaves, list elements and mappings."""
    inner: Iterable[tuple[Step, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for step, each in inner:
        yield (*prefix, step)
        if isinstance(each, dict | list):
            yield from fields(each, (*prefix, step))


def get(value: Any, field: Field) -> Any:
    """Return the value of a field, or raise `LookupError`."""
    for step in field:
        if not isinstance(value, dict | list):
            raise LookupError(step)
        value = value[step]  # type: ignore[index]
    return value


def changes(item: Any, field: Field) -> list[Change]:
    """Return the changes of one field, each with another result."""
    value, step = get(item, field), field[-1]
    found = [Change(REMOVED)]
    if isinstance(step, int) or (len(field) > 1 and field[-2] in FREE_MAPPINGS):
        found.append(Change(DUPLICATED))
    if isinstance(value, str) and "data" in field[:1] and item.get("kind") == "Secret":
        text = decode(value)
        found += [Change(each.name, _encode(each.value)) for each in _changes_of(text)]
    else:
        found += _changes_of(value)
    seen = [value]
    unique = []
    for each in found:
        if each.name in (REMOVED, DUPLICATED):
            unique.append(each)
        elif not any(type(each.value) is type(old) and each.value == old for old in seen):
            seen.append(each.value)
            unique.append(each)
    return unique


def _changes_of(value: Any) -> Iterator[Change]:
    match value:
        case bool():
            yield Change("negated", not value)
        case int() | float():
            yield Change("one more", value + 1)
            yield Change("one less", value - 1)
            yield Change("zero", 0)
            yield Change("doubled", value * 2)
            yield Change("negated", -value)
        case str():
            yield Change("another word", another_word(value))
            yield Change("empty", "")
            yield Change("doubled", value * 2)
            if numbers := list(_NUMBER.finditer(value)):
                start, end = numbers[-1].span()
                yield Change("one more", f"{value[:start]}{int(value[start:end]) + 1}{value[end:]}")
        case dict() | list() if value:
            yield Change("empty", type(value)())


def another_word(text: str) -> str:
    """Return the text with its longest word, or the whole, replaced."""
    if text in OTHER_WORDS:
        return OTHER_WORDS[text]
    words = sorted(_WORD.finditer(text), key=lambda each: len(each.group()))
    if not words:
        return "other"
    start, end = words[-1].span()
    return f"{text[:start]}other{text[end:]}"


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def found_again(model: Any, field: Field, item: Any) -> Field | None:
    """Return a model's field in another object of the same kind, elements of lists by name; None if it has none."""
    if model is item:
        return field
    found: Field = ()
    for step in field:
        model = model[step]
        try:
            place = _place(step, model, item)
            item = item[place]
        except (LookupError, TypeError):
            return None
        found = (*found, place)
    return found


def _place(step: Step, element: Any, container: Any) -> Step:
    """Return the place in a container of the element that is at a step of another one."""
    if isinstance(step, int) and (name := _name_of(element)):
        names = [_name_of(each) for each in container]
        if name not in names:
            raise LookupError(name)
        return names.index(name)
    return step


def _name_of(element: Any) -> Any:
    """Return what identifies an element of a list, or None."""
    return element.get("name") or element.get("type") if isinstance(element, dict) else None


def path_of(item: Any, field: Field) -> str:
    """Return a field's path; an element of a list is shown by its name, key or value, or else its index."""
    shown = ""
    for step in field:
        item = item[step]
        if isinstance(step, int):
            shown += f"[{_name_of(item) or step}]"
        else:
            shown += f".{step}" if shown else step
    return shown
