"""The ledger: what a writer was told was stored, held against what PostgreSQL holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from acceptance.checks.finding import Finding
from acceptance.traffic.records import Record
from acceptance.traffic.sampler import SampleRun

SHOWN = 5


@dataclass(frozen=True)
class Write:
    """One write by its marker; acknowledged by a 2xx that was read to its end."""

    marker: str
    acknowledged: bool


@dataclass(frozen=True)
class Reconciliation:
    """The ledger against the table: markers that are there too seldom, too often, or were never written."""

    acknowledged: int
    unacknowledged: int
    kept: int
    """Unacknowledged writes that are there nevertheless, as they may be."""
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    unknown: tuple[str, ...]

    def figures(self) -> dict[str, int]:
        """Numbers of writes, for the report; `stored` are those that are there, once or more."""
        return {
            "acknowledged": self.acknowledged,
            "unacknowledged": self.unacknowledged,
            "stored": self.acknowledged - len(self.lost) + self.kept,
            "lost": len(self.lost),
            "doubled": len(self.duplicated),
        }


def acknowledged(record: Record) -> bool:
    return not record.error and 200 <= record.status < 300


def writes(sampling: SampleRun) -> list[Write]:
    """What a sampler's run wrote: every request once, since nothing is retried."""
    return [Write(f"{sampling.plan.token}-{record.number}", acknowledged(record)) for record in sampling.records]


def reconcile(written: Iterable[Write], counted: Mapping[str, int]) -> Reconciliation:
    """Each acknowledged write is to be there exactly once, each other one at most once, and nothing else.

    Raises `ValueError` where nothing was acknowledged: that proves nothing.
    """
    by_marker = {write.marker: write.acknowledged for write in written}
    sure = {marker for marker, is_sure in by_marker.items() if is_sure}
    if not sure:
        raise ValueError("no write was acknowledged, so there is nothing to hold the table against")
    return Reconciliation(
        acknowledged=len(sure),
        unacknowledged=len(by_marker) - len(sure),
        kept=sum(counted.get(marker, 0) > 0 for marker in by_marker.keys() - sure),
        lost=tuple(sorted(marker for marker in sure if not counted.get(marker))),
        duplicated=tuple(sorted(marker for marker, count in counted.items() if count > 1)),
        unknown=tuple(sorted(counted.keys() - by_marker.keys())),
    )


def discrepancies(rule: str, table: str, settlement: Reconciliation) -> list[Finding]:
    """A finding for each way in which the table differs from the ledger."""
    faults = (
        ("acknowledged writes", "each there", "lost", settlement.lost),
        ("writes", "each at most once", "there more than once", settlement.duplicated),
        ("rows", "none that was not written", "never written", settlement.unknown),
    )
    return [
        Finding(rule, f"Table/{table}", field, wanted, f"{len(markers)} {words}: {', '.join(markers[:SHOWN])}")
        for field, wanted, words, markers in faults
        if markers
    ]


def count(
    connection: psycopg.Connection[tuple[object, ...]],
    table: str,
    column: str,
    token: str,
    where: Mapping[str, str] | None = None,
) -> Counter[str]:
    """How often each marker of `token` occurs in a text column, counted in PostgreSQL's own rows.

    `table` may be `schema.table`; `where` holds further columns and their wanted values.
    """
    conditions = [sql.SQL("{} LIKE {}").format(sql.Identifier(column), sql.Literal(f"%{token}-%"))]
    for name, value in (where or {}).items():
        conditions.append(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)))
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.Identifier(column), sql.Identifier(*table.split(".")), sql.SQL(" AND ").join(conditions)
    )
    pattern = re.compile(rf"{re.escape(token)}-\d+")
    rows = connection.execute(query).fetchall()
    return Counter(marker for (text,) in rows for marker in set(pattern.findall(str(text))))
