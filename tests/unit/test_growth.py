"""What a container holds: what a node prints is parsed, and growth with the requests is a finding."""

from __future__ import annotations

import pytest

from acceptance.checks.growth import MIN_REQUESTS, OPEN_FILES, THREADS, VOLUME_BYTES, Held, growth_findings
from acceptance.snapshots.held_resources import parse_folders, parse_processes

STEADY = {OPEN_FILES: 12, THREADS: 4, VOLUME_BYTES: 4096}


def readings(**changes: tuple[int, int, int]) -> list[dict[str, Held]]:
    """Three readings of one container, of which the named amounts change."""
    names = {"files": OPEN_FILES, "threads": THREADS, "stored": VOLUME_BYTES}
    series = [{**STEADY, **{names[key]: values[index] for key, values in changes.items()}} for index in range(3)]
    return [{"abc": Held("shop-api-1", "api", amounts)} for amounts in series]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"files": (12, 52, 92)}, f"api: {OPEN_FILES}"),
        ({"threads": (4, 44, 84)}, f"api: {THREADS}"),
        ({"stored": (4096, 8096, 12096)}, f"api: {VOLUME_BYTES}"),
    ],
)
def test_growth_in_every_period_is_a_finding(changes: dict[str, tuple[int, int, int]], field: str) -> None:
    (finding,) = growth_findings(readings(**changes), {"shop-api-1": (40, 40)})
    assert (finding.rule, finding.object, finding.field) == ("STA-14", "Pod/shop-api-1", field)
    assert "with 40 and 40 requests" in finding.actual


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"files": (12, 52, 52)},  # a pool that filled
        {"files": (12, 14, 16)},
        {"stored": (4096, 4096, 99999)},  # written once
        {"threads": (44, 24, 4)},
    ],
)
def test_what_does_not_grow_with_the_requests_is_no_finding(changes: dict[str, tuple[int, int, int]]) -> None:
    assert not [*growth_findings(readings(**changes), {"shop-api-1": (40, 40)})]


def test_few_requests_and_containers_that_ended_are_not_judged() -> None:
    growing = readings(files=(12, 52, 92))
    assert not [*growth_findings(growing, {"shop-api-1": (40, MIN_REQUESTS - 1)})]
    assert not [*growth_findings(growing, {})]
    assert not [*growth_findings([*growing[:2], {}], {"shop-api-1": (40, 40)})]


def test_processes_and_folders_of_a_container_are_summed() -> None:
    assert parse_processes("abc 10 2\ndef 1 1\nabc 5 1\n") == {
        "abc": {OPEN_FILES: 15, THREADS: 3},
        "def": {OPEN_FILES: 1, THREADS: 1},
    }
    assert parse_folders("100\t/proc/7/root/tmp\n20\t/proc/7/root/var/cache\n") == {7: 120}
