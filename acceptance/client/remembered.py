"""How much of a conversation the model is sent again: the target may limit it, to nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from acceptance.core.target import Api

T = TypeVar("T")


def remembered(api: Api, messages: Sequence[T]) -> Sequence[T]:
    """Return those of a conversation's earlier messages, oldest first, that reach the model."""
    limit = api.history_limit
    return messages if limit is None else messages[max(0, len(messages) - limit) :]


def turns_remembered(api: Api, turns: int) -> int:
    """Return after how many of some turns the first message of the conversation still reaches the model."""
    return turns if api.history_limit is None else min(turns, api.history_limit // 2)


def turns_beyond(api: Api) -> int:
    """Return how many turns have more messages than reach the model; 0 where all do."""
    return 0 if api.history_limit is None else api.history_limit // 2 + 2
