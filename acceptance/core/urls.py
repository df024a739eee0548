"""URLs and origins, parsed and validated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

URL = re.compile(r"\b(?:https?|wss?)://[^\s\"'<>,]+")
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


BINDING = "channel_binding"
"""The parameter by which a client binds a login to its TLS connection, which a pooler in between can't take part in."""


@dataclass(frozen=True)
class DatabaseUrlForm:
    """How an application wants the URL of PostgreSQL: its scheme, which may name a driver, and its query."""

    scheme: str = "postgresql"
    query: str = f"sslmode=require&{BINDING}=require"

    def written(self, url: str, *, pooled: bool = False) -> str:
        """Return a URL in this form: the same place and credentials.

        Args:
            url: Any URL of the database.
            pooled: Whether a pooler is in between.
        """
        place = url.partition("://")[2].partition("?")[0]
        parts = [part for part in self.query.split("&") if part and not (pooled and part.startswith(f"{BINDING}="))]
        return f"{self.scheme}://{place}" + ("?" + "&".join(parts) if parts else "")


AS_NEON_GIVES = DatabaseUrlForm()


def authority(host: str, port: int) -> str:
    """Return host and port as a URL and a Host header have them: an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(r"postgres(ql)?(\+[a-z0-9_]+)?", scheme):
        known = re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme) and separator
        return f"with the scheme {scheme}" if known else "without a scheme"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and "@" not in authority:
        # As libpq and browsers read it, the URL's host would end in the password.
        return "with an unencoded /, ? or # in user or password" if ":" in authority else "without user and password"
    credentials, _, hosts = authority.rpartition("@")
    if "@" in credentials:
        return "with an unencoded @ in user or password"
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", credentials):
        return "with a % in user or password that does not start a percent-encoded character"
    user, _, password = credentials.partition(":")
    query = parse_qs(rest.partition("?")[2])
    parts = {"username": user, "password": password, "host": hosts.partition(":")[0] if hosts[:1] != "[" else hosts}
    named = {"username": "user", "password": "password", "host": "host"}
    missing = [name for name, part in parts.items() if not (part or query.get(named[name]))]
    if missing == ["host"]:
        return "without a host"
    return f"without {' and '.join(missing)}" if missing else _hosts_error(hosts)


def _hosts_error(hosts: str) -> str | None:
    """Return why one of the comma-separated hosts, each with its port, is not valid, or None."""
    for host in filter(None, hosts.split(",")):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::(\d*))?", host)
        if match is None or int(match[2] or 0) > 65535:
            return "with a host or port that is not valid"
    return None
