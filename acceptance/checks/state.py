"""Rules of state that can be read."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.registry import Broken, check
from acceptance.checks.subject import Subject
from acceptance.fields import mappings_at

REQUIRED = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"


@check("STA-06")
def no_affinity_required(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        if terms := mappings_at(pod.spec, REQUIRED):
            yield Broken(pod.object, pod.path(f"spec.{REQUIRED}"), "none", f"{len(terms)} terms")
