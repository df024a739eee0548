"""Rules of pods: static on the Deployment's template, live on every pod that its ReplicaSets own."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import label, misplaced, timestamp
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import (
    Object,
    at,
    format_value,
    list_at,
    mapping_at,
    mappings_at,
    name_of,
    object_ref,
    text_at,
)
from acceptance.kube.pod_templates import Pod
from acceptance.kube.quantity import quantity
from acceptance.kube.schema import is_namespaced

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
COMPUTE = ("cpu", "memory")


@check("POD-01")
def name_is_generated(subject: ComponentView) -> Iterator[Violation]:
    sets = {name_of(item) for item in subject.owned_replica_sets()}
    for pod in subject.pods:
        yield from label(pod.owner)
        owner = next((text_at(o, "name") for o in mappings_at(pod.owner, "metadata.ownerReferences")), "")
        stem = text_at(pod.owner, "metadata.generateName")
        if owner not in sets or stem != f"{owner}-" or not pod.name.startswith(stem):
            wanted = "a name that its ReplicaSet generated"
            yield Violation(pod.object, "metadata.generateName", wanted, format_value(stem or None))


@check("POD-02")
def one_namespace(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    if not subject.snapshot.objects:
        raise Untested("the release has no objects")
    for item in subject.snapshot.objects:
        if is_namespaced(item, subject.snapshot.objects):
            yield from misplaced(subject, item)
    if not subject.live:
        return
    wanted = subject.target.chart.namespace
    namespace = next((item for item in subject.cluster.namespaces if name_of(item) == wanted), None)
    if namespace is None:
        yield Violation(f"Namespace/{wanted}", "metadata.name", "an existing namespace", "none")
        return
    made = timestamp(at(namespace, "metadata.creationTimestamp"))
    for item in subject.cluster.pods:
        born = timestamp(at(item, "metadata.creationTimestamp"))
        if subject.namespaced(item) == wanted and made and born and born < made:
            yield Violation(
                f"Namespace/{wanted}", "metadata.creationTimestamp", f"before {object_ref(item)}", str(made)
            )


def cause(pod: Object) -> str:
    """Why a pod does not run, in the cluster's own words."""
    for status in (*mappings_at(pod, "status.initContainerStatuses"), *mappings_at(pod, "status.containerStatuses")):
        for state in ("waiting", "terminated"):
            if (reason := text_at(status, f"state.{state}.reason")) and reason != "Completed":
                message = text_at(status, f"state.{state}.message")
                return f"{text_at(status, 'name')}: {reason} {message}".strip()
    for condition in mappings_at(pod, "status.conditions"):
        if at(condition, "status") == "False" and (message := text_at(condition, "message")):
            return f"{text_at(condition, 'reason')} {message}".strip()
    return "no cause given"


