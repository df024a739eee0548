"""A target file while it is proposed: its content, a comment on each line that needs one, and what was not found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.items import Item, Table

SECTIONS = ("chart", "values", "overrides", "config_map", "secret", "existing_secrets", "autoscaler", "components")
"""The order of the file's sections."""
INLINE = frozenset({"labels", "probes", "resources", "data"})
"""Mappings of a component or an existing Secret that are written as inline tables."""
AS_RENDERED = "as rendered"
HEADER = (
    "Proposed by `python -m acceptance init` from what the chart renders. A line with the comment",
    "`as rendered` was copied from the chart, so the suite can't find it wrong: check these lines.",
)


@dataclass
class Draft:
    """A proposed target.

    Attributes:
        document: The content, as TOML nests it.
        comments: A comment by the path of its line.
        notes: Sentences on what was not found and why, or lists of several lines, written at the end of the file.
    """

    document: dict[str, Any] = field(default_factory=dict)
    comments: dict[tuple[str, ...], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set(self, path: tuple[str, ...], value: Any, comment: str | None = None) -> None:
        """Set a field, and the comment on its line."""
        place = self.document
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
        if comment:
            self.comments[path] = comment

    def note(self, sentence: str) -> None:
        """Add a note once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def as_rendered(rendered: Any, specified: Any) -> str:
    """Return the comment on a value that is the chart's own choice, with the specification's if they differ."""
    return AS_RENDERED if rendered == specified else f"{AS_RENDERED}; the specification says {specified}"


def toml(document: Mapping[str, Any], comments: Mapping[tuple[str, ...], str] | None = None, notes: Any = ()) -> str:
    """Return the document as TOML with its comments, small mappings as inline tables, the notes at the end."""
    written = tomlkit.document()
    for line in HEADER:
        written.add(tomlkit.comment(line))
    order = [*(key for key in SECTIONS if key in document), *(key for key in document if key not in SECTIONS)]
    for key in order:
        if document[key]:
            written.add(tomlkit.nl())
            inline = frozenset({"values"}) if key == "chart" else INLINE
            if isinstance(document[key], list):
                entries = [_table(each, inline, {}, ()) for each in document[key]]
                written.add(key, tomlkit.aot())
                for each in entries:
                    written[key].append(each)
            else:
                written.add(key, _table(document[key], inline, comments or {}, (key,)))
    text = tomlkit.dumps(written)
    lines = [line for note in notes for line in note.split("\n")]
    return text + ("\n" + "".join(f"# {_printable(line)}\n" for line in lines) if lines else "")


def _printable(line: str) -> str:
    """Return a line without the characters that a comment of TOML can't have."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def _table(
    content: Mapping[str, Any],
    inline: frozenset[str],
    comments: Mapping[tuple[str, ...], str],
    path: tuple[str, ...],
) -> Table:
    """Return a TOML table; a table with tables only has no header of its own."""
    table = tomlkit.table(is_super_table=all(isinstance(value, Mapping) for value in content.values()))

    def add(key: str, value: Any) -> None:
        item = tomlkit.item(value)
        if (comment := comments.get((*path, key))) is not None:
            item.comment(comment)
        table.add(key, item)

    for key, value in content.items():
        if not isinstance(value, Mapping):
            add(key, value)
        elif key in inline:
            add(key, _inline(value))
    for key, value in content.items():
        if isinstance(value, Mapping) and key not in inline and value:
            table.add(key, _table(value, inline, comments, (*path, key)))
    return table


def _inline(value: Any) -> Item | Any:
    """Return a value for use in a table: mappings as inline tables, without nulls, which TOML does not have."""
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, entry in value.items():
            if entry is not None:
                table.add(str(key), _inline(entry))
        return table
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        for entry in value:
            array.append(_inline(entry))
        return array
    return value
