"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

CUTOFF = 0.75
"""The similarity, from 0 to 1, above which a name is suggested."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name that is most similar to `name`; nothing if none is."""
    similar = difflib.get_close_matches(name, list(known), n=1, cutoff=CUTOFF)
    return f", did you mean {similar[0]}?" if similar else ""


def fields_at(root: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    """Return the names of the fields of the part of a model at a place."""
    model: Any = root
    for key in place:
        if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
            model = _part(model.model_fields[str(key)].annotation)
    return [name for name in model.model_fields if name != "root"]


def _part(annotation: Any) -> Any:
    """Return the model in an annotation: itself, or that of a list, a mapping or an optional part."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for each in get_args(annotation) if (part := _part(each)) is not None), None)
