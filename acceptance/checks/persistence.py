"""Rules of persistence that objects show."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import mappings_at, object_ref, text_at

PERSISTENT = (
    *("hostPath", "persistentVolumeClaim", "ephemeral", "nfs", "iscsi", "fc", "cephfs", "glusterfs", "rbd"),
    *("awsElasticBlockStore", "azureDisk", "azureFile", "gcePersistentDisk", "cinder", "vsphereVolume"),
)


@check("PER-02")
def no_persistent_volumes(view: ComponentView) -> Iterator[Violation]:
    """PER-02: the release has no PersistentVolume, claim or hostPath volume."""
    view.require_rendered()
    for item in view.snapshot.of_kind("PersistentVolume", "PersistentVolumeClaim"):
        yield Violation(object_ref(item), "kind", "no volume that outlives a pod", text_at(item, "kind"))
    pods = view.workloads()
    if view.live:
        pods += [pod for component_view in view.for_each_component() for pod in component_view.pods]
    for pod in pods:
        for volume in mappings_at(pod.spec, "volumes"):
            for kind in PERSISTENT:
                if kind in volume:
                    field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
                    yield Violation(pod.object, field, "no volume that outlives a pod", kind)
        if mappings_at(pod.owner, "spec.volumeClaimTemplates"):
            yield Violation(pod.object, "spec.volumeClaimTemplates", "no volume that outlives a pod", "a claim")
