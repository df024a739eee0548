"""The write ledger: acknowledged and unacknowledged writes, compared with the rows in PostgreSQL."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from acceptance.checks.finding import Finding, Untested
from acceptance.client.rows import not_deleted, untested_if_absent
from acceptance.client.speakers import SPEAKERS, is_known
from acceptance.provision.database import Database
from acceptance.traffic.plans import StoredIn
from acceptance.traffic.records import Record
from acceptance.traffic.sampler import SampleRun

SHOWN = 5


@dataclass(frozen=True)
class Write:
    """One write, identified by its marker; acknowledged by a complete 2xx response."""

    marker: str
    acknowledged: bool


@dataclass(frozen=True)
class Reconciliation:
    """The comparison of ledger and table: the markers of lost, duplicated and unknown rows."""

    acknowledged: int
    unacknowledged: int
    kept: int
    """Unacknowledged writes that were stored nevertheless, which is allowed."""
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    unknown: tuple[str, ...]

    def figures(self) -> dict[str, int]:
        """Numbers of writes, for the report; `stored` are those that were stored once or more."""
        return {
            "acknowledged": self.acknowledged,
            "unacknowledged": self.unacknowledged,
            "stored": self.acknowledged - len(self.lost) + self.kept,
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
        }


def acknowledged(record: Record) -> bool:
    """Return whether the response was a 2xx that was read to its end."""
    return not record.error and 200 <= record.status < 300


def writes(run: SampleRun) -> list[Write]:
    """Return the writes of a sample run: one for each request, since nothing is retried."""
    return [Write(f"{run.plan.token}-{record.number}", acknowledged(record)) for record in run.records]


def reconcile(written: Iterable[Write], counted: Mapping[str, int]) -> Reconciliation:
    """Compare the writes with how often the table contains each marker.

    Each acknowledged write must be stored exactly once, each other one at most once, and nothing else.

    Raises:
        ValueError: No write was acknowledged, which proves nothing.
    """
    by_marker = {write.marker: write.acknowledged for write in written}
    sure = {marker for marker, is_sure in by_marker.items() if is_sure}
    if not sure:
        raise ValueError("no write was acknowledged, so there is nothing to compare the table with")
    return Reconciliation(
        acknowledged=len(sure),
        unacknowledged=len(by_marker) - len(sure),
        kept=sum(counted.get(marker, 0) > 0 for marker in by_marker.keys() - sure),
        lost=tuple(sorted(marker for marker in sure if not counted.get(marker))),
        duplicated=tuple(sorted(marker for marker, count in counted.items() if count > 1)),
        unknown=tuple(sorted(counted.keys() - by_marker.keys())),
    )


def discrepancies(rule: str, table: str, reconciliation: Reconciliation) -> list[Finding]:
    """Return a finding for each way in which the table differs from the ledger."""
    kinds = (
        ("acknowledged writes", "each stored", "lost", reconciliation.lost),
        ("writes", "each stored at most once", "stored more than once", reconciliation.duplicated),
        ("rows", "only those that were written", "never written", reconciliation.unknown),
    )
    return [
        Finding(rule, f"Table/{table}", field, expected, f"{len(markers)} {problem}: {', '.join(markers[:SHOWN])}")
        for field, expected, problem, markers in kinds
        if markers
    ]


@dataclass(frozen=True)
class Ledger:
    """The ledger of one kind of row that a sample run wrote, compared with PostgreSQL."""

    stored: StoredIn
    reconciliation: Reconciliation

    def findings(self, rule: str) -> list[Finding]:
        """Return a finding for each way in which the table differs from the ledger."""
        return discrepancies(rule, f"{self.stored.table} ({self.stored.what})", self.reconciliation)


def reconcile_traffic(traffic: Mapping[str, SampleRun], database: Database) -> dict[str, Ledger]:
    """Compare what each sample run wrote with the rows in PostgreSQL; return the ledgers by `label: kind of row`.

    A run of which no write was acknowledged has no ledger, since that proves nothing; nor has a kind of row for which
    the database has no table or column of the target's name.
    """
    ledgers = {}
    with database.admin() as connection:
        for label, run in traffic.items():
            written = writes(run)
            if not any(write.acknowledged for write in written):
                continue
            for stored in run.plan.stored:
                try:
                    counted = count(connection, stored.table, stored.column, run.plan.token, stored.where)
                except Untested:
                    continue
                ledgers[f"{label}: {stored.what}"] = Ledger(stored, reconcile(written, counted))
    return ledgers


def raise_if_foreign(connection: psycopg.Connection[tuple[object, ...]], table: str, column: str) -> None:
    """Raise `Untested` if a column that says who wrote a message has words for that which are not known."""
    query = sql.SQL("SELECT DISTINCT {}::text FROM {}").format(
        sql.Identifier(column), sql.Identifier(*table.split("."))
    )
    with untested_if_absent():
        found = sorted(str(word) for (word,) in connection.execute(query).fetchall() if word is not None)
    if foreign := [word for word in found if not is_known(word)]:
        raise Untested(
            f"who wrote a message is in {table}.{column} as {', '.join(foreign)}, which the suite can't read"
        )


def count(
    connection: psycopg.Connection[tuple[object, ...]],
    table: str,
    column: str,
    token: str,
    where: Mapping[str, str] | None = None,
    *,
    deleted: str | None = None,
) -> Counter[str]:
    """Return how often each marker of `token` occurs in a text column, as counted in PostgreSQL.

    Args:
        connection: An administrator's connection.
        table: The table's name; `schema.table` if it is not in the search path.
        column: The column that contains the markers.
        token: The token of the sample run.
        where: Columns that say who wrote a message: `user` or `assistant`, in any of its words.
        deleted: The column that marks deleted rows, which do not count.

    Raises:
        Untested: The database has no such table or column, or one of `where` has other words.
    """
    conditions: list[sql.Composable] = [
        sql.SQL("{}::text LIKE {}").format(sql.Identifier(column), sql.Literal(f"%{token}-%"))
    ]
    for name, value in (where or {}).items():
        raise_if_foreign(connection, table, name)
        words = list(SPEAKERS[value])
        conditions.append(sql.SQL("lower({}::text) = ANY({})").format(sql.Identifier(name), sql.Literal(words)))
    conditions.append(not_deleted(deleted))
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.Identifier(column), sql.Identifier(*table.split(".")), sql.SQL(" AND ").join(conditions)
    )
    pattern = re.compile(rf"{re.escape(token)}-\d+")
    with untested_if_absent():
        rows = connection.execute(query).fetchall()
    return Counter(marker for (text,) in rows for marker in set(pattern.findall(str(text))))
