"""Sends one request of a plan before anything is disturbed: later, its failure would be blamed on the disturbance."""

from __future__ import annotations

from acceptance.client.user import send
from acceptance.core.urls import authority
from acceptance.provision.gateway import Gateway
from acceptance.traffic.plans import Plan, new_token

TOKEN = "{token}"  # noqa: S105 - a placeholder
SHOWN = 200
"""Characters of a body that says why."""


def plan_obstacle(plan: Plan, gateway: Gateway) -> str | None:
    """Send one request of the plan; return why its requests can't succeed, in one sentence, or None if they can.

    Raises:
        AssertionError: The release sent no response.
    """
    token = new_token()
    path, body, echo = (text.replace(TOKEN, token) for text in (plan.path, plan.body, plan.echo))
    url = f"http://{authority(plan.host, plan.port)}{path}"
    answer = send(gateway, plan.method, url, data=body or None, headers=plan.headers, allow_redirects=False)
    request = f"{plan.method} {plan.path}"
    if answer.status_code != plan.status:
        where = f", to {location}" if (location := answer.headers.get("Location")) else ""
        return (
            f"nothing was measured with {request}, which was answered {answer.status_code}{where} instead of "
            f"{plan.status} before anything was disturbed: {' '.join(answer.text.split())[:SHOWN] or 'an empty body'}"
        )
    if echo not in answer.text:
        remedy = (
            "a write is recognised by the marker in its response"
            if plan.writes
            else "the target's `pages.search` and `pages.echo` name a page that does"
        )
        return f"the response to {request} does not contain the token as {plan.echo}; {remedy}"
    return None
