"""Plans of requests for the sampler: requests as users make them, each with a token that its response must contain."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from acceptance.client.answers import SIGNED_OUT
from acceptance.client.sessions import expiry
from acceptance.client.user import User
from acceptance.core.deadlines import REQUEST
from acceptance.provision.gateway import service_host

PER_SECOND = 12.0
"""Tasks per second, and pages per second: a task takes 8 ms of CPU, a page 25 ms, a fifth of two cores in all. Cores
that are a third as fast have time left for the pods that start meanwhile."""
PAGE_CONNECTIONS = 16
"""Pages take up to 2 s while pods start, and kept connections are used in turn, 6 a second: with fewer connections the
next one would still be in use. Each rollout closes them all: with more, fewer requests would find one open."""
CLIENT_PAUSE = 1.0
"""Seconds between two requests on a held connection."""
READING = frozenset({"GET", "HEAD"})
"""Methods of requests that change nothing."""


@dataclass(frozen=True)
class StoredIn:
    """Where PostgreSQL stores the markers of a plan's writes: a text column of a table, in rows that match `where`."""

    what: str
    table: str
    column: str
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Which requests to send and which response is expected; `support/tools/sampler.py` documents the fields.

    `status` is the expected one of every response; its body must contain the request's token. A plan that writes says
    where each write is `stored`, so that its ledger is compared with PostgreSQL; one that reads has nothing there. The
    session that the headers carry is `valid_until` a time in seconds since the epoch; from then on requests may be
    answered with one of `refusals`.
    """

    host: str
    port: int
    rate: float
    method: str
    path: str
    token: str
    status: int
    echo: str = "{token}"
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # they may contain a credential
    body: str = ""
    reused_share: float = 0.5
    connections: int = 8
    timeout: float = REQUEST.seconds
    checks_idle_connections: bool = True
    pod_header: str = ""
    stored: tuple[StoredIn, ...] = ()
    valid_until: float | None = None
    refusals: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.writes and not self.stored:
            raise ValueError(f"{self.method} {self.path} writes: the plan must say where its writes are stored")

    @property
    def service(self) -> str:
        """The Service, or the pod's address, that the requests are sent to, as `Service/name`."""
        return f"Service/{self.host.partition('.')[0]}"

    @property
    def writes(self) -> bool:
        """Whether the requests change something."""
        return self.method not in READING


def duration_for(requests: int, rate: float) -> float:
    """Return the seconds of traffic for so many requests, with a margin for the sampler's start."""
    return 1.05 * requests / rate


def task_writes(user: User, rate: float = PER_SECOND) -> Plan:
    """Return writes of tasks through the backend's Service; the token is in the title."""
    api = user.target.api
    body = json.dumps({api.title_field: "{token}"})
    return _write_plan(user, rate, user.path(api.tasks), body, api.created, (_tasks(user, "tasks"),))


def chat_turns(user: User, rate: float) -> Plan:
    """Return chat turns, each in a new conversation, that make the agent add a task with the token in its title.

    Raises `Untested` if no turn may be sent.
    """
    api, tables = user.target.api, user.target.tables
    message = json.dumps({api.message_field: "add task: {token}"})
    messages = [
        StoredIn(f"{role} messages", tables.message, tables.message_content, {tables.message_role: role})
        for role in ("user", "assistant")
    ]
    stored = (*messages, _tasks(user, "tasks by chat"))
    return replace(_write_plan(user, rate, user.chat_path, message, api.turn, stored), connections=4)


def page_views(user: User, rate: float = PER_SECOND) -> Plan:
    """Return views of a signed-in user's page through the frontend's Service, which renders the backend's response."""
    target = user.target
    part = target.component("frontend")
    return Plan(
        host=service_host(target, "frontend"),
        port=part.service_port,
        rate=rate,
        method="GET",
        path=target.pages.search,
        echo=target.pages.echo,
        token=new_token(),
        status=200,
        connections=PAGE_CONNECTIONS,
        headers=user.browser_headers,
        pod_header=part.pod_header or "",
        valid_until=expiry(user.token) if target.auth.cookie_holds_token else None,
        refusals=frozenset(SIGNED_OUT),
    )


def to_pod(plan: Plan, address: str, port: int) -> Plan:
    """Return the same plan for one pod, bypassing its Service."""
    return replace(plan, host=address, port=port)


def on_held_connections(plan: Plan, connections: int, pause: float = CLIENT_PAUSE) -> Plan:
    """Return the same plan on connections that are held open, by a client that does not check whether one was closed.

    Args:
        plan: What is sent.
        connections: How many connections.
        pause: Seconds from one request on a connection to the next.
    """
    return replace(
        plan, rate=connections / pause, reused_share=1.0, connections=connections, checks_idle_connections=False
    )


def new_token() -> str:
    """Return a token that all requests of one sample run share, and no other request contains."""
    return f"m{secrets.token_hex(5)}"


def _tasks(user: User, what: str) -> StoredIn:
    tables = user.target.tables
    return StoredIn(what, tables.task, tables.task_title)


def _write_plan(user: User, rate: float, path: str, body: str, status: int, stored: tuple[StoredIn, ...]) -> Plan:
    target = user.target
    part = target.component("backend")
    return Plan(
        host=service_host(target, "backend"),
        port=part.service_port,
        rate=rate,
        method="POST",
        path=path,
        body=body,
        token=new_token(),
        status=status,
        headers={**user.authorization, "Content-Type": "application/json"},
        pod_header=part.pod_header or "",
        stored=stored,
        valid_until=expiry(user.token),
        refusals=frozenset({target.api.invalid_token}),
    )
