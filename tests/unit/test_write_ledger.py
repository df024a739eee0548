"""The ledger: a lost, a doubled and an invented write are noticed, and nothing else is."""

from __future__ import annotations

from collections import Counter

import pytest

from acceptance.traffic.records import Record
from acceptance.traffic.sampler import Plan, SampleRun
from acceptance.traffic.write_ledger import Write, acknowledged, discrepancies, reconcile, writes

WRITTEN = [Write(f"m-{n}", acknowledged=n % 10 != 9) for n in range(100)]
SURE = {write.marker: 1 for write in WRITTEN if write.acknowledged}


def found(counted: dict[str, int]) -> list[tuple[str, str]]:
    findings = discrepancies("PER-05", "task", reconcile(WRITTEN, counted))
    assert {finding.rule for finding in findings} <= {"PER-05"}
    return [(finding.field, finding.actual) for finding in findings]


def test_every_acknowledged_write_once_is_balanced() -> None:
    settlement = reconcile(WRITTEN, SURE)
    assert discrepancies("PER-05", "task", settlement) == []
    assert (settlement.acknowledged, settlement.unacknowledged, settlement.kept) == (90, 10, 0)


def test_an_unacknowledged_write_may_be_there_once() -> None:
    settlement = reconcile(WRITTEN, SURE | {"m-9": 1})
    assert discrepancies("PER-05", "task", settlement) == []
    assert settlement.kept == 1


def test_every_write_is_in_the_figures() -> None:
    there = {**SURE, "m-9": 1, "m-19": 2, "m-29": 0, "m-5": 0, "m-100": 1}
    assert reconcile(WRITTEN, there).figures() == {
        "acknowledged": 90,
        "unacknowledged": 10,
        "stored": 91,
        "lost": 1,
        "doubled": 1,
    }


def test_a_lost_write_is_found() -> None:
    assert found({**SURE, "m-5": 0}) == [("acknowledged writes", "1 lost: m-5")]
    assert found({marker: 1 for marker in SURE if marker != "m-5"}) == [("acknowledged writes", "1 lost: m-5")]


@pytest.mark.parametrize("marker", ["m-5", "m-9"])
def test_a_doubled_write_is_found_whether_acknowledged_or_not(marker: str) -> None:
    assert found({**SURE, marker: 2}) == [("writes", f"1 there more than once: {marker}")]


def test_a_row_that_nobody_wrote_is_found() -> None:
    assert found({**SURE, "m-100": 1}) == [("rows", "1 never written: m-100")]


def test_an_empty_ledger_is_no_proof() -> None:
    with pytest.raises(ValueError, match="no write was acknowledged"):
        reconcile([Write("m-1", acknowledged=False)], Counter())


@pytest.mark.parametrize(
    ("status", "error", "is_acknowledged"),
    [(201, "", True), (200, "", True), (201, "cut", False), (0, "late", False), (503, "", False), (302, "", False)],
)
def test_only_a_2xx_read_to_its_end_is_an_acknowledgement(status: int, error: str, is_acknowledged: bool) -> None:
    record = Record(7, 1.0, 1.0, 1.1, 0, 0, 1, status, error, echo=False, close=False, pod="")
    assert acknowledged(record) is is_acknowledged
    plan = Plan("h", 1, 1, "POST", "/{token}", "m", 201)
    assert writes(SampleRun(plan, (record,))) == [Write("m-7", is_acknowledged)]
