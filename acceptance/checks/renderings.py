"""One check on several renderings: each finding once, with the rendering that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acceptance.checks.finding import Finding, Untested, merge_renderings
from acceptance.checks.places import with_places
from acceptance.checks.registry import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import object_ref
from acceptance.core.target import Target

Subject = tuple[Snapshot, Target]
"""A rendering, and the target as it fits it."""


def check_all(check: Check, subjects: Sequence[Subject], others: Sequence[Subject] = ()) -> list[Finding]:
    """Return the findings of one check.

    Args:
        check: The check.
        subjects: What ships: the defaults and the values files, or one live release.
        others: Further renderings; of these, only fields that no other rendering shows are reported, once each, and
            no advice on what is a finding already. An object that has another name in one of them is compared by
            its kind.

    Raises:
        Untested: No snapshot has what the check needs.
    """
    assert subjects, "no snapshot"
    found: list[Finding] = []
    reasons: list[Untested] = []
    for snapshot, target in subjects:
        try:
            found += _named(check(snapshot, target), snapshot, target)
        except Untested as reason:
            reasons.append(reason)
    merged = merge_renderings(found, len(subjects) - len(reasons))
    known = {_place_of(each) for each in merged}
    kinds = {(_kind(each), each.field) for each in merged}
    shipped = {object_ref(item) for snapshot, _ in subjects for item in snapshot.objects}
    untested = len(reasons)
    for snapshot, target in others:
        try:
            judged = _named(check(snapshot, target), snapshot, target)
        except Untested:
            untested += 1
            continue
        for each in judged:
            renamed = "/" in each.object and each.object not in shipped
            if not _is_shown(each, known) and not (renamed and (_kind(each), each.field) in kinds):
                known.add(_place_of(each))
                merged.append(each)
    if untested == len(subjects) + len(others):
        raise reasons[0]
    return merged


def _named(findings: list[Finding], snapshot: Snapshot, target: Target) -> list[Finding]:
    return [replace(each, rendering=snapshot.variant) for each in with_places(findings, snapshot, target)]


def _kind(finding: Finding) -> str:
    return finding.object.partition("/")[0]


def _is_shown(finding: Finding, known: set[tuple[str, str, bool]]) -> bool:
    """Whether a field is known already: as a finding that rejects the release, or as advice where it is no more."""
    return _place_of(finding) in known or (finding.object, finding.field, False) in known


def _place_of(finding: Finding) -> tuple[str, str, bool]:
    return finding.object, finding.field, finding.advice
