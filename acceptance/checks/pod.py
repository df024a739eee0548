"""Rules of pods: static on the Deployment's template, live on every pod that its ReplicaSets own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from acceptance.checks.clauses import invalid_name, timestamp, wrong_namespace
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.processes import listeners
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import ContainerFacts
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
from acceptance.kube import hooks
from acceptance.kube.pod_templates import Container, Pod
from acceptance.kube.quantity import implausible, quantity
from acceptance.kube.schema import is_namespaced
from acceptance.kube.status import has_condition, statuses

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
COMPUTE = ("cpu", "memory")
STORAGE = "ephemeral-storage"
LEAST_LOG = 10 * 1024**2
"""What a container's log has before the kubelet rotates it: its containerLogMaxSize, where nobody changed it."""


@check("POD-01")
def name_is_generated(view: ComponentView) -> Iterator[Violation]:
    """POD-01: the pod's name is a label that its ReplicaSet generated."""
    sets = {name_of(item) for item in view.owned_replica_sets()}
    for pod in view.pods:
        yield from invalid_name(pod.owner)
        owner = next((text_at(o, "name") for o in mappings_at(pod.owner, "metadata.ownerReferences")), "")
        prefix = text_at(pod.owner, "metadata.generateName")
        if owner not in sets or prefix != f"{owner}-" or not pod.name.startswith(prefix):
            expected = "a name that its ReplicaSet generated"
            yield Violation(pod.object, "metadata.generateName", expected, format_value(prefix or None))


@check("POD-02")
def one_namespace(view: ComponentView) -> Iterator[Violation]:
    """POD-02: every object is in the target's namespace, which is older than its pods."""
    view.require_rendered()
    if not view.snapshot.objects:
        raise Untested("the release has no objects")
    for item in view.snapshot.objects:
        if is_namespaced(item, view.snapshot.objects):
            yield from wrong_namespace(view, item)
    if not view.live:
        yield from late_namespace(view)
        return
    expected = view.target.chart.namespace
    namespace = next((item for item in view.cluster.namespaces if name_of(item) == expected), None)
    if namespace is None:
        yield Violation(f"Namespace/{expected}", "metadata.name", "an existing namespace", "none")
        return
    namespace_created = timestamp(at(namespace, "metadata.creationTimestamp"))
    for item in view.cluster.pods:
        created = timestamp(at(item, "metadata.creationTimestamp"))
        if view.namespaced(item) == expected and namespace_created and created and created < namespace_created:
            yield Violation(
                f"Namespace/{expected}",
                "metadata.creationTimestamp",
                f"before {object_ref(item)}",
                str(namespace_created),
            )


def late_namespace(view: ComponentView) -> Iterator[Violation]:
    """Yield a violation for a Namespace that is a hook which Helm creates after an object that is in it."""
    for namespace in filter(hooks.events, view.snapshot.of_kind("Namespace")):
        inside = [
            item
            for item in view.snapshot.objects
            if is_namespaced(item, view.snapshot.objects) and view.namespaced(item) == name_of(namespace)
        ]
        early = next((item for item in inside if not hooks.exists_before(namespace, item)), None)
        if early is not None:
            expected = f"a Namespace that exists when Helm creates {object_ref(early)}"
            field = f"metadata.annotations[{hooks.HOOK}]"
            yield Violation(object_ref(namespace), field, expected, hooks.order(namespace))


def cause(pod: Object) -> str:
    """Return why a pod does not run, from its container statuses and conditions."""
    for status in statuses(pod):
        for state in ("waiting", "terminated"):
            if (reason := text_at(status, f"state.{state}.reason")) and reason != "Completed":
                message = text_at(status, f"state.{state}.message")
                return f"{text_at(status, 'name')}: {reason} {message}".strip()
    for condition in mappings_at(pod, "status.conditions"):
        if at(condition, "status") == "False" and (message := text_at(condition, "message")):
            return f"{text_at(condition, 'reason')} {message}".strip()
    return "no cause reported"


@check("POD-03")
def phase_is_running(view: ComponentView) -> Iterator[Violation]:
    """POD-03: the pod's phase is Running."""
    for pod in view.pods:
        phase = text_at(pod.owner, "status.phase")
        if phase not in PHASES:
            yield Violation(pod.object, "status.phase", f"one of {', '.join(PHASES)}", format_value(phase))
        elif phase != "Running":
            yield Violation(pod.object, "status.phase", "Running", f"{phase}: {cause(pod.owner)}")


