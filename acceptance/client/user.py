"""A user of the application: signs up through the frontend, then sends requests to the backend."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import requests

from acceptance.checks.finding import Untested
from acceptance.client.answers import describe
from acceptance.core.deadlines import ENDPOINTS, RATE_LIMIT, REQUEST
from acceptance.core.fields import text_at
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.gateway import Gateway

TOO_MANY = 429


def send(gateway: Gateway, method: str, url: str, **kwargs: Any) -> requests.Response:
    """Send one request on a new connection, without retries and with the timeout of `REQUEST` unless another is given.

    Raises:
        AssertionError: The release sent no response.
        requests.RequestException: The gateway itself does not connect, so nothing is known about the release.
    """
    try:
        with gateway.session() as session:
            return session.request(method, url, **{"timeout": REQUEST.seconds, **kwargs})
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
    """A signed-up user; `token` authenticates it.

    `chat_obstacle` is why no chat turn may be sent, or empty.
    """

    target: Target
    gateway: Gateway
    id: str
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    chat_obstacle: str = ""

    def path(self, template: str | None, what: str = "this request", **names: object) -> str:
        """Fill in one of the target's API paths; raises `Untested` if the target has none for `what`."""
        if template is None:
            raise Untested(f"the target names no path for {what}")
        return template.format(user_id=self.id, **names)

    @property
    def chat_path(self) -> str:
        """The path of chat turns; raises `Untested` if none may be sent."""
        if self.chat_obstacle:
            raise Untested(self.chat_obstacle)
        return self.path(self.target.api.chat, "chat")

    def items(self, path: str, list_field: str | None = None, *, origin: str = "") -> list[dict[str, Any]]:
        """Return a list of the API; `AssertionError` on another status than 200, or if the response holds no list.

        Args:
            path: The path of the list.
            list_field: The field of the response that holds it; None if the response is the list.
            origin: The pod to ask; the Service by default.
        """
        answer = self.request_json("GET", path, origin=origin)
        found = answer.get(list_field) if list_field and isinstance(answer, dict) else answer
        where = f"in the field {list_field}" if list_field else "as the response"
        assert isinstance(found, list), f"GET {path}: expected a list {where}, got {str(answer)[:200]}"
        return found

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
        return self.task(self.request_json("POST", self.path(api.tasks), {api.title_field: title}, api.created))

    def task(self, answer: object) -> dict[str, Any]:
        """Return the task that a response contains; `AssertionError` if it contains none."""
        api = self.target.api
        found = answer.get(api.task_field) if api.task_field and isinstance(answer, dict) else answer
        assert isinstance(found, dict), f"expected a task, got {str(answer)[:200]}"
        assert api.id_field in found, f"expected a task with the field {api.id_field}, got {str(answer)[:200]}"
        return found

    def conversation_of(self, answer: Mapping[str, Any]) -> object:
        """Return the conversation that a chat turn's response names; `AssertionError` if it names none.

        Raises `Untested` if the target's API has no conversations.
        """
        name = self.target.api.conversation_field
        if name is None:
            raise Untested("the target names no field with a conversation's identifier")
        assert name in answer, f"expected the conversation's identifier in {name}, got {sorted(answer)}"
        return answer[name]

    def tasks(self) -> list[dict[str, Any]]:
        """Return the user's tasks; `AssertionError` on another status than 200."""
        return self.items(self.path(self.target.api.tasks), self.target.api.tasks_field)

    def send_message(self, message: str, conversation: object = None, *, origin: str = "") -> dict[str, Any]:
        """Send a chat message in a new or the given conversation; `AssertionError` if it fails.

        Raises `Untested` if no turn may be sent.
        """
        api = self.target.api
        body = {api.message_field: message}
        name = api.conversation_field
        continued = {} if conversation is None or name is None else {name: conversation}
        answer: dict[str, Any] = self.request_json("POST", self.chat_path, body | continued, origin=origin)
        return answer

    def request_json(
        self, method: str, path: str, body: object = None, status: int = requests.codes.ok, *, origin: str = ""
    ) -> Any:
        """Send a request and return the response's JSON; `AssertionError` on another status than `status`."""
        answer = self.call(method, path, origin, json=body)
        assert answer.status_code == status, (
            f"{method} {path} at {origin or 'the Service'}: expected {status}, got {describe(self.target, answer)}"
        )
        return answer.json() if answer.content else None


