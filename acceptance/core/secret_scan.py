"""Finds credentials in texts; results name the place and the kind, never the credential."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

PATTERNS = {
    "an OpenAI key": re.compile(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}"),
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@\"'{}]+:(?P<word>[^\s@\"'/]+)@[\w.-]+"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/]"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,})"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
}
ASSIGNED = r"""\b{name}["']?\s*[:=]\s*["']?(?P<word>[^\s"'{{}}<>$|#,;()]{{8,}})"""
BASE64 = re.compile(r"\b[A-Za-z0-9+/]{24,}={0,2}")
PLACEHOLDER = re.compile(
    r"^(\W*|x+|.*(example|placeholder|change-?_?me|your|dummy|password|passwd|redacted|unused|not-used|build).*|"
    r"pass|pw|secret|user|…|\.\.\.)$",
    re.IGNORECASE,
)


def credential_kinds(text: str, names: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the kinds of credentials in a text, base64 in it included.

    Placeholders such as `password` or `<yours>`, and template expressions, are not credentials.

    Args:
        text: The text.
        names: Keys whose value in `KEY: value` is a credential.
    """
    patterns = dict(PATTERNS)
    patterns |= {f"a value of {name}": re.compile(ASSIGNED.format(name=re.escape(name))) for name in names}
    for kind, pattern in patterns.items():
        for match in pattern.finditer(text):
            word = match.groupdict().get("word")
            if word is None or not (PLACEHOLDER.match(word) or word.startswith((".", "/", "%"))):
                yield kind
                break
    for match in BASE64.finditer(text):
        try:
            inner = base64.b64decode(match.group(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
        for kind, pattern in PATTERNS.items():
            if pattern.search(inner):
                yield f"{kind} in base64"


def leaked_secrets(text: str, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of the secrets that a text contains, as they are or in base64."""
    for name, secret in secrets.items():
        if secret and (secret in text or base64.b64encode(secret.encode()).decode() in text):
            yield name


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in a nested value with its dotted path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from strings(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from strings(entry, f"{path}[{index}]")