@check("POD-04")
def one_to_five_containers(view: ComponentView) -> Iterator[Violation]:
    """POD-04: the pod has 1-5 containers, init containers included."""
    yield from too_many_containers(view.pods)


def too_many_containers(pods: Iterable[Pod]) -> Iterator[Violation]:
    """Yield a violation for each pod without 1-5 containers."""
    for pod in pods:
        app_containers = mappings_at(pod.spec, "containers")
        count = len(pod.containers())
        if not app_containers or count > 5:
            expected = "1-5 containers, init containers included"
            actual = f"{count}, {len(app_containers)} of them not init"
            yield Violation(pod.object, pod.path("spec.containers"), expected, actual)


@check("POD-05")
def always_restarted(view: ComponentView) -> Iterator[Violation]:
    """POD-05: restartPolicy is Always for the pod and its containers."""
    for pod in view.pods:
        policy = at(pod.spec, "restartPolicy")
        if policy not in (None, "Always"):
            yield Violation(pod.object, pod.path("spec.restartPolicy"), "Always", format_value(policy))
        for container in pod.containers():
            own = at(container.body, "restartPolicy")
            if not container.init and own not in (None, "Always"):
                yield Violation(container.object, f"{container.field}.restartPolicy", "Always", format_value(own))


@check("POD-06")
def resources_are_set(view: ComponentView) -> Iterator[Violation]:
    """POD-06: every container has CPU and memory requests and limits, in figures that a container can have."""
    yield from wrong_resources(view.containers(), shipped=not view.snapshot.chosen)


def wrong_resources(containers: Iterable[Container], *, shipped: bool = True) -> Iterator[Violation]:
    """Yield a violation for each absent CPU or memory request or limit and, if `shipped`, each impossible one."""
    for container in containers:
        for name in COMPUTE:
            for kind in ("limits", "requests"):
                value = mapping_at(container.body, f"resources.{kind}").get(name)
                if value is None and kind == "requests":  # an absent request defaults to the limit
                    value = mapping_at(container.body, "resources.limits").get(name)
                parsed = quantity(value)
                field = f"{container.field}.resources.{kind}.{name}"
                if parsed is None or parsed <= 0:
                    yield Violation(container.object, field, f"a {name} {kind[:-1]}", format_value(value))
                elif shipped and (error := implausible(name, parsed)):
                    expected = f"a {name} {kind[:-1]} that a container can have"
                    yield Violation(container.object, field, expected, f"{format_value(value)}, which is {error}")
        storage = mapping_at(container.body, "resources.limits").get(STORAGE)
        room = quantity(storage)
        if shipped and not container.init and room is not None and room < LEAST_LOG:
            expected = "at least 10Mi: the container's log counts too, which the kubelet rotates then"
            field = f"{container.field}.resources.limits.{STORAGE}"
            yield Violation(container.object, field, expected, format_value(storage), derived=True)


@check("POD-07")
def requests_within_limits(view: ComponentView) -> Iterator[Violation]:
    """POD-07: requests are at most the limits, compared as quantities."""
    yield from requests_over_limits(view.pods)


def requests_over_limits(pods: Sequence[Pod]) -> Iterator[Violation]:
    """Yield a violation for each request above its limit, of a container or of the whole pod."""
    bodies = [(c.object, c.field, c.body) for pod in pods for c in pod.containers()]
    bodies += [(pod.object, pod.path("spec"), pod.spec) for pod in pods]
    for owner, field, body in bodies:
        limits = mapping_at(body, "resources.limits")
        for name, value in mapping_at(body, "resources.requests").items():
            request, limit = quantity(value), quantity(limits.get(name))
            if request is not None and limit is not None and request > limit:
                expected = f"at most the limit, {format_value(limits.get(name))}"
                yield Violation(owner, f"{field}.resources.requests.{name}", expected, format_value(value))


def same_path(one: object, other: str) -> bool:
    """Whether two paths of requests are the same, apart from a query and a slash at the end."""
    return isinstance(one, str) and one.partition("?")[0].rstrip("/") == other.partition("?")[0].rstrip("/")


