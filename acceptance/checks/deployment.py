"""Rules of Deployments."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import in_namespace, named
from acceptance.checks.component_view import ComponentView, owned_by
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, integer_at, mapping_at, name_of, object_ref
from acceptance.kube.pod_templates import Pod, selects
from acceptance.kube.quantity import resolved

named("DEP-01", lambda s: s.deployment, lambda s: s.component.deployment)
in_namespace("DEP-02", lambda s: s.deployment)


def is_local(subject: ComponentView) -> bool:
    """Whether the values say that the cluster is local; it is where they say nothing."""
    path = subject.target.values.local_cluster
    chart = subject.snapshot.chart
    return path is None or chart is None or at(chart.values, path) is not False


@check("DEP-03", "static")
def replicas_rendered(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    scaled = subject.component_name == "backend" and subject.find_autoscaler() is not None
    if scaled and subject.chart.autoscaler_off is None:
        raise Untested("replicas are rendered with the HPA off, but the target names no values.hpa_enabled")
    off = subject.chart.autoscaler_off
    objects = off.objects if scaled and off else (deployment,)
    if scaled and off and off.error is not None:
        yield Violation(object_ref(deployment), "spec.replicas", "a rendering with the HPA off", off.error)
        return
    for item in objects if scaled else ():
        if at(item, "kind") == "HorizontalPodAutoscaler":
            yield Violation(object_ref(item), "kind", "absent while it is switched off", "rendered")
    found = [o for o in objects if at(o, "kind") == "Deployment" and name_of(o) == name_of(deployment)]
    if not found:
        yield Violation(object_ref(deployment), "spec", "rendered with the HPA off too", "nothing")
    for item in found:
        most = 5 if is_local(subject) else 10
        count = integer_at(item, "spec.replicas", 1)
        if count is None or not 1 <= count <= most:
            yield Violation(object_ref(item), "spec.replicas", f"1-{most}", format_value(at(item, "spec.replicas")))
        elif subject.shipped and count != subject.component.replicas:
            yield Violation(object_ref(item), "spec.replicas", str(subject.component.replicas), str(count))


@check("DEP-03", "live")
def replicas_at_rest(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    scaler = subject.find_autoscaler() if subject.component_name == "backend" else None
    if scaler is not None:
        wanted, source = integer_at(scaler, "spec.minReplicas", 1), "the HPA's minReplicas"
    else:
        declared = next(
            (
                item
                for item in subject.snapshot.manifest_objects
                if at(item, "kind") == "Deployment" and name_of(item) == name_of(deployment)
            ),
            {},
        )
        wanted = integer_at(declared, "spec.replicas", subject.component.replicas)
        source = "the configured number"
    count = integer_at(deployment, "spec.replicas", 1)
    most = 5 if is_local(subject) else 10
    if count is None or not 1 <= count <= most:
        yield Violation(
            object_ref(deployment), "spec.replicas", f"1-{most}", format_value(at(deployment, "spec.replicas"))
        )
    elif count != wanted:
        yield Violation(object_ref(deployment), "spec.replicas", f"{wanted} ({source})", str(count))


def other_pods(subject: ComponentView) -> Iterator[Pod]:
    """Pods of other workloads in the same namespace: templates, and live every pod that isn't the component's."""
    own = subject.deployment
    for pod in subject.workloads():
        if pod.owner is not own and subject.namespaced(pod.owner) == subject.namespaced(own):
            yield pod
    if subject.live:
        sets = subject.owned_replica_sets()
        for item in subject.cluster.pods:
            same = subject.namespaced(item) == subject.namespaced(own)
            if same and not any(owned_by(item, rs) for rs in sets):
                yield Pod(item, "", item)


@check("DEP-04")
def selector_is_its_own(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    owner = object_ref(deployment)
    selector = mapping_at(deployment, "spec.selector")
    wanted = mapping_at(selector, "matchLabels")
    labels = mapping_at(deployment, "spec.template.metadata.labels")
    if not wanted:
        yield Violation(owner, "spec.selector.matchLabels", "at least one label", "none")
        return
    if missing := {key: value for key, value in wanted.items() if labels.get(key) != value}:
        yield Violation(owner, "spec.selector.matchLabels", "labels of the template", format_value(missing))
    elif not selects(selector, labels):
        yield Violation(owner, "spec.selector.matchExpressions", "to match the template", format_value(dict(labels)))
    for pod in other_pods(subject):
        if selects(selector, pod.labels):
            yield Violation(owner, "spec.selector", "to match no other workload's pods", f"{pod.object} matches")


@check("DEP-05")
def identifying_labels(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    stated = subject.component.labels
    places: list[tuple[str, str, Object, bool]] = [
        (
            object_ref(deployment),
            "spec.selector.matchLabels",
            mapping_at(deployment, "spec.selector.matchLabels"),
            False,
        ),
        (object_ref(deployment), "metadata.labels", mapping_at(deployment, "metadata.labels"), True),
    ]
    places += [(pod.object, pod.path("metadata.labels"), pod.labels, False) for pod in subject.pods]
    for owner, field, labels, derived in places:
        for key, value in stated.items():
            if labels.get(key) != value:
                yield Violation(owner, f"{field}.{key}", value, format_value(labels.get(key)), derived=derived)


def rolling(subject: ComponentView) -> tuple[object, object] | None:
    """maxSurge and maxUnavailable as written, 25% where absent; None where the strategy is another."""
    if at(subject.deployment, "spec.strategy.type") not in (None, "RollingUpdate"):
        return None
    found = mapping_at(subject.deployment, "spec.strategy.rollingUpdate")
    surge, unavailable = found.get("maxSurge"), found.get("maxUnavailable")
    return "25%" if surge is None else surge, "25%" if unavailable is None else unavailable


@check("DEP-06")
def rolls_without_a_gap(subject: ComponentView) -> Iterator[Violation]:
    owner = object_ref(subject.deployment)
    written = rolling(subject)
    if written is None:
        yield Violation(
            owner, "spec.strategy.type", "RollingUpdate", format_value(at(subject.deployment, "spec.strategy.type"))
        )
        return
    replicas = subject.replicas()
    surge, unavailable = resolved(written[0], replicas, up=True), resolved(written[1], replicas, up=False)
    field = "spec.strategy.rollingUpdate"
    if unavailable != 0:
        wanted = f"0 at {replicas} replicas"
        yield Violation(owner, f"{field}.maxUnavailable", wanted, f"{written[1]!r}, which is {unavailable}")
    if surge is None or surge < 1:
        wanted = f"at least 1 at {replicas} replicas"
        yield Violation(owner, f"{field}.maxSurge", wanted, f"{written[0]!r}, which is {surge}")


@check("DEP-07")
def rolls_at_all(subject: ComponentView) -> Iterator[Violation]:
    written = rolling(subject)
    if written is None:
        return
    replicas = subject.replicas()
    surge, unavailable = resolved(written[0], replicas, up=True), resolved(written[1], replicas, up=False)
    if not surge and not unavailable:
        wanted = f"maxSurge + maxUnavailable > 0 at {replicas} replicas"
        found = f"{written[0]!r} and {written[1]!r}, which are {surge} and {unavailable}"
        yield Violation(object_ref(subject.deployment), "spec.strategy.rollingUpdate", wanted, found)


@check("DEP-08")
def keeps_revisions(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    found = integer_at(deployment, "spec.revisionHistoryLimit", 10)
    wanted = subject.component.revision_history_limit
    if found is None or found < 1:
        shown_value = format_value(at(deployment, "spec.revisionHistoryLimit"))
        yield Violation(object_ref(deployment), "spec.revisionHistoryLimit", "at least 1, to roll back to", shown_value)
    elif (subject.shipped or subject.live) and found != wanted:
        yield Violation(object_ref(deployment), "spec.revisionHistoryLimit", str(wanted), str(found))


@check("DEP-09")
def owns_its_pods(subject: ComponentView) -> Iterator[Violation]:
    deployment = subject.deployment
    owner = object_ref(deployment)
    selector = mapping_at(deployment, "spec.selector")
    sets = subject.owned_replica_sets()
    for kind, items, owners in (
        ("ReplicaSet", subject.cluster.replica_sets, [deployment]),
        ("Pod", subject.cluster.pods, sets),
    ):
        for item in items:
            owned = any(owned_by(item, each) for each in owners)
            same = subject.namespaced(item) == subject.namespaced(deployment)
            if same and selects(selector, mapping_at(item, "metadata.labels")) and not owned:
                yield Violation(
                    f"{kind}/{name_of(item)}", "metadata.ownerReferences", f"owned through {owner}", "a stray"
                )
    wanted = integer_at(deployment, "spec.replicas", 1)
    count = len(subject.owned_pods())
    if count != wanted:
        yield Violation(owner, "spec.replicas", f"exactly {wanted} pods", str(count))
