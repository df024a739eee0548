"""What a database has: the columns of its tables, checksums of their rows, and connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql

Column = tuple[str, str, str]
"""Table, column and type."""
SYSTEM = ("pg_catalog", "information_schema")


def columns(connection: Connection[Any]) -> frozenset[Column]:
    """Return the columns of every table; the table is `schema.table` outside `public`."""
    rows = connection.execute(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema <> ALL(%s)",
        [list(SYSTEM)],
    ).fetchall()
    return frozenset((qualified(schema, table), name, kind) for schema, table, name, kind in rows)


@contextmanager
def tables_unchanged(connection: Connection[Any]) -> Iterator[None]:
    """Keep everybody from creating or changing a table until exit: attempts wait, and reads go on.

    Args:
        connection: A superuser's, in autocommit.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE pg_catalog.pg_class IN SHARE ROW EXCLUSIVE MODE")
        yield


def qualified(schema: str, table: str) -> str:
    """Return the table as the target names it."""
    return table if schema == "public" else f"{schema}.{table}"


def tables(found: Iterable[Column]) -> list[str]:
    """Return the names of the tables that have these columns."""
    return sorted({table for table, _, _ in found})


def checksums(connection: Connection[Any]) -> dict[str, tuple[int, str]]:
    """Return the number of rows of each table, and a digest of them that does not depend on their order."""
    query = sql.SQL("SELECT count(*), coalesce(md5(string_agg(h, '' ORDER BY h)), '') FROM (SELECT md5(t::text) AS h")
    return {
        table: connection.execute(
            query + sql.SQL(" FROM {} AS t) AS hashed").format(sql.Identifier(*table.split(".")))
        ).fetchall()[0]
        for table in tables(columns(connection))
    }


def connections_of(connection: Connection[Any], role: str) -> Counter[str]:
    """Return how many connections the role has to this database, by application_name."""
    rows = connection.execute(
        "SELECT application_name, count(*) FROM pg_stat_activity"
        " WHERE usename = %s AND datname = current_database() GROUP BY 1",
        [role],
    ).fetchall()
    return Counter({str(name): int(number) for name, number in rows})


def connection_limit(connection: Connection[Any]) -> int:
    """Return how many connections the server allows to roles other than superusers."""
    ((limit,),) = connection.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    ).fetchall()
    return int(limit)