def probe(view: ComponentView, kind: str, path: str) -> Iterator[Violation]:
    """Yield violations unless the main container's probe is a GET of that path on a port that it listens on."""
    for pod in view.pods:
        container = view.main_container(pod)
        field = f"{container.field}.{kind}"
        body = at(container.body, kind)
        if not mapping_at(body, "httpGet"):
            yield Violation(pod.object, field, f"httpGet of {path}", format_value(body))
            continue
        if not same_path(at(body, "httpGet.path"), path):
            yield Violation(pod.object, f"{field}.httpGet.path", path, format_value(at(body, "httpGet.path")))
        if at(body, "httpGet.host"):
            yield Violation(
                pod.object, f"{field}.httpGet.host", "absent (the pod itself)", format_value(at(body, "httpGet.host"))
            )
        if at(body, "httpGet.scheme") not in (None, "HTTP"):
            yield Violation(pod.object, f"{field}.httpGet.scheme", "HTTP", format_value(at(body, "httpGet.scheme")))
        port = at(body, "httpGet.port")
        ports = container.ports()
        # Where the command says where it listens, a port that is declared otherwise is POD-16's finding.
        told = {each.port for each in listeners(view, pod) if each.port is not None and not each.loopback}
        number = ports.get(port) if isinstance(port, (int, str)) else None
        if number is None and isinstance(port, int) and port in {view.component.port, *told}:
            number = port
        listening_on = listening(view, pod)
        if number is None or (listening_on is not None and number not in listening_on):
            known = sorted((told or {view.component.port, *ports.values()}) if listening_on is None else listening_on)
            expected = f"a port that the container listens on ({', '.join(map(str, known))})"
            yield Violation(pod.object, f"{field}.httpGet.port", expected, format_value(port))


def listening(view: ComponentView, pod: Pod) -> frozenset[int] | None:
    """Return the ports on which the pod's address answers, or None if the node was not read."""
    process = main_facts(view, pod)
    return process.listening if process is not None else None


def main_facts(view: ComponentView, pod: Pod) -> ContainerFacts | None:
    """Return the facts of the main container, or None if the node was not read."""
    facts = view.snapshot.cluster.facts if view.snapshot.cluster else None
    return facts.get((pod.name, view.main_container(pod).name)) if facts is not None else None


@check("POD-08")
def liveness_and_readiness(view: ComponentView) -> Iterator[Violation]:
    """POD-08: the liveness and readiness probes are GETs of the target's paths."""
    yield from probe(view, "livenessProbe", view.component.probes.liveness)
    yield from probe(view, "readinessProbe", view.component.probes.readiness)


@check("POD-09")
def startup(view: ComponentView) -> Iterator[Violation]:
    """POD-09: the startup probe is a GET of the target's path."""
    yield from probe(view, "startupProbe", view.component.probes.startup)


def is_token(volume: Object) -> bool:
    """Whether a volume is the API token that the API server adds."""
    return any("serviceAccountToken" in source for source in mappings_at(volume, "projected.sources"))


@check("POD-13")
def allowed_volumes(view: ComponentView) -> Iterator[Violation]:
    """POD-13: at most 10 volumes, each a ConfigMap, Secret or emptyDir."""
    yield from other_volumes(view.pods)


def other_volumes(pods: Iterable[Pod]) -> Iterator[Violation]:
    """Yield a violation for each pod of more than 10 volumes, and for each volume of another kind."""
    for pod in pods:
        volumes = [volume for volume in mappings_at(pod.spec, "volumes") if not is_token(volume)]
        field = pod.path("spec.volumes")
        if len(volumes) > 10:
            yield Violation(pod.object, field, "at most 10 volumes", str(len(volumes)))
        for volume in volumes:
            kinds = sorted(key for key in volume if key != "name")
            if not any(kind in ("configMap", "secret", "emptyDir") for kind in kinds) and not joins_files(volume):
                expected = "a ConfigMap, Secret or emptyDir"
                yield Violation(
                    pod.object, f"{field}[{text_at(volume, 'name')}]", expected, ", ".join(kinds) or "no source"
                )


