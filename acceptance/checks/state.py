"""Rules of state that objects show."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import mappings_at

REQUIRED = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"


@check("STA-06")
def no_affinity_required(view: ComponentView) -> Iterator[Violation]:
    """STA-06: no pod affinity is required."""
    for pod in view.pods:
        if terms := mappings_at(pod.spec, REQUIRED):
            yield Violation(pod.object, pod.path(f"spec.{REQUIRED}"), "none", f"{len(terms)} terms")
