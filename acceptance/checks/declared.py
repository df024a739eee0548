"""What a release declares is what the cluster has: each live object, and each pod of its Deployments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, mapping_at, object_ref
from acceptance.kube import schema as openapi
from acceptance.kube.quantity import quantity


@check("CHT-41")
def live_objects_are_as_declared(view: ComponentView) -> Iterator[Violation]:
    """CHT-41: each live object has what the release's manifest declares, and each pod what its template declares."""
    live = {(object_ref(item), view.namespaced(item)): item for item in view.snapshot.objects}
    for declared in view.snapshot.manifest_objects:
        actual = live.get((object_ref(declared), view.namespaced(declared)))
        comparable = openapi.kind_of(declared) in openapi.document()["kinds"]
        if actual is None:
            yield Violation(object_ref(declared), "metadata.name", "in the cluster", "none")
        elif comparable and at(actual, "apiVersion") == at(declared, "apiVersion"):
            yield from _as_declared(declared, actual, ("metadata", "spec", "data", "type", "immutable"))
    for component in view.for_each_component():
        if (deployment := component.find_deployment()) is not None:
            template = mapping_at(deployment, "spec.template")
            for pod in component.owned_pods():
                yield from _as_declared(template, pod, ("metadata", "spec"))


def _as_declared(declared: Object, actual: Object, sections: tuple[str, ...]) -> Iterator[Violation]:
    """Yield a violation for each declared field of these sections that is absent or has another value."""
    for section in sections:
        for path in differences(declared.get(section), actual.get(section), section):
            # A value may be a secret, so none is quoted.
            yield Violation(object_ref(actual), path, "as declared", "another value, or none")


def differences(declared: Any, actual: Any, path: str) -> Iterator[str]:
    """Yield the paths of declared fields that are absent or differ; what the cluster has added is no difference.

    An empty value equals an absent one, and quantities are compared as such. The number of replicas is left out: the
    HPA and `kubectl scale` set it.
    """
    if path == "spec.replicas" or declared in (None, "") or (not declared and not actual):
        return
    if isinstance(declared, dict) and isinstance(actual, dict):
        for key, value in declared.items():
            yield from differences(value, actual.get(key), f"{path}.{key}")
    elif isinstance(declared, list) and isinstance(actual, list):
        names = [each.get("name") if isinstance(each, dict) else None for each in declared]
        for index, (name, value) in enumerate(zip(names, declared, strict=True)):
            same = [each for each in actual if name and isinstance(each, dict) and each.get("name") == name]
            other = same[-1] if same else actual[index] if not name and index < len(actual) else None
            yield from differences(value, other, f"{path}[{name or index}]")
    elif not _equal(declared, actual):
        yield path


def _equal(declared: Any, actual: Any) -> bool:
    if isinstance(declared, dict | list) or isinstance(actual, dict | list):
        return False
    if type(declared) is type(actual) and declared == actual:
        return True
    if "".join(str(declared).split()) == "".join(str(actual).split()):
        return True
    amounts = quantity(declared), quantity(actual)
    return None not in amounts and amounts[0] == amounts[1]