def chat_obstacle(target: Target, *, own_release: bool) -> str:
    """Return why no chat turn may be sent to a release, or an empty text: none must reach a model that costs money."""
    if target.api.chat is None:
        return "the target names no path for chat"
    if target.values.model_base_url is None:
        return "the target names no values.model_base_url, so a chat turn would reach a real model"
    return "" if own_release else "a chat turn would reach the model of a release that this run did not install"


def random_account() -> dict[str, str]:
    """Return a new account: name, email and password."""
    name = f"user-{secrets.token_hex(6)}"
    return {"name": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe(18)}


def send_account(gateway: Gateway, path: str, account: Mapping[str, str], origin: str) -> requests.Response:
    """Sign up or sign in at the frontend with the `Origin` header of a browser, again while the rate limit answers 429.

    Raises:
        WaitError: The application's rate limit refuses for too long.
    """
    url = gateway.url("frontend", path)

    def post() -> requests.Response:
        with gateway.session() as session:
            return session.post(url, json=dict(account), headers={"Origin": origin}, timeout=REQUEST.seconds)

    return answer_within_rate_limit(path, post)


def answer_within_rate_limit(path: str, request: Callable[[], requests.Response]) -> requests.Response:
    """Send a request, again while the rate limit answers 429, and return the other answer. Raises `WaitError`."""

    def probe() -> requests.Response:
        answer = request()
        if answer.status_code == TOO_MANY:
            raise NotYet(f"{path} was answered 429, the application's rate limit")
        return answer

    return eventually("an answer within the rate limit", probe, RATE_LIMIT)


def session_token(target: Target, answer: requests.Response) -> str | None:
    """Return the token in the session cookie that a response sets, or None."""
    return next((cookie.value for cookie in answer.cookies if cookie.name.endswith(target.auth.cookie)), None)


def user_id(token: str) -> str:
    """Return the identifier of a token's user, its `user.id` or `sub`; raises `AssertionError` if it has neither."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise AssertionError(f"the session's cookie is no JWT: {error}") from error
    found = text_at(claims, "user.id") or claims.get("sub")
    assert found, f"expected a token with user.id or sub, got one with {sorted(claims)}"
    return str(found)


def sign_up(
    target: Target,
    gateway: Gateway,
    origin: str,
    redact: Callable[[str], None],
    *,
    own_release: bool = True,
    account: Mapping[str, str] | None = None,
) -> User:
    """Sign up a new user through the frontend.

    Args:
        target: The target under test.
        gateway: Connects to the frontend's Service.
        origin: The release's origin.
        redact: Called with the password and the token, to keep them out of reports.
        own_release: Whether the run installed the release, and so chose its model.
        account: Name, email and password; random by default.

    Raises:
        AssertionError: Sign-up fails or sets no session cookie.
        WaitError: The application's rate limit refuses the sign-up for too long.
    """
    account = account or random_account()
    redact(account["password"])
    answer = send_account(gateway, target.auth.sign_up, account, origin)
    assert answer.ok, f"sign-up was answered {describe(target, answer)}"
    if session_token(target, answer) is None:  # signing up need not sign in
        answer = send_account(gateway, target.auth.sign_in, account, origin)
    token = session_token(target, answer)
    cookies = [cookie.name for cookie in answer.cookies]
    assert token, f"neither sign-up nor sign-in set the cookie {target.auth.cookie}, but {cookies}"
    redact(token)
    obstacle = chat_obstacle(target, own_release=own_release)
    return User(target, gateway, user_id(token), account["email"], account["password"], token, obstacle)
