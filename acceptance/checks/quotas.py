"""Rules of what limits a namespace: its ResourceQuotas and LimitRanges."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from acceptance.checks.autoscaler import scaled_by
from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, integer_at, mapping_at, mappings_at, object_ref
from acceptance.kube import hooks
from acceptance.kube.pod_templates import Container, Pod
from acceptance.kube.quantity import quantity, resolved

RESOURCES = ("cpu", "memory", "ephemeral-storage")
COUNTED = {
    "count/deployments.apps": "Deployment",
    "count/jobs.batch": "Job",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "services": "Service",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
"""The kind whose objects a quota's name counts."""
UNRENDERED = {"configmaps": 1, "secrets": 1}
"""Objects of each namespace that no chart renders: the cluster's CA certificate, and Helm's record of a revision."""
Side = Literal["requests", "limits"]
SIDES: tuple[Side, Side] = ("requests", "limits")


@check("REL-08", "static")
def namespace_has_room(view: ComponentView) -> Iterator[Violation]:
    """REL-08: the release's own quotas and limit ranges admit its pods at their largest number, in a rollout too."""
    view.require_rendered()
    for item in view.snapshot.of_kind("LimitRange", "ResourceQuota"):
        pods = [
            pod
            for pod in view.workloads()
            if view.namespaced(pod.owner) == view.namespaced(item) and not hooks.events(pod.owner)
        ]
        if at(item, "kind") == "LimitRange":
            yield from _out_of_range(item, pods)
        elif not at(item, "spec.scopes") and not at(item, "spec.scopeSelector"):
            ranges = [each for each in view.snapshot.of_kind("LimitRange") if _together(view, each, item)]
            entries = [entry for each in ranges for entry in _container_entries(each)]
            yield from _too_many_pods(view, item, pods, entries)
            yield from _too_many_objects(view, item)


def _together(view: ComponentView, one: Object, other: Object) -> bool:
    return view.namespaced(one) == view.namespaced(other)


def _container_entries(limit_range: Object) -> list[Object]:
    return [entry for entry in mappings_at(limit_range, "spec.limits") if at(entry, "type") == "Container"]


def _amount(container: Container, side: Side, resource: str, entries: list[Object]) -> Decimal | None:
    """What a container requests or is limited to, with the defaults of the API and of limit ranges; None: nothing."""
    stated = {each: mapping_at(container.body, f"resources.{each}").get(resource) for each in SIDES}
    limit = [stated["limits"]]
    limit += [mapping_at(entry, bound).get(resource) for entry in entries for bound in ("default", "max")]
    request = [stated["requests"], stated["limits"]]
    request += [mapping_at(entry, "defaultRequest").get(resource) for entry in entries]
    candidates = limit if side == "limits" else [*request, *limit]
    return next((amount for each in candidates if (amount := quantity(each)) is not None), None)


def _out_of_range(limit_range: Object, pods: list[Pod]) -> Iterator[Violation]:
    for entry in _container_entries(limit_range):
        for container in (each for pod in pods for each in pod.containers()):
            for resource in RESOURCES:
                request, limit = (_amount(container, side, resource, [entry]) for side in SIDES)
                bounds = {
                    each: mapping_at(entry, each).get(resource) for each in ("min", "max", "maxLimitRequestRatio")
                }
                least, most, ratio = map(quantity, bounds.values())
                broken = {
                    "min": least is not None and request is not None and request < least,
                    "max": most is not None and limit is not None and limit > most,
                    "maxLimitRequestRatio": ratio is not None and bool(request and limit and limit / request > ratio),
                }
                for bound in (each for each, out in broken.items() if out):
                    side = "requests" if bound == "min" else "limits"
                    written = format_value(mapping_at(container.body, f"resources.{side}").get(resource))
                    expected = f"to admit {side}.{resource} {written} of {container.object}, container {container.name}"
                    field = f"spec.limits[Container].{bound}.{resource}"
                    yield Violation(object_ref(limit_range), field, expected, format_value(bounds[bound]))


