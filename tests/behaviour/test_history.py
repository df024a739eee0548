"""A long conversation: what the model is sent of it, and what is read of it."""

from __future__ import annotations

import secrets
from itertools import cycle

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client import prompts
from acceptance.client.pods import origins
from acceptance.client.remembered import remembered, turns_beyond
from acceptance.client.user import User
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

TURNS = 30
MAX_TURNS = 60
"""How long a conversation is made to go beyond the limit of the history; a turn takes 50 ms here."""


def first_difference(expected: list[tuple[str, str]], actual: list[tuple[str, str]]) -> tuple[str, str]:
    """What was expected and what is there at the first place where two lists of messages differ."""
    for place, (one, other) in enumerate(zip(expected, actual, strict=False)):
        if one != other:
            return f"message {place} {one}", str(other)
    return f"{len(expected)} messages", f"{len(actual)} messages"


@pytest.mark.rule("STA-03")
def test_long_history_reaches_the_model_once_and_in_order(ready_release: Release, user: User, model: ModelStub) -> None:
    """Turns on the pods in turn, beyond the target's limit where it has one; the last request to the model has them."""
    api = ready_release.target.api
    if api.conversation_field is None:
        raise Untested("the target names no conversations")
    beyond = turns_beyond(api)
    turns = max(TURNS, beyond if beyond <= MAX_TURNS else 0)
    pods = cycle(origins(ready_release, "backend").values())
    conversation: object = None
    expected: list[tuple[str, str]] = []
    for number in range(turns):
        message = f"message {number} {secrets.token_hex(4)}"
        answer = user.send_message(message, conversation, origin=next(pods))
        conversation = user.conversation_of(answer)
        expected += [("user", message), ("assistant", answer[api.response_field])]
    last = f"the last one {secrets.token_hex(4)}"
    with prompts.recorded(model) as bodies:
        user.send_message(last, conversation, origin=next(pods))
    assert bodies, "expected a request to the model, got none"
    expected_prompt = [*remembered(api, expected), ("user", last)]
    findings, received = [], prompts.messages(prompts.longest(bodies))
    if received != expected_prompt:
        shown = first_difference(expected_prompt, received)
        findings.append(Finding("STA-03", "the request to the model", f"history of {turns} turns", *shown))
    if api.messages:
        listed = user.messages(conversation)
        read = [(each[api.role_field], each[api.content_field]) for each in listed]
        if read[: len(expected)] != expected or len(read) != len(expected) + 2:
            shown = first_difference(expected, read)
            findings.append(Finding("STA-03", f"GET {api.messages}", f"conversation of {turns} turns", *shown))
    report_findings(of_derived_part(findings, ready_release.target), ready_release.target)
