"""Rules of the backend's HorizontalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import in_namespace, label
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, integer_at, mapping_at, mappings_at, name_of, object_ref
from acceptance.core.target import Autoscaler
from acceptance.kube.pod_templates import pod_of
from acceptance.kube.quantity import quantity

MAX_REPLICAS = 10


@check("HPA-01")
def is_there(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    wanted = subject.target.autoscaler
    item = subject.find_autoscaler()
    if item is None:
        name = f"HorizontalPodAutoscaler/{wanted.name if wanted else '(any)'}"
        yield Violation(name, "metadata.name", "one for the backend, by default", "none")
        return
    if at(item, "apiVersion") != "autoscaling/v2":
        yield Violation(object_ref(item), "apiVersion", "autoscaling/v2", format_value(at(item, "apiVersion")))
    yield from label(item)
    if wanted is not None and name_of(item) != wanted.name:
        yield Violation(object_ref(item), "metadata.name", wanted.name, format_value(name_of(item)))


in_namespace("HPA-02", lambda s: s.autoscaler)


@check("HPA-03")
def scales_the_backend(subject: ComponentView) -> Iterator[Violation]:
    ref = mapping_at(subject.autoscaler, "spec.scaleTargetRef")
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name_of(subject.deployment)}
    for key, value in wanted.items():
        if ref.get(key) != value:
            field = f"spec.scaleTargetRef.{key}"
            yield Violation(
                object_ref(subject.autoscaler), field, f"{value}, the backend's", format_value(ref.get(key))
            )


def stated(subject: ComponentView) -> Autoscaler | None:
    """The target's figures, which are those of the shipped defaults."""
    return subject.target.autoscaler if subject.shipped else None


@check("HPA-04")
def minimum_in_bounds(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.autoscaler)
    found = integer_at(subject.autoscaler, "spec.minReplicas", 1)
    figures = stated(subject)
    if found is None or not 1 <= found <= MAX_REPLICAS:
        wanted = f"1-{MAX_REPLICAS}"
        yield Violation(owner, "spec.minReplicas", wanted, format_value(at(subject.autoscaler, "spec.minReplicas")))
    elif figures and found != figures.min_replicas:
        yield Violation(owner, "spec.minReplicas", str(figures.min_replicas), str(found))


@check("HPA-05")
def minimum_within_maximum(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.autoscaler)
    least = integer_at(subject.autoscaler, "spec.minReplicas", 1)
    most = at(subject.autoscaler, "spec.maxReplicas")
    figures = stated(subject)
    if not isinstance(most, int) or least is None or most < least:
        yield Violation(owner, "spec.maxReplicas", f"at least minReplicas ({least})", format_value(most))
    elif most == least:
        wanted = f"more than minReplicas ({least}), to scale at all"
        yield Violation(owner, "spec.maxReplicas", wanted, str(most), advice=True)
    elif figures and most != figures.max_replicas:
        yield Violation(owner, "spec.maxReplicas", str(figures.max_replicas), str(most))


@check("HPA-06")
def has_metrics(subject: ComponentView) -> Iterator[Violation]:
    # Live, an empty list would long be the API server's default: what the chart declares tells.
    objects = subject.snapshot.manifest_objects if subject.live else (subject.autoscaler,)
    for item in objects:
        if at(item, "kind") == "HorizontalPodAutoscaler" and name_of(item) == name_of(subject.autoscaler):
            count = len(mappings_at(item, "spec.metrics"))
            if not 1 <= count <= 10:
                yield Violation(object_ref(item), "spec.metrics", "1-10 metrics", str(count))
    count = len(mappings_at(subject.autoscaler, "spec.metrics"))
    if subject.live and not 1 <= count <= 10:
        yield Violation(object_ref(subject.autoscaler), "spec.metrics", "1-10 metrics", str(count))


def cpu_metric(metrics: list[Object]) -> Object | None:
    """The source of the CPU metric (of the whole pod or of one container), or None."""
    for metric in metrics:
        for source in ("resource", "containerResource"):
            if at(metric, f"{source}.name") == "cpu":
                return mapping_at(metric, source)
    return None


@check("HPA-07")
def cpu_utilisation(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.autoscaler)
    metric = cpu_metric(mappings_at(subject.autoscaler, "spec.metrics"))
    if metric is None:
        yield Violation(owner, "spec.metrics", "a CPU metric", "none")
    else:
        figures = stated(subject)
        found = at(metric, "target.averageUtilization")
        if at(metric, "target.type") != "Utilization":
            yield Violation(
                owner, "spec.metrics[cpu].target.type", "Utilization", format_value(at(metric, "target.type"))
            )
        elif not isinstance(found, int) or not 1 <= found <= 100:
            yield Violation(owner, "spec.metrics[cpu].target.averageUtilization", "1-100", format_value(found))
        elif figures and found != figures.cpu_percent:
            field = "spec.metrics[cpu].target.averageUtilization"
            yield Violation(owner, field, str(figures.cpu_percent), str(found))
    template = pod_of(subject.deployment)
    for container in template.containers() if template else []:
        request = mapping_at(container.body, "resources.requests").get("cpu")
        if request is None:
            request = mapping_at(container.body, "resources.limits").get("cpu")
        if quantity(request) is None and (not container.init or container.sidecar):
            field = f"{container.field}.resources.requests.cpu"
            yield Violation(
                container.object, field, "a CPU request, which utilisation is a share of", format_value(request)
            )


@check("HPA-08")
def works_on_real_metrics(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.autoscaler)
    conditions = mappings_at(subject.autoscaler, "status.conditions")
    active = next((c for c in conditions if at(c, "type") == "ScalingActive"), None)
    if active is None or at(active, "status") != "True":
        found = f"{at(active, 'status')}: {at(active, 'message')}" if active else "no such condition"
        yield Violation(owner, "status.conditions[ScalingActive]", "True", found)
    current = cpu_metric(mappings_at(subject.autoscaler, "status.currentMetrics"))
    value = at(current, "current.averageUtilization")
    if not isinstance(value, int):
        yield Violation(owner, "status.currentMetrics[cpu].current.averageUtilization", "a number", format_value(value))


@check("HPA-11", "static")
def replicas_left_to_it(subject: ComponentView) -> Iterator[Violation]:
    if at(subject.autoscaler, "spec.scaleTargetRef.name") != name_of(subject.deployment):
        raise Untested("the HPA scales another Deployment (HPA-03)")
    found = at(subject.deployment, "spec.replicas")
    if found is not None:
        wanted = "absent while the HPA is on"
        yield Violation(object_ref(subject.deployment), "spec.replicas", wanted, format_value(found))
