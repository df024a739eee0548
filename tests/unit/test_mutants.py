"""Every check can fail: its rule finds each mutant of snapshots, and no rule a neutral variant."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import LEVELS, Level
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm
from mutants import neutral, neutral_charts, neutral_charts_values, snapshots
from mutants.bases import base_snapshots, release_rendering

CHECKED: tuple[Level, ...] = tuple(level for level in LEVELS if level != "behaviour")
Bases = Mapping[Level, Snapshot]


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    return Renderer(find_helm(), target)


@pytest.fixture(scope="module")
def unmodified(renderer: Renderer) -> Bases:
    return base_snapshots(renderer)


@pytest.mark.parametrize("level", CHECKED)
def test_unmodified_snapshot_has_no_finding(level: Level, unmodified: Bases, target: Target) -> None:
    assert not checks.run_checks(unmodified[level], target).findings


@pytest.mark.parametrize("level", CHECKED)
def test_each_mutant_is_killed_by_its_rule(level: Level, unmodified: Bases, target: Target) -> None:
    chosen = [each for each in snapshots.every() if each.level == level]
    survivors = [each.id for each in chosen if each.killed_by(unmodified[level], target) is None]
    assert chosen
    assert not survivors


@pytest.mark.parametrize("level", CHECKED)
def test_each_check_has_a_mutant(level: Level) -> None:
    mutated = {(each.rule, each.component) for each in snapshots.every() if each.level == level}
    # CHT-16 needs a release that creates its Namespace; its static mutants are of the same check.
    without = [each.id for each in checks.for_level(level) if (each.rule, each.component) not in mutated]
    assert without == (["CHT-16"] if level == "live" else [])


def test_mutant_ids_are_unique() -> None:
    identifiers = [each.id for each in snapshots.every()]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("variant", neutral.every(), ids=lambda each: each.name)
def test_neutral_variant_has_no_finding(
    variant: neutral.Variant, unmodified: Bases, renderer: Renderer, target: Target
) -> None:
    results = variant.run_checks(unmodified, release_rendering(renderer, unmodified["static"]), target)
    assert [str(finding) for each in results for finding in each.findings] == []
    assert {reason for each in results for reason in each.untested} <= {"CHT-16"}


@pytest.mark.parametrize(
    "variant", [*neutral_charts.VARIANTS, *neutral_charts_values.VARIANTS], ids=lambda each: each.name
)
def test_neutral_variant_of_the_chart(variant: neutral_charts.ChartVariant, target: Target) -> None:
    assert variant.findings(find_helm(), target) == []
