"""What PostgreSQL itself holds, read past the release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from acceptance.database import Database
from acceptance.target import Tables

Row = dict[str, Any]


def rows(database: Database, table: str, where: Mapping[str, object]) -> list[Row]:
    """The rows of `table` (or `schema.table`) whose columns have these values, oldest first as far as `id` tells."""
    conditions = [sql.SQL("{}::text = {}").format(sql.Identifier(name), str(value)) for name, value in where.items()]
    query = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY 1").format(
        sql.Identifier(*table.split(".")), sql.SQL(" AND ").join(conditions)
    )
    with database.admin() as connection:
        return connection.cursor(row_factory=dict_row).execute(query).fetchall()


def all_of(database: Database, tables: Tables, user_id: str) -> dict[str, list[Row]]:
    """Every row that is a user's, by table: to tell that nothing came, went or changed."""
    found = {table: rows(database, table, {tables.owner: user_id}) for table in (tables.task, tables.tag)}
    conversations = rows(database, tables.conversation, {tables.owner: user_id})
    messages = [
        row
        for conversation in conversations
        for row in rows(database, tables.message, {tables.message_conversation: conversation[tables.conversation_id]})
    ]
    return {**found, tables.conversation: conversations, tables.message: messages}
