"""Rows of the application's tables, read directly from PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, errors, sql
from psycopg.rows import dict_row

from acceptance.checks.finding import Untested
from acceptance.client.identity import canonical, is_uuid
from acceptance.core.target import Tables

Row = dict[str, Any]


def not_deleted(column: str | None) -> sql.Composable:
    """Return the condition for rows that are not marked as deleted; without a column for that, all rows."""
    if column is None:
        return sql.SQL("true")
    return sql.SQL("coalesce({}::text, 'false') IN ('false', '0')").format(sql.Identifier(column))


@contextmanager
def untested_if_absent() -> Iterator[None]:
    """Raise `Untested` where a query names a table or column that the database does not have."""
    try:
        yield
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        raise Untested(f"[tables] of the target does not fit the database: {str(error).splitlines()[0]}") from error


def rows(
    postgres: Connection[Any], table: str, where: Mapping[str, object], *, deleted: str | None = None
) -> list[Row]:
    """Return the rows of `table` or `schema.table` with these column values, ordered by the first column.

    UUIDs are text, as the API has them. Rows that the column `deleted` marks are left out.

    Raises:
        Untested: The database has no such table or column.
    """
    conditions = [*(_equals(name, str(value)) for name, value in where.items()), not_deleted(deleted)]
    query = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY 1").format(
        sql.Identifier(*table.split(".")), sql.SQL(" AND ").join(conditions)
    )
    with untested_if_absent():
        found = postgres.cursor(row_factory=dict_row).execute(query).fetchall()
    return [{name: str(value) if isinstance(value, UUID) else value for name, value in row.items()} for row in found]


def _equals(column: str, value: str) -> sql.Composable:
    """Return the condition for a value as text; that of a UUID may have another case, and no hyphens."""
    text = sql.SQL("replace(lower({}::text), '-', '') = {}" if is_uuid(value) else "{}::text = {}")
    return text.format(sql.Identifier(column), canonical(value))


def lock_row(postgres: Connection[Any], table: str, column: str, value: object) -> None:
    """Lock the row with this value until the transaction ends; `AssertionError` if there is none."""
    query = sql.SQL("SELECT 1 FROM {} WHERE {} FOR UPDATE").format(
        sql.Identifier(*table.split(".")), _equals(column, str(value))
    )
    with untested_if_absent():
        locked = postgres.execute(query).fetchall()
    assert locked, f"{table}: expected a row whose {column} is {value}, got none"


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


def exists(postgres: Connection[Any], table: str | None) -> bool:
    """Return whether there is a table of this name, with or without its schema."""
    return table is not None and _one(postgres, "to_regclass(%s) IS NOT NULL", _name(table))


def has_column(postgres: Connection[Any], table: str, column: str) -> bool:
    """Return whether a table has a column of this name."""
    found = "EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped)"
    return _one(postgres, found, _name(table), column)


def _name(table: str) -> str:
    return sql.Identifier(*table.split(".")).as_string(None)


def _one(postgres: Connection[Any], condition: LiteralString, *values: str) -> bool:
    return postgres.execute(sql.SQL("SELECT ") + sql.SQL(condition), values).fetchone() == (True,)


def tags_lack_owner(postgres: Connection[Any], tables: Tables) -> bool:
    """Return whether there is a table of tags, and nothing in it tells whose they are."""
    table = tables.tag
    return table is not None and exists(postgres, table) and not has_column(postgres, table, tables.owner)


def tag_rows(
    postgres: Connection[Any], tables: Tables, user_id: str, name: str | None = None, *, deleted: str | None = None
) -> list[Row]:
    """Return a user's tags, or those of one name; everybody's where tags have no owner.

    Raises:
        Untested: The target names no table of tags, or the database does not have it.
    """
    if tables.tag is None:
        raise Untested("the target names no table of tags: they were judged by the API alone")
    where = {} if tags_lack_owner(postgres, tables) else {tables.owner: user_id}
    return rows(postgres, tables.tag, where | ({} if name is None else {tables.tag_name: name}), deleted=deleted)


def user_rows(postgres: Connection[Any], tables: Tables, user_id: str) -> dict[str, list[Row]]:
    """Return every row of a user by table, to compare them before and after a request.

    An application without tags or chat lacks some of the tables. Tags without an owner are nobody's.

    Raises:
        Untested: There is no table of tasks, so that nothing would be compared; or one of tasks, conversations or
            messages lacks a column that the target names.
    """
    if not exists(postgres, tables.task):
        raise Untested(f"[tables] of the target does not fit the database: there is no table {tables.task}")
    owned = [name for name in (tables.task, tables.conversation) if exists(postgres, name)]
    if tables.tag is not None and exists(postgres, tables.tag) and not tags_lack_owner(postgres, tables):
        owned.append(tables.tag)
    found = {name: rows(postgres, name, {tables.owner: user_id}) for name in owned}
    conversations = found.get(tables.conversation, []) if exists(postgres, tables.message) else []
    messages = [
        row
        for conversation in conversations
        for row in rows(postgres, tables.message, {tables.message_conversation: conversation[tables.conversation_id]})
    ]
    return {**found, tables.message: messages}
