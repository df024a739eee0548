"""Rules of persistence."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import mappings_at, object_ref, text_at

LASTING = ("hostPath", "persistentVolumeClaim", "ephemeral")


@check("PER-02")
def nothing_lasts_in_the_cluster(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    for item in subject.snapshot.of_kind("PersistentVolume", "PersistentVolumeClaim"):
        yield Violation(object_ref(item), "kind", "no volume that outlives a pod", text_at(item, "kind"))
    pods = subject.workloads()
    if subject.live:
        pods += [pod for view in subject.for_each_component() for pod in view.pods]
    for pod in pods:
        for volume in mappings_at(pod.spec, "volumes"):
            for kind in LASTING:
                if kind in volume:
                    field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
                    yield Violation(pod.object, field, "no volume that outlives a pod", kind)
        if mappings_at(pod.owner, "spec.volumeClaimTemplates"):
            yield Violation(pod.object, "spec.volumeClaimTemplates", "no volume that outlives a pod", "a claim")
