"""Rows of the application's tables, read directly from PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import dict_row

from acceptance.core.target import Tables

Row = dict[str, Any]


def not_deleted(column: str | None) -> sql.Composable:
    """Return the condition for rows that are not marked as deleted; without such a column, that is every row."""
    if column is None:
        return sql.SQL("true")
    return sql.SQL("coalesce({}::text, 'false') IN ('false', '0')").format(sql.Identifier(column))


def rows(
    postgres: Connection[Any], table: str, where: Mapping[str, object], *, deleted: str | None = None
) -> list[Row]:
    """Return the rows of `table` or `schema.table` with these column values, ordered by the first column.

    UUIDs are text, as the API has them. Rows that the column `deleted` marks are left out.
    """
    values = [sql.SQL("{}::text = {}").format(sql.Identifier(name), str(value)) for name, value in where.items()]
    conditions = [*values, not_deleted(deleted)]
    query = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY 1").format(
        sql.Identifier(*table.split(".")), sql.SQL(" AND ").join(conditions)
    )
    found = postgres.cursor(row_factory=dict_row).execute(query).fetchall()
    return [{name: str(value) if isinstance(value, UUID) else value for name, value in row.items()} for row in found]


def changed_tables(before: Mapping[str, list[Row]], after: Mapping[str, list[Row]]) -> str:
    """Return what differs between two results of `user_rows`: by table, the rows that are new, gone or changed."""
    found = []
    for table, old in before.items():
        gone, new = (
            [row for row in one if row not in other] for one, other in ((old, after[table]), (after[table], old))
        )
        if gone or new:
            found.append(f"{table}: {gone} became {new}")
    return "; ".join(found)[:1000]


def exists(postgres: Connection[Any], table: str) -> bool:
    """Whether there is a table of this name, with or without its schema."""
    name = sql.Identifier(*table.split(".")).as_string(postgres)
    return postgres.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone() == (True,)


def user_rows(postgres: Connection[Any], tables: Tables, user_id: str) -> dict[str, list[Row]]:
    """Return every row of a user by table, to compare them before and after a request.

    An application without tags or chat lacks some of the tables.
    """
    owned = [name for name in (tables.task, tables.tag, tables.conversation) if exists(postgres, name)]
    found = {name: rows(postgres, name, {tables.owner: user_id}) for name in owned}
    conversations = found.get(tables.conversation, []) if exists(postgres, tables.message) else []
    messages = [
        row
        for conversation in conversations
        for row in rows(postgres, tables.message, {tables.message_conversation: conversation[tables.conversation_id]})
    ]
    return {**found, tables.message: messages}
