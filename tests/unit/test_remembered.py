"""What of a conversation must reach the model, by the target's limit: all, some, or nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from acceptance.client.remembered import remembered, turns_beyond, turns_remembered
from acceptance.core.target import Api

MESSAGES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("limit", "kept", "turns", "beyond"),
    [(None, MESSAGES, 2, 0), (0, [], 0, 2), (1, ["d"], 0, 2), (3, ["b", "c", "d"], 1, 3), (9, MESSAGES, 2, 6)],
)
def test_history_is_as_long_as_stated(limit: int | None, kept: list[str], turns: int, beyond: int) -> None:
    api = Api(history_limit=limit)
    assert remembered(api, MESSAGES) == kept
    assert turns_remembered(api, 2) == turns
    assert turns_beyond(api) == beyond


@pytest.mark.parametrize("wrong", [{"history_limit": -1}, {"title_limit": 0}, {"tag_limit": 0}, {"message_limit": 0}])
def test_impossible_limits_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="greater than or equal"):
        Api.model_validate(wrong)
    assert Api.model_validate(dict.fromkeys(wrong, False)) == Api()
