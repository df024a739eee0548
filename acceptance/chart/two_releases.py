"""Two releases in one namespace: no selector of the one matches pods of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from acceptance.chart.renderer import How, Renderer
from acceptance.chart.variations import NAME
from acceptance.checks.finding import Finding, Untested
from acceptance.core.fields import Object, at, format_value, name_of, object_ref, text_at
from acceptance.core.values import merge_values, nested
from acceptance.kube.pod_templates import WORKLOADS, Pod, pod_of, selects

RULES = {"Service": "SVC-07", **dict.fromkeys(WORKLOADS, "DEP-04")}


def shared_selectors(renderer: Renderer) -> list[Finding]:
    """Return a finding for each object of a release that selects pods of a second one, however that one is named.

    Two releases share a namespace where their objects have different names: by the release's name, or by the value
    that the target states.

    Raises:
        Untested: The names are the same in every release, so there can be no second one.
    """
    values = renderer.required()
    first = renderer.render(values).objects
    override = renderer.target.values.name_override
    seconds = [renderer.render(values, How(release=NAME)).objects]
    if override:
        seconds.append(renderer.render(merge_values(values, nested(override, NAME)), How(release=NAME)).objects)
    beside = [second for second in seconds if second and _names(second).isdisjoint(_names(first))]
    if not beside:
        raise Untested("the objects of every release have the same names, so a namespace can have only one")
    found: dict[tuple[str, str], Finding] = {}
    for second in beside:
        for rule, owner, expected, actual in _matches(first, second):
            finding = Finding(rule, owner, "spec.selector", expected, actual, not renderer.target.strict)
            found.setdefault((rule, owner), finding)
    return list(found.values())


def _names(objects: Sequence[Object]) -> set[tuple[str, str]]:
    """The kind and name of each object that selects pods."""
    return {(text_at(item, "kind"), name_of(item)) for item in objects if text_at(item, "kind") in RULES}


def _matches(first: Sequence[Object], second: Sequence[Object]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rule, the object, and what was expected of its selector and what it is.

    The object is named as in the first release, where its file and values are known.
    """
    pods: list[Pod] = [pod for item in second if (pod := pod_of(item)) is not None]
    for item in first:
        kind = text_at(item, "kind")
        if kind not in RULES or not at(item, "spec.selector"):
            continue
        selector = at(item, "spec.selector") if kind != "Service" else {"matchLabels": at(item, "spec.selector")}
        matched = [pod.object for pod in pods if selects(selector, pod.labels)]
        if matched:
            expected = "a label that other releases' pods in this namespace don't have, such as the release's name"
            actual = f"{format_value(at(item, 'spec.selector'))}, which matches {matched[0]} of another release"
            yield RULES[kind], object_ref(item), expected, actual
