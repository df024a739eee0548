"""How mutants of snapshots are registered, and what several entities' have in common."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterable
from typing import Any

from acceptance.core.rules import Level, load
from mutants.draft import Alter, Body, Draft, Mutant, Where, levels_of, put

_mutants: list[Mutant] = []


def mutant(
    rule: str, clause: str, *levels: Level, refused: bool = False, part: str | None = None
) -> Callable[[Alter], Alter]:
    """Register an alteration for each level and part of a rule; for `part` alone where it names one."""

    def register(alter: Alter) -> Alter:
        parts: Iterable[str | None] = (part,) if part else load()[rule].components or (None,)
        provable = refused and load()[rule].api
        _mutants.extend(
            Mutant(rule, clause, level, component, alter, provable and level == "live")
            for level in levels or levels_of(rule)
            for component in parts
        )
        return alter

    return register


def field(rule: str, clause: str, where: Where, path: str, value: Any, *levels: Level, refused: bool = False) -> None:
    """Register: one field, wherever `where` finds it, set to a value."""

    @mutant(rule, clause, *levels, refused=refused)
    def alter(draft: Draft) -> None:
        bodies = where(draft)
        assert bodies, f"{rule} {clause}: nothing to alter"
        for body in bodies:
            put(body, path, value)


def fields(rule: str, where: Where, path: str, values: dict[str, Any], *levels: Level, refused: bool = False) -> None:
    for clause, value in values.items():
        field(rule, clause, where, path, value, *levels, refused=refused)


def every() -> list[Mutant]:
    """All that were registered."""
    return list(_mutants)


def encoded(text: str) -> str:
    """A Secret's value as its data holds it."""
    return base64.b64encode(text.encode()).decode()


def with_object(item: Body) -> Alter:
    """One more object in the release."""
    return lambda draft: draft.add_objects(copy.deepcopy(item))


def variable(name: str, **source: Any) -> Any:
    """For `field`: an environment variable from another source, or none."""
    return lambda old: [
        *(each for each in old if each["name"] != name),
        *([{"name": name, **source}] if source else []),
    ]


def mutable(value: Any) -> Body:
    """A part of a snapshot, to be altered in place."""
    assert isinstance(value, dict)
    return value


def volume(name: str, source: Body) -> Any:
    """For `field`: one more volume."""
    return lambda old: [*(old or []), {"name": name, **source}]


def first_init_container(draft: Draft) -> list[Body]:
    return draft.init_containers()[:1]


def for_component(draft: Draft, part: str) -> Draft:
    """The same draft, seen for another component."""
    view = Draft.__new__(Draft)
    view.snapshot, view.target, view.part = draft.snapshot, draft.target, part
    return view


def of_backend(where: Where) -> Where:
    """The backend's bodies, for a rule of the release as a whole."""
    return lambda draft: where(for_component(draft, "backend"))
