"""Rules of pods: static on the Deployment's template, live on every pod that its ReplicaSets own."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.registry import Broken, check
from acceptance.checks.shapes import label, misplaced, timestamp
from acceptance.checks.subject import Subject
from acceptance.fields import Object, at, list_at, mapping_at, mappings_at, name_of, reference, shown, text_at
from acceptance.finding import Untested
from acceptance.openapi import is_namespaced
from acceptance.quantity import quantity
from acceptance.workloads import Pod

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
COMPUTE = ("cpu", "memory")


@check("POD-01")
def name_is_generated(subject: Subject) -> Iterator[Broken]:
    sets = {name_of(item) for item in subject.owned_replica_sets()}
    for pod in subject.pods:
        yield from label(pod.owner)
        owner = next((text_at(o, "name") for o in mappings_at(pod.owner, "metadata.ownerReferences")), "")
        stem = text_at(pod.owner, "metadata.generateName")
        if owner not in sets or stem != f"{owner}-" or not pod.name.startswith(stem):
            wanted = "a name that its ReplicaSet generated"
            yield Broken(pod.object, "metadata.generateName", wanted, shown(stem or None))


@check("POD-02")
def one_namespace(subject: Subject) -> Iterator[Broken]:
    subject.rendered()
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
        yield Broken(f"Namespace/{wanted}", "metadata.name", "an existing namespace", "none")
        return
    made = timestamp(at(namespace, "metadata.creationTimestamp"))
    for item in subject.cluster.pods:
        born = timestamp(at(item, "metadata.creationTimestamp"))
        if subject.namespaced(item) == wanted and made and born and born < made:
            yield Broken(f"Namespace/{wanted}", "metadata.creationTimestamp", f"before {reference(item)}", str(made))


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
def phase_is_running(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        phase = text_at(pod.owner, "status.phase")
        if phase not in PHASES:
            yield Broken(pod.object, "status.phase", f"one of {', '.join(PHASES)}", shown(phase))
        elif phase != "Running":
            yield Broken(pod.object, "status.phase", "Running", f"{phase}: {cause(pod.owner)}")


@check("POD-04")
def one_to_five_containers(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        served = mappings_at(pod.spec, "containers")
        count = len(pod.containers())
        if not served or count > 5:
            wanted = "1-5 containers, init containers included"
            found = f"{count}, {len(served)} of them not init"
            yield Broken(pod.object, pod.path("spec.containers"), wanted, found)


@check("POD-05")
def always_restarted(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        policy = at(pod.spec, "restartPolicy")
        if policy not in (None, "Always"):
            yield Broken(pod.object, pod.path("spec.restartPolicy"), "Always", shown(policy))
        for container in pod.containers():
            own = at(container.body, "restartPolicy")
            if not container.init and own not in (None, "Always"):
                yield Broken(container.object, f"{container.field}.restartPolicy", "Always", shown(own))


@check("POD-06")
def resources_are_stated(subject: Subject) -> Iterator[Broken]:
    for container in subject.containers():
        for name in COMPUTE:
            for kind in ("limits", "requests"):
                value = mapping_at(container.body, f"resources.{kind}").get(name)
                if value is None and kind == "requests":
                    value = mapping_at(container.body, "resources.limits").get(name)  # a request is its limit
                parsed = quantity(value)
                if parsed is None or parsed <= 0:
                    field = f"{container.field}.resources.{kind}.{name}"
                    yield Broken(container.object, field, f"a {name} {kind[:-1]}", shown(value))


@check("POD-07")
def requests_within_limits(subject: Subject) -> Iterator[Broken]:
    bodies = [(c.object, c.field, c.body) for c in subject.containers()]
    bodies += [(pod.object, pod.path("spec"), pod.spec) for pod in subject.pods]
    for owner, field, body in bodies:
        limits = mapping_at(body, "resources.limits")
        for name, value in mapping_at(body, "resources.requests").items():
            request, limit = quantity(value), quantity(limits.get(name))
            if request is not None and limit is not None and request > limit:
                wanted = f"at most the limit {limits.get(name)}"
                yield Broken(owner, f"{field}.resources.requests.{name}", wanted, shown(value))


def probe(subject: Subject, kind: str, path: str) -> Iterator[Broken]:
    """The main container's probe is a GET of that path on a port that the container listens on."""
    for pod in subject.pods:
        container = subject.main(pod)
        field = f"{container.field}.{kind}"
        body = at(container.body, kind)
        if not mapping_at(body, "httpGet"):
            yield Broken(pod.object, field, f"httpGet of {path}", shown(body))
            continue
        if at(body, "httpGet.path") != path:
            yield Broken(pod.object, f"{field}.httpGet.path", path, shown(at(body, "httpGet.path")))
        if at(body, "httpGet.host"):
            yield Broken(pod.object, f"{field}.httpGet.host", "none: the pod itself", shown(at(body, "httpGet.host")))
        if at(body, "httpGet.scheme") not in (None, "HTTP"):
            yield Broken(pod.object, f"{field}.httpGet.scheme", "HTTP", shown(at(body, "httpGet.scheme")))
        port = at(body, "httpGet.port")
        ports = container.ports()
        number = ports.get(port) if isinstance(port, (int, str)) else None
        if number is None and port == subject.component.port:
            number = subject.component.port
        heard = listening(subject, pod)
        if number is None or (heard is not None and number not in heard):
            known = sorted({subject.component.port, *ports.values()} if heard is None else heard)
            wanted = f"a port that the container listens on ({', '.join(map(str, known))})"
            yield Broken(pod.object, f"{field}.httpGet.port", wanted, shown(port))


