"""Every check can fail: mutants of snapshots are found by their own rule, and other ways of writing are not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import LEVELS, Level
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm
from mutants import neutral, snapshots
from mutants.bases import bases, installed

READ: tuple[Level, ...] = tuple(level for level in LEVELS if level != "behaviour")
Bases = Mapping[Level, Snapshot]


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    return Renderer(find_helm(), target)


@pytest.fixture(scope="module")
def unaltered(renderer: Renderer) -> Bases:
    return bases(renderer)


@pytest.mark.parametrize("level", READ)
def test_no_finding_before(level: Level, unaltered: Bases, target: Target) -> None:
    assert not checks.run_checks(unaltered[level], target).findings


@pytest.mark.parametrize("level", READ)
def test_each_mutant_is_found_by_its_own_rule(level: Level, unaltered: Bases, target: Target) -> None:
    chosen = [each for each in snapshots.every() if each.level == level]
    survivors = [each.id for each in chosen if each.killed_by(unaltered[level], target) is None]
    assert chosen
    assert not survivors


@pytest.mark.parametrize("level", READ)
def test_each_check_has_a_mutant(level: Level) -> None:
    mutated = {(each.rule, each.component) for each in snapshots.every() if each.level == level}
    # CHT-16 needs a release that makes its own Namespace; its static mutants are of the same check.
    without = [each.id for each in checks.for_level(level) if (each.rule, each.component) not in mutated]
    assert without == (["CHT-16"] if level == "live" else [])


def test_identifiers_are_unique() -> None:
    identifiers = [each.id for each in snapshots.every()]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("variant", neutral.every(), ids=lambda each: each.name)
def test_other_ways_of_writing_are_no_finding(
    variant: neutral.Variant, unaltered: Bases, renderer: Renderer, target: Target
) -> None:
    judgements = variant.judge(unaltered, installed(renderer, unaltered["static"]), target)
    assert [str(finding) for each in judgements for finding in each.findings] == []
    assert {reason for each in judgements for reason in each.untested} <= {"CHT-16"}
