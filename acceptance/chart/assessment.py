"""Everything that is asserted of a chart at the static level, one assertion for each rule, component and case.

The tests in tests/static are made from `assertions`; `assess` makes all of them without pytest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from acceptance import checks
from acceptance.chart import bounds, long_names, unused
from acceptance.chart.as_written import unquoted_texts
from acceptance.chart.bounds import Case
from acceptance.chart.checksums import constant_checksums
from acceptance.chart.extra_objects import lost_objects
from acceptance.chart.generated_values import SOUND, GeneratedValues
from acceptance.chart.given import cases as cases_given
from acceptance.chart.given import check_given
from acceptance.chart.renderer import Renderer
from acceptance.chart.sections import crossed_sections, pull_secrets_of_some
from acceptance.chart.switched_off import dangling_references
from acceptance.chart.two_releases import shared_selectors
from acceptance.chart.upgrades import upgrade_findings
from acceptance.chart.value_changes import mere_switches, missing_sections, refused_changes, unnoticed_changes
from acceptance.chart.variations import Varied, variations
from acceptance.checks import Check
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.places import with_places
from acceptance.checks.renderings import Subject, check_all
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import at
from acceptance.core.target import COMPONENTS, CREDENTIALS, Target

FILES_ALONE = ("CHT-01", "CHT-02", "CHT-03", "CHT-04", "CHT-05", "CHT-06", "CHT-07", "CHT-09")
"""Rules of the chart's files, and the rule that the chart renders."""
Group = Literal["rules", "bounds", "generated values", "unused", "changes"]


class RenderedChart:
    """A chart and its judged renderings, which all assertions share."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

    @cached_property
    def snapshots(self) -> list[Snapshot]:
        """The chart with its default values, then with each shipped values file."""
        files = self.renderer.target.chart.values_files
        return [self.defaults, *(self.renderer.snapshot(path) for path in files)]

    @cached_property
    def generated(self) -> GeneratedValues:
        """The chart with values drawn from its schema; raises `Untested` where that can't be done."""
        return GeneratedValues(self.renderer, self.defaults)

    def shipped(self, rule: str) -> list[Subject]:
        """Return what ships, with the target, as far as a rule can be asserted of it.

        Raises:
            Untested: The defaults do not render.
        """
        if rule in FILES_ALONE or (rule == "CHT-10" and self.renderer.readable):
            # What keeps the defaults from rendering is said once.
            chosen = self.snapshots if rule == "CHT-10" or renders(self.defaults) else [self.defaults]
        else:
            self.require_rendered()
            chosen = [each for each in self.snapshots if renders(each)]
        return [(snapshot, self._target_of(snapshot)) for snapshot in chosen]

    def _target_of(self, snapshot: Snapshot) -> Target:
        """Return the target as a values file changes it: one for an environment may name another namespace."""
        target, chart = self.renderer.target, snapshot.chart
        path = target.values.namespace
        stated = at(chart.values, path) if path and chart else None
        if snapshot.shipped or not isinstance(stated, str) or not stated:
            return target
        return target.model_copy(update={"chart": target.chart.model_copy(update={"namespace": stated})})

    def require_rendered(self) -> None:
        """Raise `Untested`, with the finding that is its cause, if the chart's defaults do not render."""
        assert self.defaults.chart is not None
        if (error := self.defaults.chart.rendering.error) is not None:
            cause = Finding("CHT-09", "chart", "helm template", "objects", error)
            raise Untested(
                f"the chart does not render (CHT-09): {error}", next(iter(with_places([cause], *self._judged)), cause)
            )

    @property
    def _judged(self) -> Subject:
        return self.defaults, self.renderer.target

    @cached_property
    def variations(self) -> list[Varied]:
        """The chart with values that neither defaults nor values files set."""
        return variations(self.renderer, self.defaults)

    def others(self, rule: str) -> list[Subject]:
        """Return the further renderings that a rule is asserted of, each with the target that fits it."""
        if not renders(self.defaults):
            return []
        found = [each.subject for each in self.variations if each.applies(rule)]
        if self.renderer.target.strict and rule in SOUND:
            with suppress(Untested):  # the reason is reported once, for CHT-10
                found += self.generated.subjects()
        return found

    @cached_property
    def defaults(self) -> Snapshot:
        """The chart with its default values."""
        return self.renderer.snapshot()


def renders(snapshot: Snapshot) -> bool:
    """Whether the chart renders with the snapshot's values."""
    return snapshot.chart is not None and snapshot.chart.rendering.error is None


Ask = Callable[[RenderedChart], list[Finding]]


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
    findings: Ask


@dataclass(frozen=True)
class Assessment:
    """The findings of all assertions, and the reason of each one that is untested, by its ID."""

    findings: tuple[Finding, ...]
    untested: dict[str, str]


def assertions() -> list[Assertion]:
    """Return every assertion of the static level: checks in the rules' order, then bounds and the values' use."""
    return [*_rules(), *_bounds(), *_values()]


