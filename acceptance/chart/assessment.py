"""Everything that is asserted of a chart at the static level, one assertion for each rule, component and case.

The tests in tests/static are made from `assertions`; `assess` makes all of them without pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from acceptance import checks
from acceptance.chart import bounds, unused
from acceptance.chart.bounds import Case
from acceptance.chart.generated_values import SOUND, GeneratedValues
from acceptance.chart.renderer import Renderer
from acceptance.chart.upgrades import missing_section_findings, rollout_findings, upgrade_findings
from acceptance.chart.variations import varied
from acceptance.checks import Check
from acceptance.checks.finding import Finding, Untested, Waived
from acceptance.checks.renderings import Subject, check_all
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import COMPONENTS

Group = Literal["rules", "bounds", "generated values", "unused", "upgrades"]


class RenderedChart:
    """A chart and its judged renderings, which all assertions share."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    @cached_property
    def snapshots(self) -> list[Snapshot]:
        """The chart with its default values, then with each shipped values file."""
        return self.renderer.snapshots()

    @cached_property
    def generated(self) -> GeneratedValues:
        """The chart with values drawn from its schema; raises `Untested` where that can't be done."""
        return GeneratedValues(self.renderer, self.defaults)

    def shipped(self) -> list[Subject]:
        """Return what ships, with the target."""
        return [(snapshot, self.renderer.target) for snapshot in self.snapshots]

    def others(self, rule: str) -> list[Subject]:
        """Return the further renderings that a rule is asserted of, each with the target that fits it."""
        if self.renderer.target.strict and rule in SOUND:
            with suppress(Untested):  # the reason is reported once, for CHT-10
                return [*self.variations, *self.generated.subjects()]
        return self.variations

    @cached_property
    def variations(self) -> list[Subject]:
        """The chart with what its users set first; none if its defaults do not render."""
        rendering = self.defaults.chart.rendering if self.defaults.chart else None
        return [] if rendering is None or rendering.error is not None else varied(self.renderer, self.defaults)

    @property
    def defaults(self) -> Snapshot:
        """The chart with its default values."""
        return self.snapshots[0]


@dataclass(frozen=True)
class Assertion:
    """What is asserted of one rule, for one component or the release as a whole.

    Attributes:
        rules: The rules that a finding may be of.
        findings: Returns the findings. Raises `Untested` where an input is missing.
    """

    id: str
    group: Group
    rules: tuple[str, ...]
    component: str | None
    findings: Callable[[RenderedChart], list[Finding]]


@dataclass(frozen=True)
class Assessment:
    """The findings of all assertions, and the reason of each one that is untested, by its ID."""

    findings: tuple[Finding, ...]
    untested: dict[str, str]


def assertions() -> list[Assertion]:
    """Return every assertion of the static level: checks in the rules' order, then bounds and the values' use."""
    return [*_rules(), *_bounds(), *_values(), *_upgrades()]


def _rules() -> Iterator[Assertion]:
    def run(check: Check, chart: RenderedChart) -> list[Finding]:
        return check_all(check, chart.shipped(), chart.others(check.rule))

    for check in checks.for_level("static"):
        yield Assertion(check.id, "rules", (check.rule,), check.component, partial(run, check))


def _bounds() -> Iterator[Assertion]:
    static = {(each.rule, each.component): each for each in checks.for_level("static")}

    def run(case: Case, chart: RenderedChart) -> list[Finding]:
        return bounds.check_case(case, chart.renderer, chart.defaults, static)

    def total_size(excess: int, chart: RenderedChart) -> list[Finding]:
        return run(bounds.total_size(chart.renderer, chart.defaults, excess), chart)

    for case in bounds.cases():
        yield Assertion(case.id, "bounds", (case.rule,), case.component, partial(run, case))
    for excess, outcome in ((0, "accepted"), (1, "refused")):
        yield Assertion(f"CFG-08-total size-{outcome}", "bounds", ("CFG-08",), None, partial(total_size, excess))
    for rule, name, function in (
        ("CFG-07", "text survives", bounds.round_trip),
        ("CHT-10", "unknown keys", bounds.unknown_keys),
    ):
        yield Assertion(f"{rule}-{name}", "bounds", (rule,), None, _on_defaults(function))


def _values() -> Iterator[Assertion]:
    yield Assertion(
        "CHT-10-generated values",
        "generated values",
        ("CHT-10",),
        None,
        lambda chart: chart.generated.findings(),
    )
    yield Assertion("CHT-08-unused", "unused", ("CHT-08",), None, lambda chart: unused.unused_templates(chart.renderer))
    yield Assertion("CHT-10-unused", "unused", ("CHT-10",), None, lambda chart: unused.unused_values(chart.renderer))


def _upgrades() -> Iterator[Assertion]:
    def later(rule: str, chart: RenderedChart) -> list[Finding]:
        return upgrade_findings(chart.renderer, chart.defaults, rule)

    def rolled(rule: str, component: str, chart: RenderedChart) -> list[Finding]:
        return rollout_findings(chart.renderer, chart.defaults, rule, component)

    for rule in ("DEP-04", "CHT-13"):
        yield Assertion(f"{rule}-later version", "upgrades", (rule,), None, partial(later, rule))
    for rule in ("CFG-10", "SEC-11"):
        for component in COMPONENTS:
            run = partial(rolled, rule, component)
            yield Assertion(f"{rule}-{component}-changed values", "upgrades", (rule,), component, run)
    missing = _on_defaults(missing_section_findings)
    yield Assertion("CHT-17-missing sections", "upgrades", ("CHT-17",), None, missing)


def _on_defaults(function: Callable[[Renderer, Snapshot], list[Finding]]) -> Callable[[RenderedChart], list[Finding]]:
    return lambda chart: function(chart.renderer, chart.defaults)


def assess(renderer: Renderer) -> Assessment:
    """Make every assertion of the static level about the renderer's chart."""
    chart = RenderedChart(renderer)
    findings: list[Finding] = []
    untested: dict[str, str] = {}
    for assertion in assertions():
        try:
            findings += assertion.findings(chart)
        except (Untested, Waived) as reason:
            untested[assertion.id] = str(reason)
    return Assessment(tuple(dict.fromkeys(findings)), untested)
