"""A long conversation: which messages are sent to the model, which are listed, and which its page shows."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import cycle

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client import prompts
from acceptance.client.documents import Document
from acceptance.client.pods import origins
from acceptance.client.remembered import remembered, turns_among, turns_beyond
from acceptance.client.user import User, send
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

TURNS = 30
TURNS_PER_TOOL = 5
"""Every fifth turn uses a tool: what an assistant says after that is stored by other code in some applications."""
MAX_TURNS = 60
"""How far beyond the limit of the history a conversation goes; a turn takes 50 ms here."""


def first_difference(expected: list[tuple[str, str]], actual: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the expected and the actual message at the first place where two lists of messages differ."""
    for place, (one, other) in enumerate(zip(expected, actual, strict=False)):
        if one != other:
            return f"message {place} {one}", str(other)
    return f"{len(expected)} messages", f"{len(actual)} messages"


def page_findings(user: User, conversation: object, messages: Sequence[str]) -> list[Finding]:
    """Return a finding if a conversation's page shows earlier messages of the user and not the last one.

    The first message may be the conversation's title, on every page.
    """
    template = user.target.pages.conversation
    if template is None or not user.target.auth.has_cookie:
        return []
    path = template.format(id=conversation)
    shown = Document(send(user.gateway, "GET", user.gateway.url("frontend", path), headers=user.cookie).text).text
    if messages[-1] in shown or not any(message in shown for message in messages[1:-1]):
        return []
    what, expected = f"page of {len(messages)} turns", f"the last message {messages[-1]!r}"
    return [Finding("PER-09", f"GET {template}", what, expected, "earlier messages without it")]


@pytest.mark.rule("STA-03", "PER-09")
def test_long_history_reaches_the_model_once_and_in_order(ready_release: Release, user: User, model: ModelStub) -> None:
    """Turns go to the pods in rotation, beyond the target's limit; the last request to the model has them.

    Messages that the application itself adds are allowed.
    """
    api = ready_release.target.api
    if api.conversation_field is None:
        raise Untested("the target names no conversations")
    beyond = turns_beyond(api)
    turns = max(TURNS, beyond if beyond <= MAX_TURNS else 0)
    pods = cycle(origins(ready_release, "backend").values())
    conversation: object = None
    expected: list[tuple[str, str]] = []
    for number in range(turns):
        token = secrets.token_hex(4)
        message = f"add task: {token}" if number % TURNS_PER_TOOL == 0 else f"message {number} {token}"
        answer = user.send_message(message, conversation, origin=next(pods))
        conversation = user.conversation_of(answer)
        expected += [("user", message), ("assistant", answer[api.response_field])]
    last = f"the last one {secrets.token_hex(4)}"
    with prompts.recorded(model) as bodies:
        user.send_message(last, conversation, origin=next(pods))
    assert bodies, "expected a request to the model, got none"
    expected_prompt = [*remembered(api, expected), ("user", last)]
    findings, every = [], prompts.messages(prompts.longest(bodies))
    received = turns_among(every, [*expected, ("user", last)])
    if received != expected_prompt:
        shown = first_difference(expected_prompt, received)
        findings.append(Finding("STA-03", "the request to the model", f"history of {turns} turns", *shown))
    if api.messages:
        read = prompts.spoken_in(api, user.messages(conversation))
        if read[: len(expected)] != expected or len(read) != len(expected) + 2:
            shown = first_difference(expected, read)
            findings.append(Finding("STA-03", f"GET {api.messages}", f"conversation of {turns} turns", *shown))
    findings += page_findings(user, conversation, [*(text for role, text in expected if role == "user"), last])
    report_findings(of_derived_part(findings, ready_release.target), ready_release.target)
