"""Rules of the backend's HorizontalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import check_namespace, invalid_name
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import (
    Object,
    at,
    format_value,
    integer_at,
    mapping_at,
    mappings_at,
    name_of,
    object_ref,
    text_at,
)
from acceptance.core.target import Autoscaler
from acceptance.kube.pod_templates import pod_of
from acceptance.kube.quantity import quantity
from acceptance.kube.status import condition

MAX_REPLICAS = 10
NO_METRICS = "the cluster serves no metrics of pods (metrics.k8s.io): install metrics-server in it"
"""Why autoscaling is untested on a cluster in which the run may not install it."""


@check("HPA-01")
def autoscaler_exists(view: ComponentView) -> Iterator[Violation]:
    """HPA-01: there is an autoscaling/v2 HPA under the target's name."""
    view.require_rendered()
    expected = view.target.autoscaler
    item = view.find_autoscaler()
    if item is None and (view.snapshot.chosen or not (view.live or view.shipped)):
        raise Untested("the values may have switched the HPA off")
    if item is None:
        name = f"HorizontalPodAutoscaler/{expected.name if expected else '(any)'}"
        path = view.target.values.hpa_enabled
        values = view.snapshot.chart.values if view.snapshot.chart else {}
        off = path is not None and at(values, path) is False
        actual = f"none, since {path} is false" if off else "none"
        yield Violation(name, "metadata.name", "an HPA for the backend", actual)
        return
    if at(item, "apiVersion") != "autoscaling/v2":
        yield Violation(object_ref(item), "apiVersion", "autoscaling/v2", format_value(at(item, "apiVersion")))
    yield from invalid_name(item)
    if expected is not None and name_of(item) != expected.name:
        yield Violation(object_ref(item), "metadata.name", expected.name, format_value(name_of(item)))


check_namespace("HPA-02", lambda view: view.autoscaler)


@check("HPA-03")
def scales_the_backend(view: ComponentView) -> Iterator[Violation]:
    """HPA-03: scaleTargetRef names the backend's Deployment."""
    ref = mapping_at(view.autoscaler, "spec.scaleTargetRef")
    expected = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name_of(view.deployment)}
    for key, value in expected.items():
        if ref.get(key) != value:
            field = f"spec.scaleTargetRef.{key}"
            yield Violation(object_ref(view.autoscaler), field, f"{value}, the backend's", format_value(ref.get(key)))


def shipped_figures(view: ComponentView) -> Autoscaler | None:
    """Return the target's figures, which apply to the chart's defaults only, or None."""
    return view.target.autoscaler if view.shipped else None


@check("HPA-04")
def minimum_in_bounds(view: ComponentView) -> Iterator[Violation]:
    """HPA-04: minReplicas is 1-10 and, in the shipped chart, the target's figure."""
    owner = object_ref(view.autoscaler)
    actual = integer_at(view.autoscaler, "spec.minReplicas", 1)
    figures = shipped_figures(view)
    if actual is None or not 1 <= actual <= MAX_REPLICAS:
        expected = f"1-{MAX_REPLICAS}"
        yield Violation(owner, "spec.minReplicas", expected, format_value(at(view.autoscaler, "spec.minReplicas")))
    elif figures and actual != figures.min_replicas:
        yield Violation(owner, "spec.minReplicas", str(figures.min_replicas), str(actual), derived=True)


@check("HPA-05")
def minimum_within_maximum(view: ComponentView) -> Iterator[Violation]:
    """HPA-05: maxReplicas is at least minReplicas; equal is advice, as it can't scale."""
    owner = object_ref(view.autoscaler)
    minimum = integer_at(view.autoscaler, "spec.minReplicas", 1)
    maximum = at(view.autoscaler, "spec.maxReplicas")
    figures = shipped_figures(view)
    if not isinstance(maximum, int) or minimum is None or maximum < minimum:
        yield Violation(owner, "spec.maxReplicas", f"at least minReplicas ({minimum})", format_value(maximum))
    elif maximum == minimum:
        expected = f"more than minReplicas ({minimum}), to scale at all"
        yield Violation(owner, "spec.maxReplicas", expected, str(maximum), advice=True)
    elif figures and maximum != figures.max_replicas:
        yield Violation(owner, "spec.maxReplicas", str(figures.max_replicas), str(maximum), derived=True)


@check("HPA-06")
def has_metrics(view: ComponentView) -> Iterator[Violation]:
    """HPA-06: there are 1-10 metrics, live also in the manifest."""
    # Live, the API server has replaced an empty list with its default: the manifest shows what the chart declares.
    objects = view.snapshot.manifest_objects if view.live else (view.autoscaler,)
    for item in objects:
        if at(item, "kind") == "HorizontalPodAutoscaler" and name_of(item) == name_of(view.autoscaler):
            count = len(mappings_at(item, "spec.metrics"))
            if not 1 <= count <= 10:
                yield Violation(object_ref(item), "spec.metrics", "1-10 metrics", str(count))
    count = len(mappings_at(view.autoscaler, "spec.metrics"))
    if view.live and not 1 <= count <= 10:
        yield Violation(object_ref(view.autoscaler), "spec.metrics", "1-10 metrics", str(count))


