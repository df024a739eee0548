"""A signed-in user of the application, who sends requests to the backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from acceptance.checks.finding import Untested
from acceptance.client.answers import JsonObject, describe, json_of
from acceptance.client.sessions import NO_COOKIE, Session
from acceptance.client.tokens import authorization, cookie_header, token_cookie, token_header
from acceptance.core.deadlines import AT_REST, ENDPOINTS, RATE_LIMIT, REQUEST
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.target import Carrier, Target
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.provision.gateway import Gateway

TOO_MANY = 429
RATE_LIMITED = "refused by the application's rate limit (429), which [overrides] of the target may raise for a run"
"""Why nothing is known about what was asked for."""
PART = 50
"""How many items are asked for at a time where a list is read in parts: fewer than common limits of 100."""


class RateLimitError(WaitError):
    """The application's rate limit refuses a request for longer than the suite can wait."""


class GatewayError(InconclusiveError, requests.RequestException):
    """The suite's gateway does not connect to anything, so nothing is known about the release."""


def send(gateway: Gateway, method: str, url: str, **kwargs: Any) -> requests.Response:
    """Send one request on a new connection, without retries and with the timeout of `REQUEST` unless another is given.

    Raises:
        AssertionError: The release sent no response.
        GatewayError: The gateway itself does not connect, so nothing is known about the release.
    """
    try:
        with gateway.session() as session:
            answer = session.request(method, url, **{"timeout": REQUEST.seconds, **kwargs})
    except requests.RequestException as error:
        try:
            gateway.check_connection()
        except NotYet as state:
            raise GatewayError(f"{method} {url}: {error}; nor does the gateway connect elsewhere: {state}") from error
        raise AssertionError(f"{method} {url}: expected an answer, got {error}") from error
    for observe in gateway.observers:
        observe(answer)
    return answer


def wait_answered(gateway: Gateway, component: str) -> None:
    """Wait until the component's Service answers: kube-proxy applies new endpoints with a delay of some seconds.

    A connection that is opened while a Service gets its first endpoint may never be answered (kubernetes/kubernetes
    issue 48719), so each request is given up after `AT_REST`.

    Raises:
        WaitError: The Service does not answer in time.
    """
    url = gateway.url(component, gateway.target.component(component).probes.readiness)

    def probe() -> None:
        try:
            send(gateway, "GET", url, timeout=AT_REST.seconds)
        except (AssertionError, GatewayError) as error:
            raise NotYet(str(error)) from error

    eventually(f"an answer of the {component}'s Service", probe, ENDPOINTS)