def listening(subject: Subject, pod: Pod) -> frozenset[int] | None:
    """Ports that the main container is seen to listen on, or None where nobody looked."""
    facts = subject.snapshot.cluster.facts if subject.snapshot.cluster else None
    if facts is None:
        return None
    seen = facts.get((pod.name, subject.main(pod).name))
    return seen.listening if seen is not None else None


@check("POD-08")
def liveness_and_readiness(subject: Subject) -> Iterator[Broken]:
    yield from probe(subject, "livenessProbe", subject.component.probes.liveness)
    yield from probe(subject, "readinessProbe", subject.component.probes.readiness)


@check("POD-09")
def startup(subject: Subject) -> Iterator[Broken]:
    yield from probe(subject, "startupProbe", subject.component.probes.startup)


def is_token(volume: Object) -> bool:
    """The API token's volume, which the API server itself mounts."""
    return any("serviceAccountToken" in source for source in mappings_at(volume, "projected.sources"))


@check("POD-13")
def plain_volumes(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        volumes = [volume for volume in mappings_at(pod.spec, "volumes") if not is_token(volume)]
        field = pod.path("spec.volumes")
        if len(volumes) > 10:
            yield Broken(pod.object, field, "at most 10 volumes", str(len(volumes)))
        for volume in volumes:
            kinds = sorted(key for key in volume if key != "name")
            if not any(kind in ("configMap", "secret", "emptyDir") for kind in kinds):
                wanted = "a ConfigMap, Secret or emptyDir"
                yield Broken(pod.object, f"{field}[{text_at(volume, 'name')}]", wanted, ", ".join(kinds) or "nothing")


@check("POD-14")
def scheduled_to_a_node(subject: Subject) -> Iterator[Broken]:
    nodes = [name_of(node) for node in subject.cluster.nodes]
    for pod in subject.pods:
        node = at(pod.spec, "nodeName")
        if node not in nodes:
            yield Broken(pod.object, "spec.nodeName", f"one of {', '.join(sorted(nodes))}", shown(node))
        scheduled = any(
            at(c, "type") == "PodScheduled" and at(c, "status") == "True"
            for c in mappings_at(pod.owner, "status.conditions")
        )
        if not scheduled:
            yield Broken(pod.object, "status.conditions", "PodScheduled True", "not so")
    fixed = at(subject.deployment, "spec.template.spec.nodeName")
    if fixed:
        wanted = "absent: the scheduler's to set"
        yield Broken(reference(subject.deployment), "spec.template.spec.nodeName", wanted, shown(fixed))


@check("POD-15")
def started_at(subject: Subject) -> Iterator[Broken]:
    for pod in subject.pods:
        value = at(pod.owner, "status.startTime")
        if timestamp(value) is None:
            yield Broken(pod.object, "status.startTime", "an ISO 8601 timestamp", shown(value))


@check("POD-16")
def declares_its_port(subject: Subject) -> Iterator[Broken]:
    port = subject.component.port
    for pod in subject.pods:
        container = subject.main(pod)
        declared = [entry for entry in mappings_at(container.body, "ports") if at(entry, "protocol") in (None, "TCP")]
        if not any(at(entry, "containerPort") == port for entry in declared):
            found = ", ".join(str(at(entry, "containerPort")) for entry in list_at(container.body, "ports"))
            yield Broken(pod.object, f"{container.field}.ports", f"containerPort {port} over TCP", found or "none")
        heard = listening(subject, pod)
        if heard is not None and port not in heard:
            found = ", ".join(map(str, sorted(heard))) or "nothing"
            yield Broken(pod.object, container.field, f"a process that listens on {port}", found)


@check("POD-18")
def shipped_resources(subject: Subject) -> Iterator[Broken]:
    if not subject.shipped:
        raise Untested("shipped resources are those of the default values")
    stated = subject.component.resources or {}
    for pod in subject.pods:
        container = subject.main(pod)
        for name in COMPUTE:
            limit = quantity(mapping_at(container.body, "resources.limits").get(name))
            value = mapping_at(container.body, "resources.requests").get(name)
            request = limit if value is None else quantity(value)
            field = f"{container.field}.resources"
            if request != limit:
                yield Broken(pod.object, f"{field}.requests.{name}", f"equal to the limit {limit}", shown(value))
            for kind, found in (("requests", request), ("limits", limit)):
                wanted = stated.get(kind, {}).get(name)
                if wanted is not None and found != quantity(wanted):
                    yield Broken(pod.object, f"{field}.{kind}.{name}", wanted, shown(found and str(found)))