TARGETS = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
"""The field of a metric's target that its type is about."""


@check("HPA-06")
def targets_have_the_field_of_their_type(view: ComponentView) -> Iterator[Violation]:
    """HPA-06: a metric's target sets the field that its type names: a percentage elsewhere is an amount."""
    owner = object_ref(view.autoscaler)
    for number, metric in enumerate(mappings_at(view.autoscaler, "spec.metrics")):
        kind = text_at(metric, "type")
        source = kind[:1].lower() + kind[1:]
        target = mapping_at(metric, f"{source}.target")
        wanted = TARGETS.get(text_at(target, "type"))
        stated = [field for field in TARGETS.values() if target.get(field) is not None]
        if wanted and stated and wanted not in stated:
            name = text_at(metric, f"{source}.name") or text_at(metric, f"{source}.metric.name") or str(number)
            field = f"spec.metrics[{name}].target"
            expected = f"{wanted}, as its type is {text_at(target, 'type')}"
            actual = f"only {stated[0]}: {format_value(target[stated[0]])}"
            yield Violation(owner, field, expected, actual, derived=True)


def cpu_metric(metrics: list[Object]) -> Object | None:
    """Return the source of the CPU metric (of the pod or of one container), or None."""
    for metric in metrics:
        for source in ("resource", "containerResource"):
            if at(metric, f"{source}.name") == "cpu":
                return mapping_at(metric, source)
    return None


@check("HPA-07")
def cpu_utilisation(view: ComponentView) -> Iterator[Violation]:
    """HPA-07: the CPU metric targets a utilisation of 1-100, and every container requests CPU."""
    owner = object_ref(view.autoscaler)
    metric = cpu_metric(mappings_at(view.autoscaler, "spec.metrics"))
    if metric is None:
        yield Violation(owner, "spec.metrics", "a CPU metric", "none")
    else:
        figures = shipped_figures(view)
        actual = at(metric, "target.averageUtilization")
        if at(metric, "target.type") != "Utilization":
            yield Violation(
                owner, "spec.metrics[cpu].target.type", "Utilization", format_value(at(metric, "target.type"))
            )
        elif not isinstance(actual, int) or not 1 <= actual <= 100:
            yield Violation(owner, "spec.metrics[cpu].target.averageUtilization", "1-100", format_value(actual))
        elif figures and actual != figures.cpu_percent:
            field = "spec.metrics[cpu].target.averageUtilization"
            yield Violation(owner, field, str(figures.cpu_percent), str(actual), derived=True)
    template = pod_of(view.deployment)
    containers = {container.name for container in template.containers()} if template else set()
    for entry in mappings_at(view.autoscaler, "spec.metrics"):
        name = text_at(entry, "containerResource.container")
        if name and name not in containers:
            expected = f"a container of the backend ({', '.join(sorted(containers))})"
            yield Violation(owner, "spec.metrics.containerResource.container", expected, format_value(name))
    for container in template.containers() if template else []:
        request = mapping_at(container.body, "resources.requests").get("cpu")
        if request is None:
            request = mapping_at(container.body, "resources.limits").get("cpu")
        if quantity(request) is None and (not container.init or container.sidecar):
            field = f"{container.field}.resources.requests.cpu"
            yield Violation(
                container.object, field, "a CPU request: utilisation is relative to it", format_value(request)
            )


@check("HPA-08")
def works_on_real_metrics(view: ComponentView) -> Iterator[Violation]:
    """HPA-08: ScalingActive is True and the current CPU utilisation is a number."""
    if not view.cluster.metrics:
        raise Untested(NO_METRICS)
    owner = object_ref(view.autoscaler)
    active = condition(view.autoscaler, "ScalingActive")
    if active.get("status") != "True":
        actual = f"{at(active, 'status')}: {at(active, 'message')}" if active else "no such condition"
        yield Violation(owner, "status.conditions[ScalingActive]", "True", actual)
    current = cpu_metric(mappings_at(view.autoscaler, "status.currentMetrics"))
    value = at(current, "current.averageUtilization")
    if not isinstance(value, int):
        yield Violation(owner, "status.currentMetrics[cpu].current.averageUtilization", "a number", format_value(value))


def slow_scaling(view: ComponentView, direction: str, limit: int) -> Iterator[Violation]:
    """Yield a violation if the behaviour never scales in a direction, or takes more than `limit` seconds to the end."""
    owner, field = object_ref(view.autoscaler), f"spec.behavior.{direction}"
    if at(view.autoscaler, f"{field}.selectPolicy") == "Disabled":
        yield Violation(owner, f"{field}.selectPolicy", "Max, Min or absent", "Disabled: it never scales this way")
        return
    seconds = least_seconds(view.autoscaler, direction)
    if seconds > limit:
        first, last = integer_at(view.autoscaler, "spec.minReplicas", 1), at(view.autoscaler, "spec.maxReplicas")
        expected = f"from {first} to {last} pods and back, each within {limit:,} s"
        yield Violation(owner, field, expected, f"{seconds:,} s at the fastest", derived=True)


