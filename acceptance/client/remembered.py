"""How much of a conversation is sent to the model again: the target may limit it, even to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from acceptance.core.target import Api

T = TypeVar("T")
Message = tuple[str, str]
"""Who wrote it, `user` or `assistant`, and its text."""


def remembered(api: Api, messages: Sequence[T]) -> Sequence[T]:
    """Return the earlier messages of a conversation that reach the model, oldest first."""
    limit = api.history_limit
    return messages if limit is None else messages[max(0, len(messages) - limit) :]


def turns_remembered(api: Api, turns: int) -> int:
    """Return after how many of some turns the first message of the conversation still reaches the model."""
    return turns if api.history_limit is None else min(turns, api.history_limit // 2)


def turns_beyond(api: Api) -> int:
    """Return how many turns have more messages than reach the model; 0 where all do."""
    return 0 if api.history_limit is None else api.history_limit // 2 + 2


def turns_among(messages: Iterable[Message], stored: Sequence[Message]) -> list[Message]:
    """Return those of a request's messages that are a conversation's, or repeat what its user wrote.

    What an application adds of its own, such as an opening exchange that says who the user is, is left out.

    Args:
        messages: The request's.
        stored: The conversation's; no two texts of the user are the same, or parts of one another.
    """
    own = set(stored)
    written = [text for role, text in stored if role == "user"]
    return [each for each in messages if each in own or any(text in each[1] for text in written)]
