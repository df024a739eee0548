"""Findings as a reader sees them: one for each rule and object, and each defect at full length only once.

A defect often violates several rules: a Service of type NodePort violates SVC-03, SCY-05 and SCY-06. The first of these
rules shows it at full length, and the others refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from acceptance.checks.finding import UNKNOWN, ClassifiedFinding, Finding, Place, Severity
from acceptance.checks.snapshot import DEFAULTS
from acceptance.core import rules

VALUES = "values"
"""The object of a finding whose field is a path of the chart's values."""
SEVERITIES: tuple[Severity, ...] = ("blocking", "advice", "waived")


@dataclass(frozen=True)
class GroupedField:
    """A field of a grouped finding; `renderings` is empty if every judged rendering shows it.

    `see` is the rule that shows the same defect at full length, or empty.
    """

    field: str
    expected: str
    actual: str
    renderings: tuple[str, ...] = ()
    place: Place = UNKNOWN
    see: str = ""

    def __str__(self) -> str:
        if self.see:
            return f"{self.field}: see {self.see}"
        if not self.field:
            return self.actual
        where = f" ({format_renderings(self.renderings)})" if self.renderings else ""
        return f"{self.field}: expected {self.expected}, actual {self.actual}{where}"


@dataclass(frozen=True)
class GroupedFinding:
    """What violates one rule in one object: all its fields, in the order of the checks."""

    rule: str
    object: str
    severity: Severity
    fields: tuple[GroupedField, ...]

    def __str__(self) -> str:
        return f"{self.rule}: {self.object}: {self.sentences}"

    @property
    def sentences(self) -> str:
        """The fields in one line; those that another rule shows are named together."""
        referring: dict[str, list[str]] = {}
        for field in self.fields:
            if field.see:
                referring.setdefault(field.see, []).append(field.field)
        own = [str(field) for field in self.fields if not field.see]
        others = [f"{', '.join(names)}: see {rule}".removeprefix(": ") for rule, names in referring.items()]
        return "; ".join(own + others)

    @property
    def refers(self) -> bool:
        """Whether other rules show every field at full length."""
        return all(field.see for field in self.fields)

    @property
    def file(self) -> str:
        """The chart's file, with the line if all fields have the same one; empty if unknown."""
        places = [field.place for field in self.fields if field.place.file]
        if len({place.file for place in places}) != 1:
            return ""
        return str(places[0]) if len({place.line for place in places}) == 1 else places[0].file

    @property
    def values(self) -> tuple[str, ...]:
        """The paths of the chart's values that control the fields, as far as they are known."""
        return tuple(dict.fromkeys(field.place.value for field in self.fields if field.place.value))


def format_renderings(names: Sequence[str]) -> str:
    """Return where a finding occurs: `only in values-a.yaml`, `in the defaults and with the HPA off`.

    The name of a rendering that is neither the defaults nor a values file reads well after `with`.
    """
    files = ["the defaults" if name == DEFAULTS else name for name in names if name == DEFAULTS or _is_file(name)]
    others = [f"with {name}" for name in names if name != DEFAULTS and not _is_file(name)]
    where = _join([f"in {name}" for name in files] + others) if others else f"in {_join(files)}"
    # Of the defaults alone: figures are compared only there.
    return f"only {where}" if len(names) == 1 and names[0] != DEFAULTS else where


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and " " not in name


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def group(findings: Iterable[ClassifiedFinding], shown: Iterable[ClassifiedFinding] = ()) -> list[GroupedFinding]:
    """Return the findings by rule and object, with references to the first that shows the same defect.

    Args:
        findings: The findings, in the order of their tests.
        shown: Findings that were shown before; they are referred to and not returned.
    """
    grouped: dict[tuple[str, str, Severity], list[Finding]] = {}
    for each in findings:
        key = (each.finding.rule, each.finding.object, each.severity)
        grouped.setdefault(key, []).append(each.finding)
    known = _Shown()
    for each in shown:
        known.add(each.finding, each.severity)
    found: dict[tuple[str, str, Severity], GroupedFinding] = {}
    for key in sorted(grouped, key=_precedence):
        rule, object_, severity = key
        merged = _merge(grouped[key])
        seen = [known.rule_of(one, severity) for _, one in merged]
        fields = [replace(field, see=see) for (field, _), see in zip(merged, seen, strict=True)]
        # A field that another rule shows is named once, however many findings it has.
        distinct = {(each.field, each.see) if each.see else each: each for each in fields}
        found[key] = GroupedFinding(rule, object_, severity, tuple(distinct.values()))
        for (_, one), see in zip(merged, seen, strict=True):
            if not see:
                known.add(one, severity)
    return [found[key] for key in grouped]


def _merge(findings: Iterable[Finding]) -> list[tuple[GroupedField, Finding]]:
    """Return each field once, with all the renderings that show it, and its first finding."""
    same: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        same.setdefault((each.field, each.expected, each.actual), []).append(each)
    merged = []
    for (field, expected, actual), every in same.items():
        names = dict.fromkeys(each.rendering for each in every)
        renderings = () if "" in names else tuple(names)
        place = next((each.place for each in every if each.place.file), UNKNOWN)
        merged.append((GroupedField(field, expected, actual, renderings, place), every[0]))
    return merged