def _rules() -> Iterator[Assertion]:
    def run(check: Check, chart: RenderedChart) -> list[Finding]:
        return check_all(check, chart.shipped(check.rule), chart.others(check.rule))

    for check in checks.for_level("static"):
        yield Assertion(check.id, "rules", (check.rule,), check.component, partial(run, check))


def _bounds() -> Iterator[Assertion]:
    static = {(each.rule, each.component): each for each in checks.for_level("static")}

    def run(case: Case, chart: RenderedChart) -> list[Finding]:
        chart.require_rendered()
        return bounds.check_case(case, chart.renderer, chart.defaults, static)

    def total_size(excess: int, chart: RenderedChart) -> list[Finding]:
        chart.require_rendered()
        return run(bounds.total_size(chart.renderer, chart.defaults, excess), chart)

    def shadowed(credential: str, component: str, chart: RenderedChart) -> list[Finding]:
        case = bounds.shadowed_credential(chart.renderer.target, chart.defaults, credential, component)
        return run(case, chart)

    def long_name(chart: RenderedChart) -> list[Finding]:
        chart.require_rendered()
        return run(long_names.too_long_name(chart.renderer, chart.defaults), chart)

    for case in bounds.cases():
        yield Assertion(case.id, "bounds", (case.rule,), case.component, partial(run, case))
    for given in cases_given():
        yield Assertion(given.id, "bounds", (given.rule,), given.component, _on_defaults(partial(check_given, given)))
    for excess, outcome in ((0, "accepted"), (1, "refused")):
        yield Assertion(f"CFG-08-total size-{outcome}", "bounds", ("CFG-08",), None, partial(total_size, excess))
    yield Assertion("DEP-01-longest name-refused", "bounds", ("DEP-01",), None, long_name)
    for credential, component in itertools.product(CREDENTIALS, COMPONENTS):
        identifier = f"SEC-11-{component}-{credential} among the settings-refused"
        yield Assertion(identifier, "bounds", ("SEC-11",), component, partial(shadowed, credential, component))
    for rule, name, function in (
        ("CFG-07", "text survives", bounds.round_trip),
        ("CHT-09", "longest release name", long_names.longest_release_name),
        ("CHT-10", "unknown keys", bounds.unknown_keys),
    ):
        yield Assertion(f"{rule}-{name}", "bounds", (rule,), None, _on_defaults(function))


def _values() -> Iterator[Assertion]:
    yield Assertion(
        "CHT-10-generated values",
        "generated values",
        ("CHT-10",),
        None,
        _if_rendered(lambda chart: chart.generated.findings()),
    )
    for rule, function in (("CHT-08", unused.unused_templates), ("CHT-10", unused.unused_values)):
        yield Assertion(f"{rule}-unused", "unused", (rule,), None, _on_renderer(function))
    for rules, name, change in (
        (("CHT-17", "DEP-04"), "versions", upgrade_findings),
        (("CHT-18",), "missing sections", missing_sections),
        (("SVC-07", "DEP-04"), "two releases", shared_selectors),
        (("IMG-02", "CHT-09"), "unquoted texts", unquoted_texts),
        (("CFG-10",), "changed values", partial(unnoticed_changes, kind="ConfigMap")),
        (("CFG-10",), "checksums of files", constant_checksums),
        (("SEC-11",), "changed values", partial(unnoticed_changes, kind="Secret")),
        (("CFG-09", "SEC-10"), "changed values of immutable objects", refused_changes),
        (("CHT-19",), "values of one component", crossed_sections),
        (("CHT-19",), "pull secrets", pull_secrets_of_some),
        (("CHT-09",), "extra objects", lost_objects),
        (("CHT-10",), "mere switches", mere_switches),
    ):
        yield Assertion(f"{rules[0]}-{name}", "changes", rules, None, _on_renderer(change))
    off = _on_defaults(dangling_references)
    yield Assertion("REL-05-features switched off", "changes", ("REL-05", "DEP-03"), None, off)


def _if_rendered(function: Ask) -> Ask:
    def ask(chart: RenderedChart) -> list[Finding]:
        chart.require_rendered()
        return function(chart)

    return ask


def _on_defaults(function: Callable[[Renderer, Snapshot], list[Finding]]) -> Ask:
    return _if_rendered(lambda chart: function(chart.renderer, chart.defaults))


def _on_renderer(function: Callable[[Renderer], list[Finding]]) -> Ask:
    return _if_rendered(lambda chart: function(chart.renderer))


def assess(renderer: Renderer) -> Assessment:
    """Make every assertion of the static level about the renderer's chart."""
    chart = RenderedChart(renderer)
    findings: list[Finding] = []
    untested: dict[str, str] = {}
    for assertion in assertions():
        try:
            findings += assertion.findings(chart)
        except Untested as reason:
            untested[assertion.id] = str(reason)
    return Assessment(tuple(dict.fromkeys(findings)), untested)
