"""Rules of state that can be read."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import mappings_at

REQUIRED = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"


@check("STA-06")
def no_affinity_required(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        if terms := mappings_at(pod.spec, REQUIRED):
            yield Violation(pod.object, pod.path(f"spec.{REQUIRED}"), "none", f"{len(terms)} terms")