def _precedence(key: tuple[str, str, Severity]) -> tuple[int, bool, int]:
    """Order of showing a defect at full length: what rejects the release first, then the specification's rules."""
    every = rules.load()
    rule = every.get(key[0])
    derived = rule is not None and rule.source == "derived"
    return SEVERITIES.index(key[2]), derived, list(every).index(key[0]) if rule else len(every)


class _Shown:
    """The defects that are shown at full length, and the rule and severity that shows each."""

    def __init__(self) -> None:
        self._by_defect: dict[tuple[str, ...], tuple[str, Severity]] = {}

    def add(self, finding: Finding, severity: Severity) -> None:
        for defect in defects(finding):
            self._by_defect.setdefault(defect, (finding.rule, severity))

    def rule_of(self, finding: Finding, severity: Severity) -> str:
        """Return another rule that shows the finding's defect and is no less severe, or an empty string."""
        for defect in defects(finding):
            rule, other = self._by_defect.get(defect, (finding.rule, severity))
            if rule != finding.rule and SEVERITIES.index(other) <= SEVERITIES.index(severity):
                return rule
        return ""


CAUSES: tuple[tuple[str, str, str, str], ...] = (
    # rules, expected, actual, and the defect: {object}, {field} and groups of the expressions
    ("CHT-08", r"(?:.*\s)?(?P<name>[A-Z]\w+/\S+)", r".*", "absent {name}"),
    ("REL-05", r"an object of the release", r"no (?P<name>\S+)", "absent {name}"),
    ("CFG-11|SEC-12", r"the key (?P<key>\S+)", r".*", "no key {key} in {object}"),
    ("REL-05", r"a key of (?P<owner>\S+)", r"no (?P<key>\S+)", "no key {key} in {owner}"),
    ("SVC-05", r"the port \d+", r".*", "port of {object}"),
    ("REL-05", r"a port of (?P<owner>Service/\S+) .*", r".*", "port of {owner}"),
    ("(POD|DEP|SVC|CFG|SEC|HPA)-02", r".*", r".*", "absent {object}"),
    ("REL-05", r"the host of a Service of the release", r"(?P<name>[\w-]+)", "absent Service/{name}"),
    ("DEP-04", r"labels of the template", r".*", "selector of {object}"),
    ("CHT-09", r".*", r".*`selector` does not match template `labels`.*", "selector of {object}"),
    ("POD-07", r"at most the limit, .*", r".*", "limits of {object}"),
    ("CHT-09", r".*", r".*must be less than or equal to \w+ limit.*", "limits of {object}"),
    ("REL-04|SCY-06", r"a URL of (?P<name>[^:]+):.*", r".*-> (?P=name)\b.*", "port of Service/{name}"),
)
"""Defects that show in several objects, by what findings of them say."""
ASPECTS: tuple[tuple[str, str], ...] = (
    ("HPA-11|HPA-13", r"absent\b.*"),
    ("CFG-10|SEC-11", r"a template that changes with .*"),
)
"""Rules, and what they expect of an aspect of a field that other rules do not judge: another figure is no cure."""
CONTAINER = re.compile(r"(initContainers|containers)\[[^\]]*\]\.securityContext")
"""A container's settings, which are the pod's where it has none."""
SCHEMA_PATH = re.compile(r"at '/([^']+)'")
"""A path of the values in Helm's message."""


def defects(finding: Finding) -> list[tuple[str, ...]]:
    """Return what identifies the defect behind a finding; findings that share one of these have the same defect."""
    fields = [finding.field]
    if finding.rule == "SCY-01" and finding.field.endswith(".securityContext"):
        pod = CONTAINER.sub("securityContext", finding.field)
        fields += [f"{owner}.{name}" for owner in (finding.field, pod) for name in ("runAsUser", "runAsNonRoot")]
    if finding.rule == "HPA-03":
        fields.append(finding.field.rpartition(".")[0])
    of_aspect = any(
        re.fullmatch(rule, finding.rule) and re.fullmatch(expected, finding.expected, re.S)
        for rule, expected in ASPECTS
    )
    aspect = (finding.expected,) if of_aspect else ()
    found: list[tuple[str, ...]] = [(finding.object, field, *aspect) for field in fields]
    if not finding.field:  # a plain assertion, of which only the message is known
        found = [(finding.object, "", finding.actual)]
    for rule, expected, actual, defect in CAUSES:
        # One expression for both, since a group of the first may be repeated in the second.
        match = re.fullmatch(f"{expected}\n{actual}", f"{finding.expected}\n{finding.actual}", re.S)
        if match and re.fullmatch(rule, finding.rule):
            found.append((defect.format(object=finding.object, **match.groupdict()),))
    if finding.rule == "CHT-09":  # Helm's schema errors
        found += [(VALUES, path.replace("/", ".")) for path in SCHEMA_PATH.findall(finding.actual)]
    return found
