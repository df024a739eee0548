"""Rules of Deployments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acceptance.checks.clauses import check_name, check_namespace
from acceptance.checks.component_view import ComponentView, owned_by
from acceptance.checks.finding import Untested
from acceptance.checks.pod_lifecycle import seconds
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import (
    Object,
    at,
    format_value,
    integer_at,
    list_at,
    mapping_at,
    mappings_at,
    name_of,
    object_ref,
    text_at,
)
from acceptance.kube.hooks import is_test
from acceptance.kube.pod_templates import Pod, selects
from acceptance.kube.quantity import resolved

INSTALLED_WITHIN = 180
"""Seconds until all pods are Ready (CHT-11)."""

check_name("DEP-01", lambda view: view.deployment, lambda view: view.component.deployment)
check_namespace("DEP-02", lambda view: view.deployment)


def is_local(view: ComponentView) -> bool:
    """Whether the values say that the cluster is local, which is the default."""
    path = view.target.values.local_cluster
    chart = view.snapshot.chart
    return path is None or chart is None or at(chart.values, path) is not False


@check("DEP-03", "static")
def replicas_rendered(view: ComponentView) -> Iterator[Violation]:
    """DEP-03: the chart renders 1-10 replicas (1-5 on a local cluster) with the HPA off."""
    deployment = view.deployment
    scaled = view.component_name == "backend" and view.find_autoscaler() is not None
    off = view.chart.autoscaler_off if scaled else None
    if scaled and off is None:
        if view.target.values.hpa_enabled is not None:
            raise Untested("replicas are judged with the HPA off, which this rendering is not")
        if at(deployment, "spec.replicas") is None:
            raise Untested("the HPA alone sets replicas: the target names no values.hpa_enabled")
    objects = off.objects if off else (deployment,)
    if off and off.error is not None:
        yield Violation(object_ref(deployment), "spec.replicas", "a rendering with the HPA off", off.error)
        return
    for item in objects if off else ():
        ref = at(item, "spec.scaleTargetRef.name")
        if at(item, "kind") == "HorizontalPodAutoscaler" and ref == name_of(deployment):
            yield Violation(object_ref(item), "kind", "absent with the HPA off", "rendered")
    actual = view.counterparts(objects)
    if not actual:
        yield Violation(object_ref(deployment), "spec", "rendered with the HPA off too", "not rendered")
    for item in actual:
        most = 5 if is_local(view) else 10
        count = integer_at(item, "spec.replicas", 1)
        if count is None or not 1 <= count <= most:
            yield Violation(object_ref(item), "spec.replicas", f"1-{most}", format_value(at(item, "spec.replicas")))
        elif view.shipped and count != view.component.replicas:
            stated = str(view.component.replicas)
            yield Violation(object_ref(item), "spec.replicas", stated, str(count), derived=True)


@check("DEP-03", "live")
def replicas_at_rest(view: ComponentView) -> Iterator[Violation]:
    """DEP-03: without load the Deployment has the HPA's minReplicas, or the configured number."""
    deployment = view.deployment
    scaler = view.find_autoscaler() if view.component_name == "backend" else None
    if scaler is not None:
        expected, source = integer_at(scaler, "spec.minReplicas", 1), "the HPA's minReplicas"
    else:
        declared = next(iter(view.counterparts(view.snapshot.manifest_objects)), {})
        expected = integer_at(declared, "spec.replicas", view.component.replicas)
        source = "the configured number"
    count = integer_at(deployment, "spec.replicas", 1)
    most = 5 if is_local(view) else 10
    if count is None or not 1 <= count <= most:
        yield Violation(
            object_ref(deployment), "spec.replicas", f"1-{most}", format_value(at(deployment, "spec.replicas"))
        )
    elif count != expected:
        yield Violation(object_ref(deployment), "spec.replicas", f"{expected} ({source})", str(count))


@check("DEP-03")
def is_not_paused(view: ComponentView) -> Iterator[Violation]:
    """DEP-03: the Deployment is not paused, as it would create no pods."""
    if at(view.deployment, "spec.paused") is True:
        expected = "false: a Deployment that is paused creates no pods"
        yield Violation(object_ref(view.deployment), "spec.paused", expected, "true")


