"""Whether a shared cache may keep a response, by RFC 9111."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DIRECTIVE = re.compile(r'([\w-]+)(?:\s*=\s*("[^"]*"|[^\s,]+))?')
_FORBIDDING = ("no-store", "private", "no-cache")
_FOR_SHARED = {"public", "s-maxage", "must-revalidate"}
"""What lets a shared cache use the response to a request with an Authorization header again."""
_SHARED = ("Surrogate-Control", "CDN-Cache-Control")
"""Headers for shared caches only, which take precedence over Cache-Control."""


def directives(text: str) -> dict[str, str]:
    """Return the directives of a Cache-Control header in lower case, each with its argument or an empty text."""
    found = _DIRECTIVE.findall(text)
    return {name.lower(): argument.strip('"') for name, argument in found}


def shared_storage(headers: Mapping[str, str], *, authorization: bool = False) -> str:
    """Return which header lets a shared cache keep the response and use it for another user, or an empty text.

    Args:
        headers: The response's headers; their names in any case, as `requests` gives them.
        authorization: Whether the request had an Authorization header: then only a header that says so lets a shared
            cache use the response again (RFC 9111, section 3.5).
    """
    for name in _SHARED:
        if (given := directives(headers.get(name, ""))) and not _forbids(given):
            return f"{name}: {headers[name]}"
    control = headers.get("Cache-Control", "")
    given = directives(control)
    if _forbids(given) or (authorization and not _FOR_SHARED & given.keys()):
        return ""
    lifetime = given.get("s-maxage", given.get("max-age"))
    if lifetime is not None:
        return f"Cache-Control: {control}" if lifetime.lstrip("0") else ""
    if "public" in given:
        return f"Cache-Control: {control}"
    kept = next((name for name in ("Expires", "Last-Modified") if headers.get(name, "0") not in ("0", "-1")), None)
    return f"{kept}: {headers[kept]} without a Cache-Control that forbids it" if kept else ""


def _forbids(given: Mapping[str, str]) -> bool:
    """Return whether directives forbid that a shared cache uses the response again; those of some fields only don't."""
    return any(given.get(name) == "" for name in _FORBIDDING)
