"""Mutants of objects: one field of one object changed in every rendering, as by its template, or in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from acceptance.checks.snapshot import Rendering, Snapshot
from acceptance.core.fields import Object, object_ref
from mutants.generated.changes import DUPLICATED, REMOVED, Change, Field, changes, fields, found_again, path_of

WHOLE = (Change(REMOVED), Change(DUPLICATED))
"""The changes of a whole object, whose field is empty."""
CLUSTER = ("pods", "replica_sets", "endpoint_slices", "nodes", "namespaces")
"""The parts of the cluster's state that are objects."""


@dataclass(frozen=True)
class Mutant:
    """One change of one field of an object, in every rendering that has the field: whatever the values.

    `model` is the object in which the field was found. Elements of lists are found by their names in other renderings.
    """

    level: str
    object: str
    field: Field
    path: str
    model: Object
    change: Change

    @property
    def id(self) -> str:
        """Name in the output, which the patterns of equivalent mutants match."""
        return " ".join(filter(None, (self.level, self.object, self.path))) + f": {self.change.name}"

    def apply(self, base: Snapshot) -> Snapshot:
        """Return the altered copy of a snapshot."""
        altered = replace(base, objects=self.alter(base.objects))
        if base.chart is not None:
            renderings = {
                name: replace(rendering, objects=self.alter(rendering.objects))
                for name, rendering in renderings_of(base).items()
            }
            altered = replace(altered, chart=replace(base.chart, **renderings))  # type: ignore[arg-type]
        if base.cluster is not None:
            parts = {name: self.alter(getattr(base.cluster, name)) for name in CLUSTER}
            altered = replace(altered, cluster=replace(base.cluster, **parts))  # type: ignore[arg-type]
        return altered

    def alter(self, objects: tuple[Object, ...]) -> tuple[Object, ...]:
        """Return the objects of a rendering with the change."""
        altered: list[Object] = []
        for item in objects:
            if object_ref(item) != self.object:
                altered.append(item)
            elif not self.field:
                altered += [item, item] if self.change.name == DUPLICATED else []
            else:
                field = found_again(self.model, self.field, item)
                altered.append(item if field is None else self.change.apply(item, field))
        return tuple(altered)


def renderings_of(base: Snapshot) -> Mapping[str, Rendering]:
    """Return the renderings of the snapshot's chart by the name of their field."""
    return {name: value for name, value in vars(base.chart).items() if isinstance(value, Rendering)}


def objects_of(base: Snapshot) -> Iterator[Object]:
    """Yield the objects of a snapshot, of its further renderings and of its cluster."""
    yield from base.objects
    if base.chart is not None:
        for rendering in renderings_of(base).values():
            yield from rendering.objects
    if base.cluster is not None:
        for name in CLUSTER:
            yield from getattr(base.cluster, name)


def every(base: Snapshot) -> Iterator[Mutant]:
    """Yield the mutants of every object of a snapshot; each field of an object once."""
    seen: set[tuple[str, Field]] = set()
    for item in objects_of(base):
        owner = object_ref(item)
        for field in ((), *fields(item)):
            if (owner, field) in seen:
                continue
            seen.add((owner, field))
            for change in changes(item, field) if field else WHOLE:
                yield Mutant(base.source, owner, field, path_of(item, field), item, change)
