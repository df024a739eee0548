"""Redaction of the run's secrets in everything that leaves the process.

`redactor` is the one filter: the plugin applies it to the terminal, logging, test reports (and with them JUnit), the
report's page, signoff.json and evidence. Code that makes a secret adds it before its first use. What a child process
writes directly to the terminal can't be redacted: capture it.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TextIO, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

PLACEHOLDER = "[redacted]"
MINIMUM_LENGTH = 8
"""Characters; a shorter secret would be found in ordinary words, and make output unreadable."""
FRAGMENT_LENGTH = 4
"""Characters of a secret beside an ellipsis that are taken for a part of it."""

T = TypeVar("T")

_ELLIPSIS = re.compile(r"\.\.\.|…")
_GO_JSON = {ord(sign): f"\\u{ord(sign):04x}" for sign in "&<>"}
"""Go's JSON encoder, and so Helm and kubectl, escapes these three characters."""


class Redactor:
    """Replaces secrets by a placeholder, in every form in which they are usually written; threads may share it."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._lock = Lock()

    def add(self, secret: str) -> None:
        """Redact `secret` from now on; of a URL its password too, of several lines each line.

        Raises:
            ValueError: It, or the password in it, is shorter than `MINIMUM_LENGTH`.
        """
        if len(secret) < MINIMUM_LENGTH:
            raise ValueError(f"a secret of {len(secret)} characters can't be redacted; use at least {MINIMUM_LENGTH}")
        forms = written_forms(secret)
        lines = [line.strip() for line in secret.splitlines()]
        if len(lines) > 1:
            forms.update(line for line in lines if len(line) >= MINIMUM_LENGTH and not line.startswith("-----"))
        with self._lock:  # parts of a run that are created in parallel add theirs at the same time
            # Longest first: a form that contains another is replaced as a whole.
            self._forms = tuple(sorted({*self._forms, *forms}, key=lambda form: (-len(form), form)))
        if password := _password(secret):
            self.add(password)

    def text(self, text: str) -> str:
        """Return `text` without secrets, and without parts of one that were cut at an ellipsis."""
        for form in self._forms:
            text = text.replace(form, PLACEHOLDER)
        return self._pieces(text) if self._forms else text

    def content(self, content: bytes) -> bytes:
        """Return bytes without secrets; compressed content is not changed."""
        for form in self._forms:
            content = content.replace(form.encode(), PLACEHOLDER.encode())
        return content

    def data(self, value: T) -> T:
        """Return a value of dicts, lists, tuples and scalars with every string in it redacted."""
        return cast(T, self._data(value))

    def stream(self, file: TextIO) -> TextIO:
        """Return `file` with every write redacted."""
        return cast(TextIO, _Stream(file, self))

    def _data(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._data(key): self._data(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(map(self._data, value))
        if isinstance(value, list):
            return list(map(self._data, value))
        return value

    def _pieces(self, text: str) -> str:
        # Long reprs are cut in the middle; the remaining part of a secret matches none of its forms.
        parts = re.split(f"({_ELLIPSIS.pattern})", text)
        for index in range(1, len(parts), 2):
            before, after = parts[index - 1], parts[index + 1]
            if size := max((_overlap(before, form) for form in self._forms), default=0):
                parts[index - 1] = before[:-size] + PLACEHOLDER
            if size := max((_overlap(after[::-1], form[::-1]) for form in self._forms), default=0):
                parts[index + 1] = PLACEHOLDER + after[size:]
        return "".join(parts)


def _overlap(text: str, form: str) -> int:
    """Return the length of the longest proper prefix of `form` that `text` ends with; 0 below FRAGMENT_LENGTH."""
    longest = min(len(text), len(form) - 1)
    if form[:FRAGMENT_LENGTH] not in text[-longest:]:
        return 0
    return next((size for size in range(longest, FRAGMENT_LENGTH - 1, -1) if text.endswith(form[:size])), 0)


def _password(secret: str) -> str | None:
    try:
        password = urlsplit(secret).password
    except ValueError:
        return None
    return unquote(password) if password else None


def written_forms(secret: str) -> set[str]:
    """Return a secret in every form in which it is usually written: itself, quoted, escaped, and in base64."""
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    quoted |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in quoted}
    escaped = set(_json_escaped([secret]))
    return {
        secret,
        repr(secret)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        *quoted,
        *escaped,
        *_json_escaped(escaped),  # JSON in a string of JSON: an annotation, a log line
        *_base64(secret.encode()),
    }


def _json_escaped(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for ascii_only in (True, False):
            escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            yield escaped
            yield escaped.translate(_GO_JSON)


def _base64(secret: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(secret).decode()
        # In a longer text the secret starts at one of three offsets; only the characters without bits of its
        # neighbours are always the same.
        for offset in range(3):
            encoded = encode(b"\0" * offset + secret).decode().rstrip("=")
            end = (offset + len(secret)) * 8 // 6
            yield encoded[-(-offset * 8 // 6) : end]


class _Stream:
    def __init__(self, file: TextIO, redactor: Redactor) -> None:
        self._file = file
        self._redactor = redactor

    def write(self, text: str) -> int:
        self._file.write(self._redactor.text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@contextmanager
def filtered_logging(filter_: Redactor) -> Iterator[None]:
    """Redact the message and the traceback of every log record that is created until exit."""
    previous = logging.getLogRecordFactory()

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = previous(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a format that does not fit its arguments
            message = f"{record.msg} {record.args}"
        record.msg, record.args = filter_.text(message), ()
        if record.exc_info and record.exc_info[0]:
            # logging uses `exc_text`, if set, instead of formatting the exception.
            record.exc_text = filter_.text("".join(traceback.format_exception(*record.exc_info)).rstrip())
        if record.stack_info:
            record.stack_info = filter_.text(record.stack_info)
        return record

    logging.setLogRecordFactory(factory)
    try:
        yield
    finally:
        logging.setLogRecordFactory(previous)


redactor = Redactor()
"""The process's one redactor: secrets belong to the process, not to a test."""
