"""What of a conversation must reach the model, by the target's limit: all, some, or nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from acceptance.client.remembered import Message, remembered, turns_among, turns_beyond, turns_remembered
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


STORED = [("user", "message 1 ab"), ("assistant", "Done."), ("user", "message 2 cd"), ("assistant", "Done.")]
LAST = ("user", "the last one ef")
OPENING = [("user", "My user_id is: 12."), ("assistant", "Understood.")]


def received(messages: list[Message]) -> list[Message]:
    return turns_among(messages, [*STORED, LAST])


@pytest.mark.parametrize("added", [0, 2, 4, 5])
def test_messages_of_the_application_are_left_out(added: int) -> None:
    whole = [*STORED, LAST]
    assert received([*whole[:added], *OPENING, *whole[added:]]) == whole


@pytest.mark.parametrize(
    "messages",
    {
        "a turn dropped": [*OPENING, *STORED[2:], LAST],
        "an answer dropped": [*OPENING, STORED[0], *STORED[2:], LAST],
        "turns in another order": [*STORED[2:], *STORED[:2], LAST],
        "a turn twice": [*STORED[:2], *STORED, LAST],
        "the last message twice": [*STORED, LAST, LAST],
        "a message cut off": [("user", "message 1"), *STORED[1:], LAST],
        "a message within another one": [*STORED, ("user", "Earlier: message 2 cd"), LAST],
        "answers as the user's": [("user", text) for _, text in [*STORED, LAST]],
        "the last message missing": [*OPENING, *STORED],
    }.items(),
    ids=lambda case: case[0],
)
def test_a_history_with_a_fault_is_another_one(messages: tuple[str, list[Message]]) -> None:
    assert received(messages[1]) != [*STORED, LAST]


@pytest.mark.parametrize("statuses", [200, 204, [], [403, 200], 500])
def test_another_users_resource_is_refused(statuses: object) -> None:
    with pytest.raises(ValidationError, match="other_user"):
        Api.model_validate({"other_user": statuses})


def test_another_user_may_be_refused_in_several_ways() -> None:
    assert Api().other_user_statuses == (403,)
    assert Api.model_validate({"other_user": [403, 401]}).other_user_statuses == (403, 401)


@pytest.mark.parametrize("wrong", [{"history_limit": -1}, {"title_limit": 0}, {"tag_limit": 0}, {"message_limit": 0}])
def test_impossible_limits_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="greater than or equal"):
        Api.model_validate(wrong)
    assert Api.model_validate(dict.fromkeys(wrong, False)) == Api()
