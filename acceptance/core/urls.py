"""URLs and origins, parsed and validated."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

URL = re.compile(r"\b(?:https?|wss?)://[^\s\"'<>,]+")
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def split(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None where the text is not a URL; a bad port or address makes it invalid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname else None


def origin_error(text: str) -> str | None:
    """Return why a text is not an origin (scheme, host and port only), or None."""
    parts = split(text)
    if parts is None or parts.scheme not in ("http", "https") or re.search(r"[\s*\"']", parts.netloc):
        return "not an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "with credentials"
    if parts.path or parts.query or parts.fragment or "?" in text or "#" in text:
        return f"with {parts.path or 'a query or fragment'} after the host"
    return None


def database_url_error(text: str) -> str | None:
    """Return why a text is not a PostgreSQL URL with user, password and host, or None; never quotes the text."""
    if re.search(r"\s", text):
        return "with white space in it"
    parts = split(text)
    scheme = parts.scheme if parts else text.partition("://")[0] if "://" in text else ""
    if not re.fullmatch(r"postgres(ql)?(\+[a-z0-9]+)?", scheme):
        return f"with the scheme {scheme}" if re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme) else "without a scheme"
    if parts is None:
        return "without a host"
    missing = [name for name in ("username", "password") if not getattr(parts, name)]
    return f"without {' and '.join(missing)}" if missing else None