def other_pods(view: ComponentView) -> Iterator[Pod]:
    """Yield other workloads' pod templates in the same namespace and, live, every pod that is not the component's."""
    own = view.deployment
    for pod in view.workloads():
        # A second object of the same name is CHT-09's finding.
        if pod.object != object_ref(own) and view.namespaced(pod.owner) == view.namespaced(own):
            yield pod
    if view.live:
        sets = view.owned_replica_sets()
        for item in view.cluster.pods:
            same = view.namespaced(item) == view.namespaced(own)
            if same and not any(owned_by(item, rs) for rs in sets):
                yield Pod(item, "", item)


@check("DEP-04")
def selector_matches_own_pods_only(view: ComponentView) -> Iterator[Violation]:
    """DEP-04: the selector matches the template's labels and no other workload's pods."""
    deployment = view.deployment
    owner = object_ref(deployment)
    selector = mapping_at(deployment, "spec.selector")
    expected = mapping_at(selector, "matchLabels")
    labels = mapping_at(deployment, "spec.template.metadata.labels")
    if not expected:
        yield Violation(owner, "spec.selector.matchLabels", "at least one label", "none")
        return
    if missing := {key: value for key, value in expected.items() if labels.get(key) != value}:
        yield Violation(owner, "spec.selector.matchLabels", "labels of the template", format_value(missing))
    elif not selects(selector, labels):
        yield Violation(owner, "spec.selector.matchExpressions", "to match the template", format_value(dict(labels)))
    for pod in other_pods(view):
        if selects(selector, pod.labels):
            wanted, actual = "to match no other workload's pods", f"{pod.object} matches"
            yield Violation(owner, "spec.selector", wanted, actual, derived=is_test(pod.owner))


@check("DEP-05")
def identifying_labels(view: ComponentView) -> Iterator[Violation]:
    """DEP-05: the target's labels are on selector, workload and pods."""
    deployment = view.deployment
    stated = view.component.labels
    places: list[tuple[str, str, Object, bool]] = [
        (
            object_ref(deployment),
            "spec.selector.matchLabels",
            _selected_labels(deployment),
            False,
        ),
        (object_ref(deployment), "metadata.labels", mapping_at(deployment, "metadata.labels"), True),
    ]
    places += [(pod.object, pod.path("metadata.labels"), pod.labels, False) for pod in view.pods]
    for owner, field, labels, derived in places:
        for key, value in stated.items():
            if labels.get(key) != value:
                yield Violation(owner, f"{field}.{key}", value, format_value(labels.get(key)), derived=derived)


def _selected_labels(deployment: Object) -> dict[str, Any]:
    """Return the labels that a selector requires, also by an expression with a single value."""
    expressions = mappings_at(deployment, "spec.selector.matchExpressions")
    single = {
        text_at(each, "key"): list_at(each, "values")[0]
        for each in expressions
        if at(each, "operator") == "In" and len(list_at(each, "values")) == 1
    }
    return {**single, **mapping_at(deployment, "spec.selector.matchLabels")}


def rolling_update(view: ComponentView) -> tuple[object, object] | None:
    """Return maxSurge and maxUnavailable as written (25% if absent), or None if the strategy is not RollingUpdate."""
    if at(view.deployment, "spec.strategy.type") not in (None, "RollingUpdate"):
        return None
    actual = mapping_at(view.deployment, "spec.strategy.rollingUpdate")
    surge, unavailable = actual.get("maxSurge"), actual.get("maxUnavailable")
    return "25%" if surge is None else surge, "25%" if unavailable is None else unavailable


def resolved_value(written: object, count: int | None) -> str:
    """Format a count as it is written and, for a percentage, the number of pods that it amounts to."""
    meaning = f"which is {count}" if count is not None else "neither a count nor a percentage"
    return format_value(written) if written == count else f"{format_value(written)}, {meaning}"


def counted(replicas: int) -> str:
    """Return the number in words: `1 replica`, `2 replicas`."""
    return "1 replica" if replicas == 1 else f"{replicas} replicas"


