"""A user of the application: signs up through the frontend, then sends requests to the backend."""

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
    """Send one request on a new connection, without retries and with the timeout of `REQUEST`.

    Raises:
        AssertionError: The release sent no response.
        requests.RequestException: The gateway itself does not connect, so nothing is known about the release.
    """
    try:
        with gateway.session() as session:
            return session.request(method, url, timeout=REQUEST.seconds, **kwargs)
    except requests.RequestException as error:
        try:
            gateway.check_connection()
        except NotYet:
            raise error from None
        raise AssertionError(f"{method} {url}: expected an answer, got {error}") from error


def wait_answered(gateway: Gateway, component: str) -> None:
    """Wait until the component's Service answers: kube-proxy applies new endpoints with a delay of some seconds.

    Raises:
        WaitError: The Service does not answer in time.
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
    """A signed-up user; `token` authenticates it."""

    target: Target
    gateway: Gateway
    id: str
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)

    def path(self, template: str, **names: object) -> str:
        """Fill in one of the target's API paths."""
        return template.format(user_id=self.id, **names)

    def call(self, method: str, path: str, origin: str = "", **kwargs: Any) -> requests.Response:
        """Send an authenticated request to the backend's Service, or to the pod at `origin`."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return send(self.gateway, method, (origin or self.gateway.url("backend", "")) + path, headers=headers, **kwargs)

    @property
    def cookie(self) -> dict[str, str]:
        """The header with the session cookie that a browser sends."""
        return {"Cookie": f"{self.target.auth.cookie}={self.token}"}

    def add_task(self, title: str) -> dict[str, Any]:
        """Create a task, and return it as in the backend's response; `AssertionError` on another status."""
        api = self.target.api
        task: dict[str, Any] = self.request_json("POST", self.path(api.tasks), {api.title_field: title}, api.created)
        return task

    def tasks(self) -> list[dict[str, Any]]:
        """Return the user's tasks; `AssertionError` on another status than 200."""
        tasks: list[dict[str, Any]] = self.request_json("GET", self.path(self.target.api.tasks))
        return tasks

    def send_message(self, message: str, conversation: object = None, *, origin: str = "") -> dict[str, Any]:
        """Send a chat message in a new or the given conversation; `AssertionError` if it fails."""
        api = self.target.api
        body = {api.message_field: message}
        continued = {} if conversation is None else {api.conversation_field: conversation}
        answer: dict[str, Any] = self.request_json("POST", self.path(api.chat), body | continued, origin=origin)
        return answer

    def request_json(
        self, method: str, path: str, body: object = None, status: int = requests.codes.ok, *, origin: str = ""
    ) -> Any:
        """Send a request and return the response's JSON; `AssertionError` on another status than `status`."""
        answer = self.call(method, path, origin, json=body)
        assert answer.status_code == status, (
            f"{method} {path} at {origin or 'the Service'}: expected {status}, got {answer.status_code}: {answer.text}"
        )
        return answer.json() if answer.content else None


def sign_up(target: Target, gateway: Gateway, origin: str, redact: Callable[[str], None]) -> User:
    """Sign up a new user through the frontend, with the `Origin` header of a browser.

    Args:
        target: The target under test.
        gateway: Connects to the frontend's Service.
        origin: The release's origin.
        redact: Called with the password and the token, to keep them out of reports.

    Raises:
        AssertionError: Sign-up fails or sets no session cookie.
        WaitError: The application's rate limit refuses the sign-up for too long.
    """
    name = f"user-{secrets.token_hex(6)}"
    account = {"name": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe(18)}
    redact(account["password"])
    url = gateway.url("frontend", target.auth.sign_up)

    def probe() -> requests.Response:
        with gateway.session() as session:
            answer = session.post(url, json=account, headers={"Origin": origin}, timeout=REQUEST.seconds)
        if answer.status_code == TOO_MANY:
            raise NotYet("sign-up was answered 429, the application's rate limit")
        return answer

    answer = eventually("a sign-up within the rate limit", probe, RATE_LIMIT)
    assert answer.ok, f"sign-up was answered {answer.status_code}: {answer.text}"
    token = next((cookie.value for cookie in answer.cookies if cookie.name.endswith(target.auth.cookie)), None)
    assert token, f"sign-up set no cookie {target.auth.cookie}, but {[cookie.name for cookie in answer.cookies]}"
    redact(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    return User(target, gateway, str(claims["user"]["id"]), account["email"], account["password"], token)