@dataclass(frozen=True)
class User:
    """A signed-in user.

    Attributes:
        target: The target under test.
        gateway: The way to the release.
        id: The user's identifier.
        email: The account's.
        password: The account's.
        session: What sign-up and sign-in have given.
        chat_obstacle: Why no chat turn may be sent, or empty.
        name: The account's.
    """

    target: Target
    gateway: Gateway
    id: str
    email: str
    password: str = field(repr=False)
    session: Session = field(repr=False)
    chat_obstacle: str = ""
    name: str = ""

    @property
    def account(self) -> dict[str, str]:
        """The account: name, email and password."""
        return {"name": self.name, "email": self.email, "password": self.password}

    @property
    def cookies(self) -> Mapping[str, str]:
        """The session's cookies, by name."""
        return self.session.credentials.cookies

    @property
    def token(self) -> str:
        """The session's token."""
        return self.session.credentials.token

    @property
    def token_cookie(self) -> str:
        """The name of the cookie that holds the token."""
        return token_cookie(self.target.auth, self.cookies)

    @property
    def cookie(self) -> dict[str, str]:
        """The header by which the frontend knows the user; raises `Untested` if no cookie tells it."""
        if not self.target.auth.has_cookie:
            raise Untested(NO_COOKIE)
        return self.browser_headers

    @property
    def browser_headers(self) -> dict[str, str]:
        """The header with the session's cookies, for traffic: none where no cookie tells the frontend who it is."""
        return cookie_header(self.cookies)

    @property
    def authorization(self) -> dict[str, str]:
        """The header by which the backend knows the user."""
        credentials = self.session.credentials
        return authorization(self.target.auth, credentials.cookies, credentials.token)

    def token_header(self, token: str, carrier: Carrier | None = None) -> dict[str, str]:
        """Return the header that carries another token alone; by the first of the target's carriers by default."""
        return token_header(carrier or self.target.auth.carriers[0], token, self.token_cookie)

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

    def items(self, path: str, list_field: str | None = None, *, origin: str = "") -> list[JsonObject]:
        """Return a list of the API, or the part of it that a request without a query for a part is given.

        Args:
            path: The path of the list.
            list_field: The field of the response that holds it; None if the response is the list.
            origin: The pod to ask; the Service by default.

        Raises:
            AssertionError: The status is not 200, or the response holds no list of objects.
        """
        answer = self.request_json("GET", path, origin=origin)
        found = answer.get(list_field) if list_field and isinstance(answer, dict) else answer
        where = f"in the field {list_field}" if list_field else "as the response"
        assert isinstance(found, list), f"GET {path}: expected a list {where}, got {str(answer)[:200]}"
        others = [each for each in found if not isinstance(each, dict)]
        assert not others, f"GET {path}: expected objects {where}, got {str(others)[:200]}"
        return found

    def _all_items(self, path: str, list_field: str | None, part_query: str | None, origin: str) -> list[JsonObject]:
        """Return the items of a list, read in parts where the target names a query for them."""
        if part_query is not None and "{page}" in part_query:
            return self._numbered_parts(path, list_field, part_query, origin)
        found = self.items(path, list_field, origin=origin)
        while part_query is not None and found:
            query = part(part_query, PART, len(found))
            following = self.items(joined(path, query), list_field, origin=origin)
            if not following:
                break
            repeated = following == found[: len(following)]
            assert not repeated, f"GET {path}: expected with {query} what follows the first {len(found)}, got the first"
            found += following
        return found

    def _numbered_parts(self, path: str, list_field: str | None, part_query: str, origin: str) -> list[JsonObject]:
        """Return the items of a list whose parts are numbered: to the first that is not full, or does not exist."""
        following = found = self.items(joined(path, part(part_query, PART, 0)), list_field, origin=origin)
        size, page = len(found), 1
        while size and len(following) == size:
            page += 1
            numbered = joined(path, part(part_query, PART, PART * (page - 1)))
            if self.call("GET", numbered, origin).status_code == self.target.api.absent:
                break
            following = self.items(numbered, list_field, origin=origin)
            repeated = bool(following) and following == found[: len(following)]
            assert not repeated, f"GET {numbered}: expected what follows the first {len(found)}, got the first"
            found = [*found, *following]
        return found

    def tasks(self, path: str = "", *, origin: str = "") -> list[JsonObject]:
        """Return all of the user's tasks, or all in the list at a path; `AssertionError` on another status than 200."""
        api = self.target.api
        found = self._all_items(path or self.path(api.tasks), api.tasks_field, api.page_query, origin)
        return [self._with_state(each) for each in found]

    def conversations(self, *, origin: str = "") -> list[JsonObject]:
        """Return all of the user's conversations; `AssertionError` on another status than 200."""
        api = self.target.api
        path = self.path(api.conversations, "conversations")
        return self._all_items(path, api.conversations_field, api.page_query, origin)

    def messages(self, conversation: object, *, origin: str = "") -> list[JsonObject]:
        """Return all messages of a conversation; `AssertionError` on another status than 200."""
        api = self.target.api
        path = self.path(api.messages, "a conversation's messages", id=conversation)
        return self._all_items(path, api.messages_field, api.messages_page_query, origin)

    def tags(self, *, origin: str = "") -> list[JsonObject]:
        """Return the user's tags; `AssertionError` on another status than 200."""
        api = self.target.api
        return self.items(self.path(api.tags, "tags"), api.tags_field, origin=origin)

    def call(self, method: str, path: str, origin: str = "", **kwargs: Any) -> requests.Response:
        """Send an authenticated request to the backend's Service, or to the pod at `origin`.

        Raises:
            Untested: A rate limit refuses it, on a target that is not strict: people do not send as many.
        """
        headers = {**self.authorization, **kwargs.pop("headers", {})}
        url = (origin or self.gateway.url("backend", "")) + path
        answer = send(self.gateway, method, url, headers=headers, **kwargs)
        if answer.status_code == TOO_MANY and not self.target.strict and TOO_MANY not in self.target.api.model_failing:
            raise Untested(f"{method} {path}: {RATE_LIMITED}")
        return answer

    def add_task(self, title: str) -> JsonObject:
        """Create a task, and return it as in the backend's response; `AssertionError` on another status."""
        api = self.target.api
        return self.task(self.request_json("POST", self.path(api.tasks), {api.title_field: title}, api.created))

    def task(self, answer: object) -> JsonObject:
        """Return the task that a response contains; `AssertionError` if it contains none.

        Its state is true or false, also where the API has words for that.
        """
        api, content = self.target.api, self.content(answer)
        found = content.get(api.task_field) if api.task_field and isinstance(content, dict) else content
        return self._with_state(self._identified(found, "a task"))

    def content(self, answer: Any) -> Any:
        """Return what a response's envelope holds; the response itself where the target's API has none."""
        envelope = self.target.api.envelope
        return answer[envelope] if envelope and isinstance(answer, dict) and envelope in answer else answer

    def _with_state(self, task: JsonObject) -> JsonObject:
        """Return a task whose state is true or false."""
        api = self.target.api
        if api.completed_words is None or api.completed_field not in task:
            return task
        return task.with_fields({api.completed_field: api.is_completed(task[api.completed_field])})

    def add_tag(self, name: str, *, origin: str = "") -> JsonObject:
        """Create a tag, and return it as in the backend's response; `AssertionError` on another status."""
        api = self.target.api
        body = {api.tag_field: name}
        answer = self.request_json("POST", self.path(api.tags, "tags"), body, api.created, origin=origin)
        return self._identified(answer, "a tag")

    def _identified(self, found: object, what: str) -> JsonObject:
        """Return an object of a response; `AssertionError` if that has no identifier."""
        assert isinstance(found, JsonObject), f"expected {what}, got {str(found)[:200]}"
        name = self.target.api.id_field
        assert found.get(name) is not None, f"expected {what} with the field {name}, got {str(found)[:200]}"
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

    def send_message(self, message: str, conversation: object = None, *, origin: str = "") -> JsonObject:
        """Send a chat message in a new or the given conversation; `AssertionError` if it fails.

        Raises `Untested` if no turn may be sent.
        """
        api = self.target.api
        body = {api.message_field: message}
        name = api.conversation_field
        continued = {} if conversation is None or name is None else {name: conversation}
        answer = self.request_json("POST", self.chat_path, body | continued, api.turn, origin=origin)
        assert isinstance(answer, JsonObject), f"expected an object in response to a turn, got {str(answer)[:200]}"
        return answer

    def request_json(
        self, method: str, path: str, body: object = None, status: int = requests.codes.ok, *, origin: str = ""
    ) -> Any:
        """Send a request and return the response's JSON; `AssertionError` on another status, or if it is no JSON."""
        answer = self.call(method, path, origin, json=body)
        assert answer.status_code == status, (
            f"{method} {path} at {origin or 'the Service'}: expected {status}, got {describe(self.target, answer)}"
        )
        return self.content(json_of(answer, f"{method} {path}"))