@check("POD-03")
def phase_is_running(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        phase = text_at(pod.owner, "status.phase")
        if phase not in PHASES:
            yield Violation(pod.object, "status.phase", f"one of {', '.join(PHASES)}", format_value(phase))
        elif phase != "Running":
            yield Violation(pod.object, "status.phase", "Running", f"{phase}: {cause(pod.owner)}")


@check("POD-04")
def one_to_five_containers(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        served = mappings_at(pod.spec, "containers")
        count = len(pod.containers())
        if not served or count > 5:
            wanted = "1-5 containers, init containers included"
            found = f"{count}, {len(served)} of them not init"
            yield Violation(pod.object, pod.path("spec.containers"), wanted, found)


@check("POD-05")
def always_restarted(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        policy = at(pod.spec, "restartPolicy")
        if policy not in (None, "Always"):
            yield Violation(pod.object, pod.path("spec.restartPolicy"), "Always", format_value(policy))
        for container in pod.containers():
            own = at(container.body, "restartPolicy")
            if not container.init and own not in (None, "Always"):
                yield Violation(container.object, f"{container.field}.restartPolicy", "Always", format_value(own))


@check("POD-06")
def resources_are_stated(subject: ComponentView) -> Iterator[Violation]:
    for container in subject.containers():
        for name in COMPUTE:
            for kind in ("limits", "requests"):
                value = mapping_at(container.body, f"resources.{kind}").get(name)
                if value is None and kind == "requests":
                    value = mapping_at(container.body, "resources.limits").get(name)  # a request is its limit
                parsed = quantity(value)
                if parsed is None or parsed <= 0:
                    field = f"{container.field}.resources.{kind}.{name}"
                    yield Violation(container.object, field, f"a {name} {kind[:-1]}", format_value(value))


@check("POD-07")
def requests_within_limits(subject: ComponentView) -> Iterator[Violation]:
    bodies = [(c.object, c.field, c.body) for c in subject.containers()]
    bodies += [(pod.object, pod.path("spec"), pod.spec) for pod in subject.pods]
    for owner, field, body in bodies:
        limits = mapping_at(body, "resources.limits")
        for name, value in mapping_at(body, "resources.requests").items():
            request, limit = quantity(value), quantity(limits.get(name))
            if request is not None and limit is not None and request > limit:
                wanted = f"at most the limit {limits.get(name)}"
                yield Violation(owner, f"{field}.resources.requests.{name}", wanted, format_value(value))


def probe(subject: ComponentView, kind: str, path: str) -> Iterator[Violation]:
    """The main container's probe is a GET of that path on a port that the container listens on."""
    for pod in subject.pods:
        container = subject.main_container(pod)
        field = f"{container.field}.{kind}"
        body = at(container.body, kind)
        if not mapping_at(body, "httpGet"):
            yield Violation(pod.object, field, f"httpGet of {path}", format_value(body))
            continue
        if at(body, "httpGet.path") != path:
            yield Violation(pod.object, f"{field}.httpGet.path", path, format_value(at(body, "httpGet.path")))
        if at(body, "httpGet.host"):
            yield Violation(
                pod.object, f"{field}.httpGet.host", "none: the pod itself", format_value(at(body, "httpGet.host"))
            )
        if at(body, "httpGet.scheme") not in (None, "HTTP"):
            yield Violation(pod.object, f"{field}.httpGet.scheme", "HTTP", format_value(at(body, "httpGet.scheme")))
        port = at(body, "httpGet.port")
        ports = container.ports()
        number = ports.get(port) if isinstance(port, (int, str)) else None
        if number is None and port == subject.component.port:
            number = subject.component.port
        heard = listening(subject, pod)
        if number is None or (heard is not None and number not in heard):
            known = sorted({subject.component.port, *ports.values()} if heard is None else heard)
            wanted = f"a port that the container listens on ({', '.join(map(str, known))})"
            yield Violation(pod.object, f"{field}.httpGet.port", wanted, format_value(port))


def listening(subject: ComponentView, pod: Pod) -> frozenset[int] | None:
    """Ports that the main container is seen to listen on, or None where nobody looked."""
    facts = subject.snapshot.cluster.facts if subject.snapshot.cluster else None
    if facts is None:
        return None
    seen = facts.get((pod.name, subject.main_container(pod).name))
    return seen.listening if seen is not None else None


@check("POD-08")
def liveness_and_readiness(subject: ComponentView) -> Iterator[Violation]:
    yield from probe(subject, "livenessProbe", subject.component.probes.liveness)
    yield from probe(subject, "readinessProbe", subject.component.probes.readiness)


@check("POD-09")
def startup(subject: ComponentView) -> Iterator[Violation]:
    yield from probe(subject, "startupProbe", subject.component.probes.startup)


def is_token(volume: Object) -> bool:
    """The API token's volume, which the API server itself mounts."""
    return any("serviceAccountToken" in source for source in mappings_at(volume, "projected.sources"))


@check("POD-13")
def plain_volumes(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        volumes = [volume for volume in mappings_at(pod.spec, "volumes") if not is_token(volume)]
        field = pod.path("spec.volumes")
        if len(volumes) > 10:
            yield Violation(pod.object, field, "at most 10 volumes", str(len(volumes)))
        for volume in volumes:
            kinds = sorted(key for key in volume if key != "name")
            if not any(kind in ("configMap", "secret", "emptyDir") for kind in kinds):
                wanted = "a ConfigMap, Secret or emptyDir"
                yield Violation(
                    pod.object, f"{field}[{text_at(volume, 'name')}]", wanted, ", ".join(kinds) or "nothing"
                )


@check("POD-14")
def scheduled_to_a_node(subject: ComponentView) -> Iterator[Violation]:
    nodes = [name_of(node) for node in subject.cluster.nodes]
    for pod in subject.pods:
        node = at(pod.spec, "nodeName")
        if node not in nodes:
            yield Violation(pod.object, "spec.nodeName", f"one of {', '.join(sorted(nodes))}", format_value(node))
        scheduled = any(
            at(c, "type") == "PodScheduled" and at(c, "status") == "True"
            for c in mappings_at(pod.owner, "status.conditions")
        )
        if not scheduled:
            yield Violation(pod.object, "status.conditions", "PodScheduled True", "not so")
    fixed = at(subject.deployment, "spec.template.spec.nodeName")
    if fixed:
        wanted = "absent: the scheduler's to set"
        yield Violation(object_ref(subject.deployment), "spec.template.spec.nodeName", wanted, format_value(fixed))


@check("POD-15")
def started_at(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        value = at(pod.owner, "status.startTime")
        if timestamp(value) is None:
            yield Violation(pod.object, "status.startTime", "an ISO 8601 timestamp", format_value(value))


@check("POD-16")
def declares_its_port(subject: ComponentView) -> Iterator[Violation]:
    port = subject.component.port
    for pod in subject.pods:
        container = subject.main_container(pod)
        declared = [entry for entry in mappings_at(container.body, "ports") if at(entry, "protocol") in (None, "TCP")]
        if not any(at(entry, "containerPort") == port for entry in declared):
            found = ", ".join(str(at(entry, "containerPort")) for entry in list_at(container.body, "ports"))
            yield Violation(pod.object, f"{container.field}.ports", f"containerPort {port} over TCP", found or "none")
        heard = listening(subject, pod)
        if heard is not None and port not in heard:
            found = ", ".join(map(str, sorted(heard))) or "nothing"
            yield Violation(pod.object, container.field, f"a process that listens on {port}", found)


@check("POD-18")
def shipped_resources(subject: ComponentView) -> Iterator[Violation]:
    if not subject.shipped:
        raise Untested("shipped resources are those of the default values")
    stated = subject.component.resources or {}
    for pod in subject.pods:
        container = subject.main_container(pod)
        for name in COMPUTE:
            limit = quantity(mapping_at(container.body, "resources.limits").get(name))
            value = mapping_at(container.body, "resources.requests").get(name)
            request = limit if value is None else quantity(value)
            field = f"{container.field}.resources"
            if request != limit:
                yield Violation(
                    pod.object, f"{field}.requests.{name}", f"equal to the limit {limit}", format_value(value)
                )
            for kind, found in (("requests", request), ("limits", limit)):
                wanted = stated.get(kind, {}).get(name)
                if wanted is not None and found != quantity(wanted):
                    yield Violation(pod.object, f"{field}.{kind}.{name}", wanted, format_value(found and str(found)))
