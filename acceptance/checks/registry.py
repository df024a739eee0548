"""Checks and their rules: `@check("POD-07")` on a function that yields violations of the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested, Waived
from acceptance.checks.snapshot import Snapshot
from acceptance.core.rules import Level, load
from acceptance.core.target import Target


@dataclass(frozen=True)
class Violation:
    """A violated clause at one place.

    `derived` marks a clause that the specification does not state; `advice` one that never rejects a release.
    """

    object: str
    field: str
    expected: str
    actual: str
    derived: bool = False
    advice: bool = False


CheckFunction = Callable[[ComponentView], Iterable[Violation]]


@dataclass(frozen=True)
class Check:
    """One rule at one level for one component; `component` is None for a rule of the release as a whole."""

    rule: str
    level: Level
    component: str | None
    functions: tuple[CheckFunction, ...]

    @property
    def id(self) -> str:
        """The rule, with the component where there is one."""
        return f"{self.rule}-{self.component}" if self.component else self.rule

    def __call__(self, snapshot: Snapshot, target: Target) -> list[Finding]:
        """Return every violation as a finding. Raises `Untested` or `Waived` where there is none to be found."""
        derived_rule = load()[self.rule].source == "derived" or snapshot.advisory
        subject = ComponentView(snapshot, target, self.component)
        broken: list[Violation] = []
        reasons: list[Untested] = []
        for clauses in self.functions:
            try:
                broken += clauses(subject)
            except Untested as reason:
                reasons.append(reason)
        if reasons and not broken:
            raise next((each for each in reasons if not isinstance(each, Waived)), reasons[0])
        return [
            Finding(
                rule=self.rule,
                object=each.object,
                field=each.field,
                expected=each.expected,
                actual=each.actual,
                advice=each.advice or (not target.strict and (derived_rule or each.derived)),
            )
            for each in dict.fromkeys(broken)
        ]


_registry: dict[tuple[str, Level, str | None], list[CheckFunction]] = {}


def check(rule: str, *levels: Level) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function for each component of a rule; several functions of one rule make one check.

    Args:
        rule: The rule's identifier.
        levels: The levels to register it at; by default each level of the rule but `behaviour`.
    """
    definition = load()[rule]
    chosen = levels or tuple(level for level in definition.levels if level != "behaviour")
    if unknown := set(chosen) - set(definition.levels):
        raise ValueError(f"{rule} is not asserted at {', '.join(sorted(unknown))}")

    def register(clauses: CheckFunction) -> CheckFunction:
        for level in chosen:
            for component in definition.components or (None,):
                _registry.setdefault((rule, level, component), []).append(clauses)
        return clauses

    return register


def for_level(level: Level) -> list[Check]:
    """Return every check of a level, in the rules' order."""
    order = {rule: place for place, rule in enumerate(load())}
    chosen = [Check(*key, tuple(clauses)) for key, clauses in _registry.items() if key[1] == level]
    return sorted(chosen, key=lambda each: order[each.rule])


@dataclass(frozen=True)
class CheckResults:
    """The results of all checks of a level: findings, and the reason of each check that is untested."""

    findings: tuple[Finding, ...]
    untested: dict[str, str]


def run_checks(snapshot: Snapshot, target: Target, checks: Iterable[Check] | None = None) -> CheckResults:
    """Run checks (those of the snapshot's level by default) over one snapshot."""
    findings: list[Finding] = []
    untested: dict[str, str] = {}
    for each in for_level(snapshot.source) if checks is None else checks:
        try:
            findings += each(snapshot, target)
        except Untested as reason:
            untested[each.id] = str(reason)
    return CheckResults(tuple(findings), untested)