def part(query: str, limit: int, offset: int) -> str:
    """Fill in the target's query for a part of a list; where parts are numbered, `offset` is a multiple of `limit`."""
    return query.format(limit=limit, offset=offset, page=offset // limit + 1)


def joined(path: str, query: str) -> str:
    """Return a path with a query, which it may have one of already."""
    return f"{path}{'&' if '?' in path else '?'}{query}"


def chat_obstacle(target: Target, *, own_release: bool) -> str:
    """Return why no chat turn may be sent to a release, or an empty text: none may reach a model that costs money."""
    if target.api.chat is None:
        return "the target names no path for chat"
    if not target.can_give("model_base_url"):
        return "the target names no values.model_base_url, so a chat turn would reach a real model"
    return "" if own_release else "a chat turn would reach the model of a release that this run did not install"


def answer_within_rate_limit(path: str, request: Callable[[], requests.Response]) -> requests.Response:
    """Send a request, again while the rate limit answers 429, and return the other answer.

    Raises:
        RateLimitError: The limit is longer than `RATE_LIMIT`.
    """

    def probe() -> requests.Response:
        answer = request()
        if answer.status_code == TOO_MANY:
            raise NotYet(f"{path} was answered {TOO_MANY}, the application's rate limit")
        return answer

    try:
        return eventually("an answer within the rate limit", probe, RATE_LIMIT)
    except WaitError as error:
        raise RateLimitError(str(error)) from error
