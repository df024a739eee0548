"""Converts DATABASE_URL to a libpq URI, for the server and for migrations."""

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

_SCHEME = re.compile(r"(postgres|postgresql)(\+\w+)?://")


def conninfo(url: str) -> str:
    """The libpq URI for ``url``: ``postgres://`` or ``postgresql://``, with or without a driver suffix.

    Everything else, including ``sslmode`` and ``channel_binding``, is passed to libpq unchanged.

    Raises:
        ValueError: if it is not a PostgreSQL URL with user, password and host. The message contains no part of it.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError("is not a postgres:// or postgresql:// URL")
    uri = "postgresql://" + url[scheme.end() :]
    try:
        parts = conninfo_to_dict(uri)
    except (psycopg.Error, UnicodeError):
        # The message of libpq may quote the password.
        raise ValueError("is refused by libpq: check its percent-encoding and its parameters") from None
    missing = [name for name in ("user", "password", "host") if not parts.get(name)]
    if missing:
        raise ValueError("has no " + " and no ".join(missing))
    return uri