def least_seconds(autoscaler: Object, direction: str) -> int:
    """Return how long its behaviour takes between its bounds at the least; 0 where it is not the API's form (CHT-09).

    Args:
        autoscaler: The HorizontalPodAutoscaler.
        direction: `scaleUp` or `scaleDown`.
    """
    rules = mapping_at(autoscaler, f"spec.behavior.{direction}")
    first, last = integer_at(autoscaler, "spec.minReplicas", 1), at(autoscaler, "spec.maxReplicas")
    if not isinstance(last, int) or first is None or first >= last:
        return 0
    times = [seconds_of(policy, direction, first, last) for policy in mappings_at(rules, "policies")]
    if None in times:
        return 0
    chosen = max if rules.get("selectPolicy") == "Min" else min
    steps = chosen((each for each in times if each is not None), default=0)
    return steps + (integer_at(rules, "stabilizationWindowSeconds", 0) or 0)


def seconds_of(policy: Object, direction: str, first: int, last: int) -> int | None:
    """Return how long a scaling policy takes between the bounds, or None for an invalid policy."""
    value, period = at(policy, "value"), at(policy, "periodSeconds")
    if not isinstance(value, int) or not isinstance(period, int) or value < 1:
        return None
    pods, periods = (first if direction == "scaleUp" else last), 0
    while first < last and (pods < last if direction == "scaleUp" else pods > first):
        by = value if at(policy, "type") == "Pods" else max(1, -(-pods * value // 100))
        pods += by if direction == "scaleUp" else -by
        periods += 1
    return (periods - 1) * period  # the first change is made at once


@check("HPA-09", "static")
def can_grow(view: ComponentView) -> Iterator[Violation]:
    """HPA-09: the behaviour lets the backend grow."""
    yield from slow_scaling(view, "scaleUp", 1800)


@check("HPA-10", "static")
def can_return(view: ComponentView) -> Iterator[Violation]:
    """HPA-10: the behaviour lets the backend return to minReplicas."""
    yield from slow_scaling(view, "scaleDown", 7200)


@check("HPA-11", "static")
def replicas_left_to_autoscaler(view: ComponentView) -> Iterator[Violation]:
    """HPA-11: the Deployment sets no replicas while the HPA is on."""
    if at(view.autoscaler, "spec.scaleTargetRef.name") != name_of(view.deployment):
        raise Untested("the HPA scales another Deployment (HPA-03)")
    actual = at(view.deployment, "spec.replicas")
    if actual is not None:
        expected = "absent while the HPA is on"
        yield Violation(object_ref(view.deployment), "spec.replicas", expected, format_value(actual))


ScaleTarget = tuple[str, str, str]
"""Kind, name and namespace of a workload."""


def scaled_by(view: ComponentView) -> Iterator[tuple[ScaleTarget, Object]]:
    """Yield each workload that an object of the release scales, with that object."""
    for item in view.snapshot.of_kind("HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler"):
        vertical = at(item, "kind") == "VerticalPodAutoscaler"
        ref = mapping_at(item, "spec.targetRef" if vertical else "spec.scaleTargetRef")
        if vertical and text_at(item, "spec.updatePolicy.updateMode", "Auto") in ("Off", "Initial"):
            continue
        yield (text_at(ref, "kind", "Deployment"), text_at(ref, "name"), view.namespaced(item)), item


@check("HPA-13")
def one_autoscaler_each(view: ComponentView) -> Iterator[Violation]:
    """HPA-13: each workload is scaled by one object, which has the metrics that it uses."""
    view.require_rendered()
    first: dict[ScaleTarget, Object] = {}
    for target, item in scaled_by(view):
        kind, name, namespace = target
        if target in first:
            expected = f"another target than that of {object_ref(first[target])}"
            yield Violation(object_ref(item), "spec.scaleTargetRef", expected, f"{kind}/{name} too")
        first.setdefault(target, item)
        workload = view.snapshot.named(kind, name, namespace)
        own = view.for_component("backend").find_deployment() if "backend" in view.target.components else None
        replicas = at(workload, "spec.replicas")
        if (
            not view.live
            and workload is not own
            and replicas is not None
            and at(item, "kind") != "VerticalPodAutoscaler"
        ):
            yield Violation(f"{kind}/{name}", "spec.replicas", f"absent beside {object_ref(item)}", str(replicas))
    adapters = view.snapshot.of_kind("APIService")
    for item in view.snapshot.of_kind("HorizontalPodAutoscaler"):
        kinds = {text_at(metric, "type") for metric in mappings_at(item, "spec.metrics")} & {
            "Pods",
            "Object",
            "External",
        }
        if kinds and view.shipped and not adapters:
            expected = "Resource or ContainerResource: a local cluster has no adapter for others"
            yield Violation(object_ref(item), "spec.metrics", expected, ", ".join(sorted(kinds)))