@check("DEP-06")
def rolls_out_without_downtime(view: ComponentView) -> Iterator[Violation]:
    """DEP-06: a RollingUpdate with maxUnavailable 0 and maxSurge of at least 1, both resolved."""
    owner = object_ref(view.deployment)
    written = rolling_update(view)
    if written is None:
        yield Violation(
            owner, "spec.strategy.type", "RollingUpdate", format_value(at(view.deployment, "spec.strategy.type"))
        )
        return
    replicas = view.replicas()
    surge, unavailable = resolved(written[0], replicas, up=True), resolved(written[1], replicas, up=False)
    field = "spec.strategy.rollingUpdate"
    if unavailable != 0:
        expected = f"0 at {counted(replicas)}"
        yield Violation(owner, f"{field}.maxUnavailable", expected, resolved_value(written[1], unavailable))
    if surge is None or surge < 1:
        expected = f"at least 1 at {counted(replicas)}"
        yield Violation(owner, f"{field}.maxSurge", expected, resolved_value(written[0], surge))


@check("DEP-07")
def rollout_can_progress(view: ComponentView) -> Iterator[Violation]:
    """DEP-07: maxSurge and maxUnavailable are not both 0, resolved."""
    written = rolling_update(view)
    if written is None:
        return
    replicas = view.replicas()
    surge, unavailable = resolved(written[0], replicas, up=True), resolved(written[1], replicas, up=False)
    if not surge and not unavailable:
        expected = f"maxSurge + maxUnavailable > 0 at {counted(replicas)}"
        actual = f"{resolved_value(written[0], surge)}; {resolved_value(written[1], unavailable)}"
        yield Violation(object_ref(view.deployment), "spec.strategy.rollingUpdate", expected, actual)


@check("DEP-08")
def keeps_revisions(view: ComponentView) -> Iterator[Violation]:
    """DEP-08: revisionHistoryLimit is at least 1 and as the target states."""
    deployment = view.deployment
    actual = integer_at(deployment, "spec.revisionHistoryLimit", 10)
    expected = view.component.revision_history_limit
    if actual is None or actual < 1:
        shown_value = format_value(at(deployment, "spec.revisionHistoryLimit"))
        yield Violation(object_ref(deployment), "spec.revisionHistoryLimit", "at least 1, to roll back to", shown_value)
    elif (view.shipped or view.live) and actual != expected:
        yield Violation(object_ref(deployment), "spec.revisionHistoryLimit", str(expected), str(actual), derived=True)


@check("DEP-09")
def owns_its_pods(view: ComponentView) -> Iterator[Violation]:
    """DEP-09: the Deployment owns, through its ReplicaSets, every matching pod and exactly `replicas` of them."""
    deployment = view.deployment
    owner = object_ref(deployment)
    selector = mapping_at(deployment, "spec.selector")
    sets = view.owned_replica_sets()
    for kind, items, owners in (
        ("ReplicaSet", view.cluster.replica_sets, [deployment]),
        ("Pod", view.cluster.pods, sets),
    ):
        for item in items:
            owned = any(owned_by(item, each) for each in owners)
            same = view.namespaced(item) == view.namespaced(deployment)
            if same and selects(selector, mapping_at(item, "metadata.labels")) and not owned:
                yield Violation(
                    f"{kind}/{name_of(item)}", "metadata.ownerReferences", f"owned through {owner}", "not owned by it"
                )
    expected = integer_at(deployment, "spec.replicas", 1)
    count = len(view.owned_pods())
    if count != expected:
        yield Violation(owner, "spec.replicas", f"exactly {expected} pods", str(count))


@check("DEP-14")
def rollouts_are_given_time(view: ComponentView) -> Iterator[Violation]:
    """DEP-14: a rollout fails only after its pods could have become available."""
    deployment = view.deployment
    owner = object_ref(deployment)
    settled = integer_at(deployment, "spec.minReadySeconds", 0) or 0
    deadline = integer_at(deployment, "spec.progressDeadlineSeconds", 600) or 0
    if settled >= INSTALLED_WITHIN:
        expected = f"less than {INSTALLED_WITHIN}, in which the release is installed"
        yield Violation(owner, "spec.minReadySeconds", expected, str(settled))
    for pod in view.pods[:1]:
        probe = mapping_at(view.main_container(pod).body, "startupProbe")
        start = (integer_at(probe, "initialDelaySeconds", 0) or 0) + seconds(probe) if probe else 0
        if deadline <= max(settled, start):
            expected = f"more than minReadySeconds ({settled}) and the startup budget ({start})"
            yield Violation(owner, "spec.progressDeadlineSeconds", expected, str(deadline))
