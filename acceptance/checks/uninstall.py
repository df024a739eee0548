"""CHT-14 as far as a rendering shows it: what Helm does not delete when the release is uninstalled."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.references import find, of_object
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, mapping_at, object_ref, text_at
from acceptance.kube import hooks

POLICY = "helm.sh/resource-policy"
MAY_STAY = ("CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim")
"""Kinds with which users' data, or other releases, would go."""
TEST = {"test"}
"""The event of hooks that run while the release is installed, so that they need no hooks themselves."""


@check("CHT-14", "static")
def uninstall_deletes_every_object(view: ComponentView) -> Iterator[Violation]:
    """CHT-14: no object is kept by annotation, and none is a hook, which Helm leaves, unless another hook needs it."""
    view.require_rendered()
    snapshot = view.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    for item in snapshot.objects:
        kept = mapping_at(item, "metadata.annotations").get(POLICY)
        if kept == "keep" and text_at(item, "kind") not in MAY_STAY:
            expected = "an object that is deleted with the release"
            yield Violation(object_ref(item), f"metadata.annotations[{POLICY}]", expected, "keep")
    users: dict[str, list[Object]] = {}
    for item in snapshot.objects:
        for ref in of_object(item, snapshot.namespace_of(item)):
            if (used := find(ref, snapshot.by_identity)) is not None:
                users.setdefault(object_ref(used), []).append(item)
    for item in snapshot.objects:
        own = users.get(object_ref(item), [])
        if hooks.events(item) and own and not any(hooks.events(user) - TEST for user in own):
            expected = f"no hook, since {object_ref(own[0])} uses it: Helm neither deletes hooks nor rolls them back"
            actual = ", ".join(sorted(hooks.events(item)))
            yield Violation(object_ref(item), f"metadata.annotations[{hooks.HOOK}]", expected, actual)