def joins_files(volume: Object) -> bool:
    """Whether a volume is projected from ConfigMaps and Secrets alone."""
    sources = mappings_at(volume, "projected.sources")
    return bool(sources) and all(each.keys() <= {"configMap", "secret"} for each in sources)


@check("POD-14")
def scheduled_to_a_node(view: ComponentView) -> Iterator[Violation]:
    """POD-14: the scheduler assigned the pod to an existing node."""
    nodes = [name_of(node) for node in view.cluster.nodes]
    for pod in view.pods:
        node = at(pod.spec, "nodeName")
        if node not in nodes:
            yield Violation(pod.object, "spec.nodeName", f"one of {', '.join(sorted(nodes))}", format_value(node))
        if not has_condition(pod.owner, "PodScheduled"):
            yield Violation(pod.object, "status.conditions", "PodScheduled True", "not True")
    fixed = at(view.deployment, "spec.template.spec.nodeName")
    if fixed:
        expected = "absent (the scheduler sets it)"
        yield Violation(object_ref(view.deployment), "spec.template.spec.nodeName", expected, format_value(fixed))


@check("POD-15")
def started_at(view: ComponentView) -> Iterator[Violation]:
    """POD-15: startTime is an ISO 8601 timestamp."""
    for pod in view.pods:
        value = at(pod.owner, "status.startTime")
        if timestamp(value) is None:
            yield Violation(pod.object, "status.startTime", "an ISO 8601 timestamp", format_value(value))


@check("POD-16")
def declares_its_port(view: ComponentView) -> Iterator[Violation]:
    """POD-16: the main container declares the component's port and listens on it."""
    port = view.component.port
    for pod in view.pods:
        container = view.main_container(pod)
        declared = [entry for entry in mappings_at(container.body, "ports") if at(entry, "protocol") in (None, "TCP")]
        if not any(at(entry, "containerPort") == port for entry in declared):
            actual = ", ".join(str(at(entry, "containerPort")) for entry in list_at(container.body, "ports"))
            yield Violation(pod.object, f"{container.field}.ports", f"containerPort {port} over TCP", actual or "none")
        listening_on = listening(view, pod)
        if listening_on is not None and port not in listening_on:
            process = main_facts(view, pod)
            alone = process is not None and port in process.loopback
            actual = f"{port} of 127.0.0.1 only" if alone else ", ".join(map(str, sorted(listening_on))) or "nothing"
            yield Violation(
                pod.object, container.field, f"a process that listens on {port} of the pod's address", actual
            )


@check("POD-16", "static")
def told_to_listen(view: ComponentView) -> Iterator[Violation]:
    """POD-16: a command or a mounted file of nginx that says where the server listens says the component's port."""
    port = view.component.port
    for pod in view.pods:
        found = listeners(view, pod)
        reachable = [each for each in found if not each.loopback]
        if any(each.port in (None, port) for each in reachable):
            continue
        for each in found:
            if each.port == port:
                yield Violation(each.object, each.field, f"port {port} of the pod's address", f"127.0.0.1: {each.text}")
            elif not each.loopback:
                yield Violation(each.object, each.field, f"a server that listens on {port}", each.text)


@check("POD-18")
def shipped_resources(view: ComponentView) -> Iterator[Violation]:
    """POD-18: the shipped requests equal the limits and are the target's figures."""
    if not view.shipped:
        raise Untested("only the default values have shipped resources")
    stated = view.component.resources or {}
    for pod in view.pods:
        container = view.main_container(pod)
        for name in COMPUTE:
            limit = mapping_at(container.body, "resources.limits").get(name)
            request = mapping_at(container.body, "resources.requests").get(name)
            request = limit if request is None else request  # an absent request defaults to the limit
            field = f"{container.field}.resources"
            as_stated = True
            for kind, actual in (("requests", request), ("limits", limit)):
                figure = stated.get(kind, {}).get(name)
                if figure is not None and quantity(actual) != quantity(figure):
                    as_stated = False
                    yield Violation(pod.object, f"{field}.{kind}.{name}", figure, format_value(actual))
            if as_stated and quantity(request) != quantity(limit):
                expected = f"equal to the limit, {format_value(limit)}"
                yield Violation(pod.object, f"{field}.requests.{name}", expected, format_value(request))
