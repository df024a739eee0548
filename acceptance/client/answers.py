"""Reads responses: the pod that sent one, its JSON, its cookies, and whether it explains an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http.cookies import CookieError, Morsel
from typing import Any

import requests

from acceptance.checks.finding import Untested
from acceptance.core.target import Target

STREAM = "text/event-stream"
_NO_WORDS = re.compile(r"\[object \w+\]|\b(undefined|null|None|NaN)\b")
_MARKUP = re.compile(r"<(title|a)\b[^>]*>.*?</\1>|<[^>]*>", re.S)
"""Tags, and titles and links with their text."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.I)
"""ISO 8601, with an offset from UTC or without one."""

FLAGS = ("secure", "httponly")
"""Attributes of a cookie that have no value."""
SEE_OTHER = (302, 303, 307, 308)
"""Statuses that lead to another page."""
SIGNED_OUT = (200, *SEE_OTHER, 401, 403)
"""Statuses of a page for somebody who is not signed in: a form to sign in, a redirect to it, or a refusal."""


def pod_of(target: Target, answer: requests.Response) -> str:
    """Return the name of the pod that a response names in the header of one of the target's components, or empty."""
    headers = (part.pod_header for part in target.components.values())
    return next((answer.headers[header] for header in headers if header and header in answer.headers), "")


def describe(target: Target, answer: requests.Response) -> str:
    """Return the status of a response, its pod and the start of its text, for findings."""
    pod = pod_of(target, answer)
    return f"{answer.status_code}{f' from Pod/{pod}' if pod else ''}: {answer.text[:300]}"


def moments(body: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield each moment in a JSON value, a date with a time of day, with the fields that lead to it."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            yield from moments(value, f"{field}.{name}" if field else str(name))
    elif isinstance(body, list):
        for value in body:
            yield from moments(value, field)
    elif isinstance(body, str) and _MOMENT.fullmatch(body):
        yield field, body


def json_in(text: str) -> Any:
    """Return the JSON that a text is, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


class JsonObject(dict[str, Any]):
    """A JSON object of a response; reading a field that it lacks is an `AssertionError` that names the request."""

    def __init__(self, fields: Mapping[str, Any], request: str) -> None:
        super().__init__(fields)
        self._request = request

    def with_fields(self, fields: Mapping[str, Any]) -> JsonObject:
        """Return a copy with some fields changed."""
        return JsonObject({**self, **fields}, self._request)

    def __missing__(self, name: str) -> Any:
        raise AssertionError(f"{self._request}: expected the field {name}, got {str(self)[:200]}")


def json_of(answer: requests.Response, request: str) -> Any:
    """Return a response's JSON, whose objects are `JsonObject`s, or None without a body.

    Raises:
        AssertionError: The body is no JSON.
        Untested: It is a stream of events, as some applications answer a chat turn.
    """
    if answer.headers.get("Content-Type", "").startswith(STREAM):
        raise Untested(f"{request} is answered with a stream of events, of which the suite can't read what it says")
    try:
        return answer.json(object_hook=partial(JsonObject, request=request)) if answer.content else None
    except ValueError as error:
        raise AssertionError(f"{request}: expected JSON, got {answer.status_code}: {answer.text[:300]}") from error


def set_cookies(answer: requests.Response) -> Iterator[tuple[str, Morsel[str]]]:
    """Yield the name and attributes of each cookie that a response sets; the attributes' names are in lower case."""
    yield from cookies_in(answer.raw.headers.getlist("Set-Cookie"))


def cookies_in(headers: Iterable[str]) -> Iterator[tuple[str, Morsel[str]]]:
    """Yield the name and attributes of the cookie in each Set-Cookie header, as a browser reads it (RFC 6265, 5.2).

    Attributes that are not known, such as `Partitioned`, and any characters of a value are no obstacle.
    """
    for header in headers:
        pair, *attributes = header.split(";")
        name, _, value = (part.strip() for part in pair.partition("="))
        cookie: Morsel[str] = Morsel()
        try:
            cookie.set(name, value.strip('"'), value)
        except CookieError:
            continue  # no browser would keep it
        for attribute in attributes:
            key, _, given = (part.strip() for part in attribute.partition("="))
            if cookie.isReservedKey(key):
                cookie[key] = True if key.lower() in FLAGS else given
        yield name, cookie


def explains(answer: requests.Response) -> bool:
    """Return whether a response has words for people: in a value of its JSON document, else in its text beside markup.

    What a program writes in place of a missing text, such as `undefined`, does not count.
    """
    try:
        text = " ".join(_texts(answer.json()))
    except ValueError:
        text = _MARKUP.sub(" ", answer.text)
    return re.search(r"[^\W\d_]{2}", _NO_WORDS.sub(" ", text)) is not None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
