"""What samplers send to a release: requests that users make, each with a token that its answer must hold."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace

from acceptance.client.user import User
from acceptance.traffic.sampler import Plan

PER_SECOND = 12.0
"""Of tasks, and as much of pages: 8 ms of CPU here for a task, 25 ms for a page, a fifth of two cores in all. Such
as are a third as quick have time left for the pods that start meanwhile."""
PAGE_CONNECTIONS = 16
"""Pages take up to 2 s while pods start beside them, and kept connections are asked in turn, 6 a second: fewer would be
in use yet. Each rollout closes them all: of more, fewer of the requests would find one open."""
CLIENT_PAUSE = 1.0
"""Seconds that a client leaves a held connection idle: each is used once in that time."""


def duration_for(requests: int, rate: float) -> float:
    """Seconds of traffic that bring so many requests, and some to spare for the sampler's start."""
    return 1.05 * requests / rate


def task_writes(user: User, rate: float = PER_SECOND) -> Plan:
    """Tasks written to the backend's Service; the marker is the title."""
    api = user.target.api
    return _plan(user, rate, user.path(api.tasks), json.dumps({api.title_field: "{token}"}), api.created)


def chat_turns(user: User, rate: float) -> Plan:
    """Chat turns, each in a conversation of its own, that make the agent add a task of the marker's title."""
    api = user.target.api
    message = json.dumps({api.message_field: "add task: {token}"})
    return replace(_plan(user, rate, user.path(api.chat), message, 200), connections=4)


def page_views(user: User, rate: float = PER_SECOND) -> Plan:
    """A signed-in user's page from the frontend's Service, rendered with what the backend answers."""
    target = user.target
    part = target.component("frontend")
    return Plan(
        host=f"{part.service}.{target.chart.namespace}.svc.cluster.local",
        port=part.service_port,
        rate=rate,
        method="GET",
        path=target.pages.search,
        echo=target.pages.echo,
        token=new_token(),
        status=200,
        connections=PAGE_CONNECTIONS,
        headers={"Cookie": f"{target.auth.cookie}={user.token}"},
        pod_header=part.pod_header or "",
    )


def to_pod(plan: Plan, address: str, port: int) -> Plan:
    """The same to one pod, past its Service."""
    return replace(plan, host=address, port=port)


def on_held_connections(plan: Plan, connections: int) -> Plan:
    """The same on connections that are held open, by clients that do not look first whether theirs was closed."""
    return replace(
        plan, rate=connections / CLIENT_PAUSE, reused_share=1.0, connections=connections, checks_idle_connections=False
    )


def new_token() -> str:
    """What all requests of one run have in common: no other run's requests hold it."""
    return f"m{secrets.token_hex(5)}"


def _plan(user: User, rate: float, path: str, body: str, status: int) -> Plan:
    target = user.target
    part = target.component("backend")
    return Plan(
        host=f"{part.service}.{target.chart.namespace}.svc.cluster.local",
        port=part.service_port,
        rate=rate,
        method="POST",
        path=path,
        body=body,
        token=new_token(),
        status=status,
        headers={"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"},
        pod_header=part.pod_header or "",
    )
