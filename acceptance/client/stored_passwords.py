"""Passwords in PostgreSQL: nobody who reads a table, or a backup of it, may read or look up a password."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from psycopg import Connection, sql

from acceptance.core.redaction import written_forms

HASHES = ("md5", "sha1", "sha256", "sha512")
"""Hash functions without a salt: a list of common passwords and their hashes finds the password."""
MIN_LENGTH = 16
"""Characters that the hash of a password has at least, in any notation: an MD5 has 22 in base64."""
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")


def readable_forms(password: str) -> dict[str, set[str]]:
    """Return by what they are the texts in which a password can be read or looked up, in lower case."""
    encoded = password.encode()
    forms = {"the password": written_forms(password) | {encoded.hex()}}
    for name in HASHES:
        digest = hashlib.new(name, encoded, usedforsecurity=False).digest()
        forms[f"its {name.upper()} hash without a salt"] = {digest.hex(), base64.b64encode(digest).decode()[:-2]}
    return {what: {text.lower() for text in texts} for what, texts in forms.items()}


def tables_with(postgres: Connection[Any], texts: Collection[str]) -> list[str]:
    """Return the tables that have one of the texts, which are in lower case, in a row."""
    query = (
        "SELECT EXISTS (SELECT FROM {} AS entry, unnest(%s::text[]) AS wanted "
        "WHERE position(wanted IN lower(entry::text)) > 0)"
    )
    found = []
    for name in _tables(postgres):
        statement = sql.SQL(query).format(sql.Identifier(*name))
        (has_one,) = postgres.execute(statement, [list(texts)]).fetchone() or (False,)
        if has_one:
            found.append(".".join(name))
    return found


def values_beside(postgres: Connection[Any], keys: Sequence[str]) -> set[tuple[str, str]]:
    """Return what is in the rows that have one of the keys in some column: tables and texts, without timestamps.

    Args:
        postgres: A connection that may read every table.
        keys: Texts that one user alone has, such as an email.
    """
    query = (
        "SELECT other.value FROM {} AS entry, jsonb_each_text(to_jsonb(entry)) AS own, "
        "jsonb_each_text(to_jsonb(entry)) AS other WHERE own.value = ANY(%s) AND length(other.value) >= %s"
    )
    found = set()
    for name in _tables(postgres):
        statement = sql.SQL(query).format(sql.Identifier(*name))
        texts = postgres.execute(statement, [list(keys), MIN_LENGTH]).fetchall()
        found |= {(".".join(name), text) for (text,) in texts if not TIMESTAMP.match(text)}
    return found


def _tables(postgres: Connection[Any]) -> Iterator[tuple[str, str]]:
    """Yield the schema and name of each table that is not PostgreSQL's own."""
    query = (
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        "AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    )
    yield from postgres.execute(query).fetchall()
