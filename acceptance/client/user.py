"""A user of the application: signed up through the frontend, calling the backend with what that gave."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import requests

from acceptance.core.deadlines import ENDPOINTS, RATE_LIMIT, REQUEST
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.gateway import Gateway

TOO_MANY = 429


def send(gateway: Gateway, method: str, url: str, **kwargs: Any) -> requests.Response:
    """One request on a connection of its own, never retried, 10 s at most; `AssertionError` where no answer comes.

    Raises `requests.RequestException` where the gateway lets nothing through: that says nothing of the release.
    """
    try:
        with gateway.session() as session:
            return session.request(method, url, timeout=REQUEST.seconds, **kwargs)
    except requests.RequestException as error:
        try:
            gateway.check_connection()
        except NotYet:
            raise error from None
        raise AssertionError(f"{method} {url}: wanted an answer, seen {error}") from error


def wait_answered(gateway: Gateway, component: str) -> None:
    """Wait until the component's Service answers; raises `WaitError`.

    kube-proxy leads to new pods up to some seconds after they are endpoints.
    """
    url = gateway.url(component, gateway.target.component(component).probes.readiness)

    def probe() -> None:
        try:
            send(gateway, "GET", url)
        except AssertionError as error:
            raise NotYet(str(error)) from error

    eventually(f"an answer of the {component}'s Service", probe, ENDPOINTS)


@dataclass(frozen=True)
class User:
    """A signed-up user; `token` is what proves it to the backend."""

    target: Target
    gateway: Gateway
    id: str
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)

    def path(self, template: str, **names: object) -> str:
        """One of the target's API paths, filled in."""
        return template.format(user_id=self.id, **names)

    def call(self, method: str, path: str, origin: str = "", **kwargs: Any) -> requests.Response:
        """`ask` as this user: the backend's Service, or the one pod whose origin is given."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return send(self.gateway, method, (origin or self.gateway.url("backend", "")) + path, headers=headers, **kwargs)

    @property
    def cookie(self) -> dict[str, str]:
        """The headers with which a browser proves this user."""
        return {"Cookie": f"{self.target.auth.cookie}={self.token}"}

    def add_task(self, title: str) -> dict[str, Any]:
        """Write a task, and return it as the backend acknowledged it; `AssertionError` on another status."""
        api = self.target.api
        task: dict[str, Any] = self.request_json("POST", self.path(api.tasks), {api.title_field: title}, api.created)
        return task

    def tasks(self) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.request_json("GET", self.path(self.target.api.tasks))
        return tasks

    def send_message(self, message: str, conversation: object = None, *, origin: str = "") -> dict[str, Any]:
        """One turn, which begins a conversation or goes on with one; the answer, `AssertionError` on a failure."""
        api = self.target.api
        body = {api.message_field: message}
        going_on = {} if conversation is None else {api.conversation_field: conversation}
        answer: dict[str, Any] = self.request_json("POST", self.path(api.chat), body | going_on, origin=origin)
        return answer

    def request_json(
        self, method: str, path: str, body: object = None, status: int = requests.codes.ok, *, origin: str = ""
    ) -> Any:
        """What is answered with the wanted status; `AssertionError` with what was answered otherwise."""
        answer = self.call(method, path, origin, json=body)
        assert answer.status_code == status, (
            f"{method} {path} at {origin or 'the Service'}: wanted {status}, seen {answer.status_code}: {answer.text}"
        )
        return answer.json() if answer.content else None


def sign_up(target: Target, gateway: Gateway, origin: str, redact: Callable[[str], None]) -> User:
    """Sign a new user up through the frontend, as a browser does that is at the release's `origin`.

    Raises `WaitError` where the rate limit does not let it in time.
    """
    name = f"user-{secrets.token_hex(6)}"
    account = {"name": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe(18)}
    redact(account["password"])
    url = gateway.url("frontend", target.auth.sign_up)

    def probe() -> requests.Response:
        with gateway.session() as session:
            answer = session.post(url, json=account, headers={"Origin": origin}, timeout=REQUEST.seconds)
        if answer.status_code == TOO_MANY:
            raise NotYet("sign-up was answered 429, the application's own rate limit")
        return answer

    answer = eventually("a sign-up within the rate limit", probe, RATE_LIMIT)
    assert answer.ok, f"sign-up was answered {answer.status_code}: {answer.text}"
    token = next((cookie.value for cookie in answer.cookies if cookie.name.endswith(target.auth.cookie)), None)
    assert token, f"sign-up set no cookie {target.auth.cookie}, but {[cookie.name for cookie in answer.cookies]}"
    redact(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    return User(target, gateway, str(claims["user"]["id"]), account["email"], account["password"], token)
