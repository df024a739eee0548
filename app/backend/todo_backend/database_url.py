"""DATABASE_URL as people write it, made into what libpq takes: used for the server's engine and for migrations."""

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

_SCHEME = re.compile(r"(postgres|postgresql)(\+\w+)?://")


def conninfo(url: str) -> str:
    """The libpq URI for ``url``: ``postgres://`` or ``postgresql://``, with or without a driver's suffix.

    All else, ``sslmode`` and ``channel_binding`` included, reaches libpq as it is.

    Raises:
        ValueError: when it is no PostgreSQL URL with user, password and host. The message holds no part of it.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError("is not a postgres:// or postgresql:// URL")
    uri = "postgresql://" + url[scheme.end() :]
    try:
        parts = conninfo_to_dict(uri)
    except (psycopg.Error, UnicodeError):
        # libpq's own message may quote the password.
        raise ValueError("is refused by libpq: check its percent-encoding and its parameters") from None
    missing = [name for name in ("user", "password", "host") if not parts.get(name)]
    if missing:
        raise ValueError("has no " + " and no ".join(missing))
    return uri
