"""Registration of mutants of snapshots, and alterations that several entities share."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterable
from typing import Any

from acceptance.core.rules import Level, load
from mutants.draft import Alter, Body, Draft, Mutant, Where, levels_of, put

_mutants: list[Mutant] = []


def mutant(
    rule: str, clause: str, *levels: Level, refused: bool = False, component: str | None = None
) -> Callable[[Alter], Alter]:
    """Register an alteration for each level and component of a rule, or for `component` alone."""

    def register(alter: Alter) -> Alter:
        components: Iterable[str | None] = (component,) if component else load()[rule].components or (None,)
        rejected = refused and load()[rule].api
        _mutants.extend(
            Mutant(rule, clause, level, each, alter, rejected and level == "live")
            for level in levels or levels_of(rule)
            for each in components
        )
        return alter

    return register


def field(rule: str, clause: str, where: Where, path: str, value: Any, *levels: Level, refused: bool = False) -> None:
    """Register a mutant that sets one field (`REMOVE`: removes it) of the objects that `where` returns."""

    @mutant(rule, clause, *levels, refused=refused)
    def alter(draft: Draft) -> None:
        bodies = where(draft)
        assert bodies, f"{rule} {clause}: nothing to alter"
        for body in bodies:
            put(body, path, value)


def fields(rule: str, where: Where, path: str, values: dict[str, Any], *levels: Level, refused: bool = False) -> None:
    """Register a mutant for each clause and value of one field."""
    for clause, value in values.items():
        field(rule, clause, where, path, value, *levels, refused=refused)


def every() -> list[Mutant]:
    """Return all registered mutants."""
    return list(_mutants)


def encoded(text: str) -> str:
    """Return a text as a Secret's data has it, in base64."""
    return base64.b64encode(text.encode()).decode()


def with_object(item: Body) -> Alter:
    """Return an alteration that adds an object to the release."""
    return lambda draft: draft.add_objects(copy.deepcopy(item))


def variable(name: str, **source: Any) -> Any:
    """Return a value for `field`: `env` with a variable from another source, or without it."""
    return lambda old: [
        *(each for each in old if each["name"] != name),
        *([{"name": name, **source}] if source else []),
    ]


def mutable(value: Any) -> Body:
    """Return a part of a snapshot as a dictionary, to be altered in place."""
    assert isinstance(value, dict)
    return value


def volume(name: str, source: Body) -> Any:
    """Return a value for `field`: `volumes` with one more."""
    return lambda old: [*(old or []), {"name": name, **source}]


def first_init_container(draft: Draft) -> list[Body]:
    """Return the component's first init container."""
    return draft.init_containers()[:1]


def for_component(draft: Draft, component: str) -> Draft:
    """Return the same draft for another component."""
    other = copy.copy(draft)
    other.component_name = component
    return other


def of_backend(where: Where) -> Where:
    """Return a `where` of the backend, for a rule of the whole release."""
    return lambda draft: where(for_component(draft, "backend"))
