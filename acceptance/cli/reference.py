"""The reference of the target file: every field, its type, its default and what it means, from the model itself."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from types import NoneType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from acceptance.core.target import Target

INTRODUCTION = """\
# The target file

Every field of a target file, which is TOML. Paths of files are relative to it. A field without a default is required;
`false` stands for none. This text is printed by `python -m acceptance fields`.
"""
NOT_WRITTEN = ("root",)
"""Fields that are not written in the file."""
OPTIONAL = "The section as a whole is optional; *required* holds where it is written."
"""What a section says that has required fields, but is not required itself."""


def reference() -> str:
    """Return the reference as Markdown: one table for each section of the file."""
    return "\n".join([INTRODUCTION, *_sections(Target, "", optional=False)])


def _sections(model: type[BaseModel], path: str, *, optional: bool) -> Iterator[str]:
    """Yield the section of a model, and the sections in it.

    `optional` says that it may be left out though it has required fields.
    """
    own, nested = [], []
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is None:
            own.append((name, field))
        elif name not in NOT_WRITTEN:
            nested.append((_section_name(path, name, field.annotation), inner, field))
    yield _section(model, path, [(name, field) for name, field in own if name not in NOT_WRITTEN], optional=optional)
    for section, inner, field in nested:
        requires = any(each.is_required() for each in inner.model_fields.values())
        yield from _sections(inner, section, optional=requires and not field.is_required())


def _section(model: type[BaseModel], path: str, fields: list[tuple[str, FieldInfo]], *, optional: bool) -> str:
    title = f"## `[{path}]`" if path else "## At the top"
    rows = [
        f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_one_line(field.description)} |"
        for name, field in fields
    ]
    table = ["| field | type | default | |", "|---|---|---|---|", *rows]
    text = _one_line(model.__doc__) + (f" {OPTIONAL}" if optional else "")
    return "\n".join([title, "", text, "", *table, ""])


def _section_name(path: str, name: str, annotation: Any) -> str:
    whole = f"{path}.{name}" if path else name
    if typing.get_origin(annotation) is dict:
        return f"{whole}.backend"
    return f"[{whole}]" if typing.get_origin(annotation) is tuple else whole


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, alone, as an option, in a list, or by name; None if it holds none."""
    candidates = [annotation, *typing.get_args(annotation)]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is dict:
        return "table"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if arguments:
        return " or ".join(_type(each) for each in arguments if each is not NoneType)
    words = {"str": "text", "int": "number", "bool": "`true` or `false`", "Path": "path", "date": "date"}
    return words.get(getattr(annotation, "__name__", ""), "any")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, dict):
        return f"`{_inline_table(value)}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _inline_table(values: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name} = "{value}"' for name, value in values.items()) + "}"


def _one_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip().replace("|", "\\|")