def _too_many_pods(view: ComponentView, quota: Object, pods: list[Pod], entries: list[Object]) -> Iterator[Violation]:
    hard, numbers = mapping_at(quota, "spec.hard"), [(pod, _most_pods(view, pod)) for pod in pods]
    needed = {"pods": Decimal(sum(number for _, number in numbers))}
    needed["count/pods"] = needed["pods"]
    for resource in RESOURCES:
        for side in SIDES:
            names = {f"{side}.{resource}", *([resource] if side == "requests" else [])} & set(hard)
            if not names:
                continue
            without = [
                container
                for pod in pods
                for container in pod.containers()
                if _amount(container, side, resource, entries) is None
            ]
            for container in without:
                field = f"{container.field}.resources.{side}.{resource}"
                actual = "none; the quota demands it of each container"
                yield Violation(container.object, field, f"an amount: {object_ref(quota)} counts it", actual)
            total = sum((number * _peak(pod, side, resource, entries) for pod, number in numbers), Decimal(0))
            needed |= dict.fromkeys(names, total)
    for name, amount in needed.items():
        allowed = quantity(hard.get(name))
        if allowed is not None and allowed < amount:
            expected = f"{_plain(amount)} or more, for {_plain(needed['pods'])} pods at once"
            yield Violation(object_ref(quota), f"spec.hard.{name}", expected, format_value(hard[name]))


def _peak(pod: Pod, side: Side, resource: str, entries: list[Object]) -> Decimal:
    """What a pod needs at its most: all containers together, or one that initialises it beside earlier sidecars."""
    running = peak = Decimal(0)
    for container in pod.containers():
        amount = _amount(container, side, resource, entries) or Decimal(0)
        if container.init and not container.sidecar:
            peak = max(peak, running + amount)
        else:
            running += amount
    return max(peak, running)


def _most_pods(view: ComponentView, pod: Pod) -> int:
    """The largest number of a workload's pods: the autoscaler's maximum, and what a rollout adds before it removes."""
    replicas = integer_at(pod.owner, "spec.replicas", 1) or 0
    identity = (str(at(pod.owner, "kind")), pod.name, view.namespaced(pod.owner))
    for target, scaler in scaled_by(view):
        if target == identity:
            replicas = integer_at(scaler, "spec.maxReplicas", replicas) or replicas
    strategy = mapping_at(pod.owner, "spec.strategy")
    if at(pod.owner, "kind") != "Deployment" or strategy.get("type") == "Recreate":
        return replicas
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%", **mapping_at(strategy, "rollingUpdate")}
    if resolved(rolling["maxUnavailable"], replicas, up=False):
        return replicas  # the rollout goes on by removing first
    return replicas + min(1, resolved(rolling["maxSurge"], replicas, up=True) or 0)


def _too_many_objects(view: ComponentView, quota: Object) -> Iterator[Violation]:
    for name, kind in COUNTED.items():
        allowed = quantity(mapping_at(quota, "spec.hard").get(name))
        own = [each for each in view.snapshot.of_kind(kind) if _together(view, each, quota)]
        others = UNRENDERED.get(name, 0)
        needed = len(own) + others
        if allowed is not None and allowed < needed:
            besides = f" and {others} of the namespace" if others else ""
            expected = f"{needed} or more: {len(own)} of the release{besides}"
            yield Violation(object_ref(quota), f"spec.hard.{name}", expected, format_value(allowed))


def _plain(amount: Decimal) -> str:
    """An amount without exponent; bytes as mebibytes where that is exact."""
    mebibytes = amount / 1024**2
    whole = mebibytes >= 1 and mebibytes == mebibytes.to_integral_value()
    return f"{mebibytes:f}Mi" if whole else f"{amount.normalize():f}"
