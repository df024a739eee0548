"""Finds credentials in texts; results name the place and the kind, never the credential."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

SHORT = 2000
"""Characters of a text whose credentials are remembered: the same texts are in most renderings of a chart."""
FORMATS = {
    "an OpenAI key": re.compile(r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?(?P<word>[A-Za-z0-9_-]{20,})"),
    "an Anthropic key": re.compile(r"\bsk-ant-(?P<word>[A-Za-z0-9_-]{20,})"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)(?P<word>[A-Z0-9]{16})\b"),
    "a Google key": re.compile(r"\bAIza(?P<word>[A-Za-z0-9_-]{35})\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]|github_pat)_(?P<word>[A-Za-z0-9_]{36,})"),
    "a GitLab token": re.compile(r"\bglpat-(?P<word>[A-Za-z0-9_-]{20,})"),
    "a Slack token": re.compile(r"\bxox[abprs]-(?P<word>[A-Za-z0-9-]{20,})"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.(?P<word>[A-Za-z0-9_-]{10,})"),
}
"""Formats that only credentials have."""
URL = re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@\"'{}<>]*:(?P<word>[^\s@\"'/]+)@[\w.\[-]+", re.IGNORECASE)
PRIVATE_KEY = re.compile(
    # The lines of a block may be quoted, commented out, or written with \n in one line.
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:[\s#;*>|\"'/+,-]|\\n|[\w-]+: [^\n]*\n)*"
    r"(?P<word>[A-Za-z0-9+/]{4,}={0,2})(?=\s|\\n|[\"']|$)"
)
BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{24,}={0,2}")
ASSIGNED = (
    r"""^[ \t"'-]*(?:export |ENV |ARG )?{name}["']?[ \t]*[:=][ \t]*"""
    r"""["']?(?P<word>[^\s"'#]{{8,}})["']?[ \t]*(?:#.*)?$"""
)
"""A line that gives a literal to a key."""
PLACEHOLDER = re.compile(
    r"\W*|(.)\1*|x{3,}[\w-]*|[\w-]*x{4,}|.*\.\.\..*|.*(…|<|>|\{\{|\}\}|\$\(|\$\{|\*{3}).*|"
    r".*(change|replace|insert|example|placeholder|dummy|redacted|generate|your|sample).*|"
    r"(.*[^A-Za-z0-9])?(build|demo|dev|disabled|fake|invalid|local|mock|none|not-?used|stub|test|testing|todo|unused)"
    r"([^A-Za-z0-9].*)?|(my-?)?(pass|passwd|password|pw|pwd|secret|token|key|user|api-?key)",
    re.IGNORECASE | re.DOTALL,
)
"""Words that stand for a credential in examples."""
SEQUENCE = re.compile(r"abcdef|012345|123456|qwerty", re.IGNORECASE)
NO_CREDENTIAL = re.compile(
    r"\s*|true|false|yes|no|on|off|null|none|nil|undefined|enabled|disabled|required|optional|unused|not-?used|dummy|"
    r"n/a|[/~].*|\$[({\w].*|.*\{\{.*|<.*>|\d{1,3}[smhd]?|[a-z+]+://[^@]*",
    re.IGNORECASE | re.DOTALL,
)
"""Values of a variable named like a credential that are none: switches, paths, references, URLs without a password."""
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LAST_WORDS = frozenset(
    {"apikey", "authtoken", "credential", "credentials", "passphrase", "passwd", "password", "pwd", "secret", "token"}
)
KEYS = frozenset({"access", "api", "auth", "cookie", "encryption", "jwt", "master", "private", "secret", "session"})
KEYS_OF_USE = frozenset({"signing", "signature", "hmac", "service", "account"})
NO_SECRET_WORDS = frozenset({"existing", "name", "pull", "public", "publishable", "ref", "tls", "from", "csrf"})


def names_credential(name: str) -> bool:
    """Return whether the last words of a name, such as `POSTGRES_PASSWORD`, say that its value is a credential."""
    words = [word.lower() for word in WORDS.findall(name.rpartition(".")[2])]
    if not words or NO_SECRET_WORDS & set(words):
        return False
    if words[-1] in LAST_WORDS:
        return True
    return len(words) > 1 and words[-1] == "key" and words[-2] in KEYS | KEYS_OF_USE


def holds_credential(name: str, value: object) -> bool:
    """Return whether a variable's literal value is a credential, a weak one such as `changeme` too."""
    return isinstance(value, str) and names_credential(name) and not NO_CREDENTIAL.fullmatch(value)


def is_placeholder(word: str) -> bool:
    """Return whether a word is an example's placeholder of a credential: `password`, `<yours>`, `sk-proj-xxxx`."""
    return PLACEHOLDER.fullmatch(word) is not None


def looks_random(word: str) -> bool:
    """Return whether a word looks generated: long, of letters and digits, without words of an example."""
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(word) >= 16 and kinds >= 2 and len(set(word)) >= 8 and _no_example(word)


def credential_kinds(text: str, names: tuple[str, ...] = (), *, prose: bool = False) -> tuple[str, ...]:
    """Return the kinds of credentials in a text, base64 in it included; a short text is scanned once.

    Placeholders such as `password` or `<yours>`, and template expressions, are not credentials.

    Args:
        text: The text.
        names: Keys whose value in a line `KEY=value` or `KEY: value` is a credential.
        prose: Whether it is documentation: a URL counts only if its password looks generated.
    """
    return (_kinds_of_short if len(text) <= SHORT else _kinds)(text, names, prose)


def _kinds(text: str, names: tuple[str, ...], prose: bool) -> tuple[str, ...]:
    return tuple(_found(text, names, prose=prose))


_kinds_of_short = lru_cache(16384)(_kinds)


def _found(text: str, names: tuple[str, ...], *, prose: bool) -> Iterator[str]:
    real = looks_random if prose else _no_example
    for kind, pattern in FORMATS.items():
        if any(real(match["word"]) for match in pattern.finditer(text)):
            yield kind
    if any(_real_password(match["word"], prose=prose) for match in URL.finditer(text)):
        yield "a URL with a password"
    if any(not is_placeholder(match["word"]) for match in PRIVATE_KEY.finditer(text)):
        yield "a private key"
    for name in names:
        assigned = ASSIGNED.format(name=re.escape(name))
        for match in re.finditer(assigned, text, re.MULTILINE):
            if not (is_placeholder(match["word"]) or NO_CREDENTIAL.fullmatch(match["word"])):
                yield f"a value of {name}"
                break
    for match in BASE64.finditer(text):
        inner = _decoded(match.group())
        if inner is not None and "\0" not in inner:
            yield from (kind if kind.endswith("base64") else f"{kind} in base64" for kind in credential_kinds(inner))


def _no_example(word: str) -> bool:
    return not (is_placeholder(word) or SEQUENCE.search(word))


def _real_password(word: str, *, prose: bool) -> bool:
    return looks_random(word) if prose else not (is_placeholder(word) or word.startswith(("$", "%(", "%s", "{", "[")))


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in a nested value with its dotted path, in which a list's entry has its name or number."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from strings(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            name = entry.get("name") if isinstance(entry, Mapping) else None
            yield from strings(entry, f"{path}[{name if isinstance(name, str) else index}]")
