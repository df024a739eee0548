"""Rules of state that objects show: where pods may run, and that a node can be drained."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.deployment import is_local, rolling_update
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, integer_at, mapping_at, mappings_at, object_ref, text_at
from acceptance.kube.pod_templates import Pod, selects
from acceptance.kube.quantity import resolved

REQUIRED = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"
APART = "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution"
ON_NODES = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
HOSTNAME = "kubernetes.io/hostname"
NODE_LABELS = {
    **{f"{prefix}kubernetes.io/os": "linux" for prefix in ("", "beta.")},
    **{f"{prefix}kubernetes.io/arch": "amd64" for prefix in ("", "beta.")},
    HOSTNAME: "minikube",
    "minikube.k8s.io/name": "minikube",
    "minikube.k8s.io/primary": "true",
    "node-role.kubernetes.io/control-plane": "",
}
"""The labels of a local cluster's node."""


@check("STA-06")
def no_affinity_required(view: ComponentView) -> Iterator[Violation]:
    """STA-06: no pod affinity is required."""
    for pod in view.pods:
        if terms := mappings_at(pod.spec, REQUIRED):
            yield Violation(pod.object, pod.path(f"spec.{REQUIRED}"), "none", f"{len(terms)} terms")


@check("STA-06", "static")
def fits_a_local_cluster(view: ComponentView) -> Iterator[Violation]:
    """STA-06: the shipped pods, one more during a rollout, can all run on the one node of a local cluster."""
    if not (view.shipped and is_local(view)):
        return
    pod = view.pods[0]
    most = _most_pods(view)
    for term in mappings_at(pod.spec, APART):
        if text_at(term, "topologyKey") == HOSTNAME and at(term, "labelSelector") is not None:
            selector = mapping_at(term, "labelSelector")
            if selects(selector, pod.labels) and most > 1:
                expected = "no more than a preference: a local cluster has one node"
                yield Violation(pod.object, pod.path(f"spec.{APART}"), expected, f"required, for up to {most} pods")
            elif other := _repelled(view, pod, selector):
                expected = f"no more than a preference: {other.object} runs on the same node"
                yield Violation(pod.object, pod.path(f"spec.{APART}"), expected, "required")
    yield from _spread(pod, most)
    yield from _nodes(pod, view.component.image.platform.rpartition("/")[2])


def _most_pods(view: ComponentView) -> int:
    """Return the largest number of pods: the configured one and the surge of a rollout, or the HPA's maximum."""
    replicas = view.replicas()
    written = rolling_update(view)
    surge = resolved(written[0], replicas, up=True) or 0 if written else 0
    scaler = view.find_autoscaler() if view.component_name == "backend" else None
    return max(replicas + surge, integer_at(scaler, "spec.maxReplicas", 1) or 1 if scaler is not None else 1)


def _repelled(view: ComponentView, pod: Pod, selector: Object) -> Pod | None:
    """Return another component's pod that a required anti-affinity keeps away."""
    others = [part.find_deployment() for part in view.for_each_component()]
    return next(
        (
            each
            for each in view.workloads()
            if each.owner is not pod.owner
            and any(each.owner is other for other in others)
            and selects(selector, each.labels)
        ),
        None,
    )


def _spread(pod: Pod, most: int) -> Iterator[Violation]:
    field = pod.path("spec.topologySpreadConstraints")
    for constraint in mappings_at(pod.spec, "topologySpreadConstraints"):
        if at(constraint, "whenUnsatisfiable") == "ScheduleAnyway":
            continue
        key = text_at(constraint, "topologyKey")
        domains, skew = integer_at(constraint, "minDomains", 1) or 1, integer_at(constraint, "maxSkew", 1) or 1
        if key not in NODE_LABELS:
            expected = f"a label that a local cluster's node has, such as {HOSTNAME}, or ScheduleAnyway"
            yield Violation(pod.object, f"{field}.topologyKey", expected, format_value(key), derived=True)
        elif domains > 1 and most > skew:
            expected = "absent or 1: a local cluster has one node"
            yield Violation(pod.object, f"{field}.minDomains", expected, str(domains), derived=True)
        elif key == HOSTNAME and most > skew and at(constraint, "nodeTaintsPolicy") != "Honor":
            expected = "Honor, or ScheduleAnyway: else a cordoned node counts as an empty one, and pods stay Pending"
            actual = format_value(at(constraint, "nodeTaintsPolicy") or "absent, so Ignore")
            yield Violation(pod.object, f"{field}.nodeTaintsPolicy", expected, actual, derived=True)


def _nodes(pod: Pod, architecture: str) -> Iterator[Violation]:
    expected = "labels that a local cluster's node has"
    labels = {key: architecture if key.endswith("/arch") else value for key, value in NODE_LABELS.items()}
    for key, value in mapping_at(pod.spec, "nodeSelector").items():
        if labels.get(key) != value:
            yield Violation(pod.object, pod.path("spec.nodeSelector"), expected, f"{key}={value}", derived=True)
    terms = mappings_at(pod.spec, ON_NODES)
    if terms and not any(
        selects({"matchExpressions": term.get("matchExpressions") or []}, labels)
        and not mappings_at(term, "matchFields")
        for term in terms
    ):
        yield Violation(pod.object, pod.path(f"spec.{ON_NODES}"), expected, format_value(terms), derived=True)


def _least_pods(view: ComponentView) -> int:
    """Return the smallest number of pods: the HPA's minimum, where it scales the component, or the configured one."""
    scaler = view.find_autoscaler() if view.component_name == "backend" else None
    return view.replicas() if scaler is None else integer_at(scaler, "spec.minReplicas", 1) or 1


def _is_budget_of(budget: Object, view: ComponentView) -> bool:
    """Whether a PodDisruptionBudget selects the component's pods."""
    deployment, selector = view.find_deployment(), at(budget, "spec.selector")
    return (
        deployment is not None
        and selector is not None
        and view.namespaced(budget) == view.namespaced(deployment)
        and selects(mapping_at(budget, "spec.selector"), view.pods[0].labels)
    )


@check("STA-11")
def nodes_can_be_drained(view: ComponentView) -> Iterator[Violation]:
    """STA-11: no PodDisruptionBudget, nor a second one, keeps all pods of the component from being evicted."""
    budgets = [each for each in view.snapshot.of_kind("PodDisruptionBudget") if _is_budget_of(each, view)]
    for budget in budgets[1:]:
        expected = f"no other than {object_ref(budgets[0])}: pods of two budgets are never evicted"
        yield Violation(object_ref(budget), "spec.selector", expected, f"selects {view.pods[0].object} too")
    for budget in budgets:
        replicas = sum(_least_pods(part) for part in view.for_each_component() if _is_budget_of(budget, part))
        for field, rest in (("minAvailable", True), ("maxUnavailable", False)):
            written = at(budget, f"spec.{field}")
            number = resolved(written, replicas, up=True)
            if number is None:
                continue
            evictable = replicas - number if rest else number
            if evictable < 1:
                expected = f"to let one of {replicas} pods be evicted, so that a node can be drained"
                yield Violation(object_ref(budget), f"spec.{field}", expected, format_value(written))
