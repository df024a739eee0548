"""The write ledger: lost, duplicated and unknown writes are found, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from psycopg import errors

from acceptance.checks.finding import Untested
from acceptance.traffic.plans import Plan, StoredIn
from acceptance.traffic.records import Record
from acceptance.traffic.sampler import SampleRun
from acceptance.traffic.write_ledger import (
    Write,
    acknowledged,
    count,
    discrepancies,
    reconcile,
    reconcile_traffic,
    writes,
)

TASKS = StoredIn("tasks", "task", "title")

WRITTEN = [Write(f"m-{n}", acknowledged=n % 10 != 9) for n in range(100)]
SURE = {write.marker: 1 for write in WRITTEN if write.acknowledged}


def found(counted: dict[str, int]) -> list[tuple[str, str]]:
    findings = discrepancies("PER-05", "task", reconcile(WRITTEN, counted))
    assert {finding.rule for finding in findings} <= {"PER-05"}
    return [(finding.field, finding.actual) for finding in findings]


def test_each_acknowledged_write_once_is_no_finding() -> None:
    reconciliation = reconcile(WRITTEN, SURE)
    assert discrepancies("PER-05", "task", reconciliation) == []
    assert (reconciliation.acknowledged, reconciliation.unacknowledged, reconciliation.kept) == (90, 10, 0)


def test_unacknowledged_write_may_be_stored_once() -> None:
    reconciliation = reconcile(WRITTEN, SURE | {"m-9": 1})
    assert discrepancies("PER-05", "task", reconciliation) == []
    assert reconciliation.kept == 1


def test_figures_count_every_write() -> None:
    stored = {**SURE, "m-9": 1, "m-19": 2, "m-29": 0, "m-5": 0, "m-100": 1}
    assert reconcile(WRITTEN, stored).figures() == {
        "acknowledged": 90,
        "unacknowledged": 10,
        "stored": 91,
        "lost": 1,
        "duplicated": 1,
    }


def test_lost_write_is_found() -> None:
    assert found({**SURE, "m-5": 0}) == [("acknowledged writes", "1 lost: m-5")]
    assert found({marker: 1 for marker in SURE if marker != "m-5"}) == [("acknowledged writes", "1 lost: m-5")]


@pytest.mark.parametrize("marker", ["m-5", "m-9"])
def test_duplicated_write_is_found_acknowledged_or_not(marker: str) -> None:
    assert found({**SURE, marker: 2}) == [("writes", f"1 stored more than once: {marker}")]


def test_unknown_row_is_found() -> None:
    assert found({**SURE, "m-100": 1}) == [("rows", "1 never written: m-100")]


def test_ledger_without_acknowledged_writes_is_an_error() -> None:
    with pytest.raises(ValueError, match="no write was acknowledged"):
        reconcile([Write("m-1", acknowledged=False)], Counter())


@pytest.mark.parametrize(
    ("status", "error", "is_acknowledged"),
    [(201, "", True), (200, "", True), (201, "cut", False), (0, "late", False), (503, "", False), (302, "", False)],
)
def test_only_a_complete_2xx_acknowledges_a_write(status: int, error: str, is_acknowledged: bool) -> None:
    record = Record(7, 1.0, 1.0, 1.1, 0, 0, 1, status, error, echo=False, close=False, pod="")
    assert acknowledged(record) is is_acknowledged
    plan = Plan("h", 1, 1, "POST", "/{token}", "m", 201, stored=(TASKS,))
    assert writes(SampleRun(plan, (record,))) == [Write("m-7", is_acknowledged)]


class FakeConnection:
    """Returns the same rows to every query."""

    def __init__(self, *rows: str) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def execute(self, query: Any) -> FakeConnection:
        if 'FROM "gone"' in query.as_string(None):
            raise errors.UndefinedTable('relation "gone" does not exist')
        self.asked.append(query.as_string(None))
        return self

    def fetchall(self) -> list[tuple[str]]:
        return [(row,) for row in self.rows]


class FakeDatabase:
    """Has the same rows in every table."""

    def __init__(self, *rows: str) -> None:
        self.rows = rows

    @contextmanager
    def admin(self) -> Iterator[FakeConnection]:
        yield FakeConnection(*self.rows)


def answered(number: int, status: int) -> Record:
    return Record(number, 1.0, 1.0, 1.1, 0, 0, 1, status, "", echo=True, close=False, pod="")


def test_every_run_that_writes_has_a_ledger() -> None:
    written = Plan("h", 1, 1, "POST", "/", "m", 201, stored=(TASKS, replace(TASKS, what="tasks by chat")))
    refused = replace(written, path="/refused")
    traffic = {
        "backend": SampleRun(written, (answered(0, 201), answered(1, 201))),
        "refused": SampleRun(refused, (answered(0, 503),)),
        "frontend": SampleRun(Plan("h", 1, 1, "GET", "/", "p", 200), (answered(0, 200),)),
    }
    ledgers = reconcile_traffic(traffic, FakeDatabase("task m-0"))  # type: ignore[arg-type]
    assert list(ledgers) == ["backend: tasks", "backend: tasks by chat"]
    (finding,) = ledgers["backend: tasks"].findings("PER-05")
    assert (finding.object, finding.actual) == ("Table/task (tasks)", "1 lost: m-1")


def test_table_that_is_not_there_has_no_ledger() -> None:
    plan = Plan("h", 1, 1, "POST", "/", "m", 201, stored=(replace(TASKS, what="messages", table="gone"), TASKS))
    traffic = {"backend": SampleRun(plan, (answered(0, 201),))}
    assert list(reconcile_traffic(traffic, FakeDatabase("task m-0"))) == ["backend: tasks"]  # type: ignore[arg-type]
    with pytest.raises(Untested, match='relation "gone" does not exist'):
        count(FakeConnection(), "gone", "title", "m")  # type: ignore[arg-type]


@pytest.mark.parametrize("roles", [("user", "assistant"), ("USER", "ASSISTANT", "TOOL"), ("human", "ai")])
def test_role_is_compared_as_text_in_any_of_its_words(roles: tuple[str, ...]) -> None:
    """An enumeration of PostgreSQL has no word but its own, and can't be compared with another one."""
    connection = FakeConnection(*roles)
    count(connection, "message", "content", "m", {"role": "assistant"})  # type: ignore[arg-type]
    assert """"content"::text LIKE '%m-%'""" in connection.asked[-1]
    assert """lower("role"::text) = ANY('{assistant,ai,model,""" in connection.asked[-1]


def test_roles_in_unknown_words_have_no_ledger() -> None:
    with pytest.raises(Untested, match=r"in message\.role as bot9, visitor, which the suite can't read"):
        count(FakeConnection("user", "bot9", "visitor"), "message", "content", "m", {"role": "user"})  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_plan_that_writes_must_say_where(method: str) -> None:
    with pytest.raises(ValueError, match="must say where its writes are stored"):
        Plan("h", 1, 1, method, "/", "m", 201)
