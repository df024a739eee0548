"""Mutants that the API server refuses: each is found by CHT-09 without a cluster, and refused by a live server.

`CASES` has each as an alteration of one kind of object, so that `tests/contract/test_api_server.py` can ask a server.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mutants.draft import REMOVE, Body, Draft, put
from mutants.snapshots.registry import encoded, mutant


@dataclass(frozen=True)
class Case:
    """A broken object: one of the release of this kind, altered in place, or a new one where `kind` is empty."""

    clause: str
    kind: str
    alter: Callable[[Body], None]

    def broken(self, objects: list[Body]) -> Body:
        """Return the altered copy of the first object of the kind; raise `StopIteration` if there is none."""
        found = copy.deepcopy(next(item for item in objects if item["kind"] == self.kind)) if self.kind else {}
        self.alter(found)
        return found


CASES: list[Case] = []


def case(clause: str, kind: str, path: str, value: Any) -> None:
    """Add a case that sets one field; `pod.` and `main.` are paths in the pod and in its first container."""

    def alter(item: Body) -> None:
        body, rest = item, path
        for prefix, inner in (("pod.", pod_spec), ("main.", main_container)):
            if path.startswith(prefix):
                body, rest = inner(item), path.removeprefix(prefix)
        put(body, rest, value)

    CASES.append(Case(clause, kind, alter))


def pod_spec(item: Body) -> Body:
    """Return the pod spec of a Deployment."""
    spec: Body = item["spec"]["template"]["spec"]
    return spec


def main_container(item: Body) -> Body:
    """Return the first container of a Deployment."""
    container: Body = pod_spec(item)["containers"][0]
    return container


def more(*entries: Any) -> Callable[[Any], list[Any]]:
    """Return a value for `case`: the list with more entries."""
    return lambda old: [*(old or []), *entries]


PAUSE = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
LONG = "x" * 64

# --- metadata
for clause, path, value in (
    ("a plus sign in a label's key", "metadata.labels", {"a+b": "c"}),
    ("a plus sign in a label's value", "metadata.labels", {"version": "1.0.0+3"}),
    ("a label of 64 characters", "metadata.labels", {"version": LONG}),
    ("a label that starts with a dash", "metadata.labels", {"version": "-v1"}),
    ("a label that ends with a dot", "metadata.labels", {"version": "v1."}),
    ("a space in an annotation's key", "metadata.annotations", {"a b": "c"}),
    ("an annotation's key with two slashes", "metadata.annotations", {"a/b/c": "d"}),
    ("a number as an annotation", "metadata.annotations", {"port": 80}),
    ("an upper-case name", "metadata.name", "Todo"),
    ("a name with an underscore", "metadata.name", "a_b"),
    ("a name of 254 characters", "metadata.name", "x" * 254),
    ("no name", "metadata.name", REMOVE),
):
    case(clause, "Deployment", path, value)
case("a Service name of 64 characters", "Service", "metadata.name", LONG)
case("a Service name that starts with a dash", "Service", "metadata.name", "-todo")
case("a ConfigMap key with a space", "ConfigMap", "data", {"A B": "c"})
case("a ConfigMap key with a slash", "ConfigMap", "data", {"conf.d/app": "c"})
case("a number in a ConfigMap", "ConfigMap", "data", {"PORT": 8000})
case("a Secret key with a colon", "Secret", "data", {"A:B": encoded("c")})
case("a Secret that is not base64", "Secret", "data", {"A": "not base64!"})
case("a TLS Secret without its keys", "Secret", "type", "kubernetes.io/tls")
case("a pull secret without its key", "Secret", "type", "kubernetes.io/dockerconfigjson")

# --- lists with one key twice
for clause, path, entries in (
    ("a variable twice", "main.env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
    ("a container port twice", "main.ports", [{"containerPort": 9000}, {"containerPort": 9000, "name": "again"}]),
    (
        "a mount path twice",
        "main.volumeMounts",
        [{"name": "scratch", "mountPath": "/x"}, {"name": "scratch", "mountPath": "/x"}],
    ),
    ("a volume twice", "pod.volumes", [{"name": "scratch", "emptyDir": {}}, {"name": "scratch", "emptyDir": {}}]),
    ("a container twice", "pod.containers", [PAUSE, PAUSE]),
    ("a pull secret twice", "pod.imagePullSecrets", [{"name": "registry"}, {"name": "registry"}]),
):

    def _list(item: Body, path: str = path, entries: list[Any] = entries) -> None:
        put(pod_spec(item), "volumes", more({"name": "scratch", "emptyDir": {}}) if "mount" in path.lower() else more())
        body = main_container(item) if path.startswith("main.") else pod_spec(item)
        put(body, path.partition(".")[2], more(*entries))

    CASES.append(Case(clause, "Deployment", _list))
case("a Service port twice", "Service", "spec.ports", [{"name": "a", "port": 80}, {"name": "b", "port": 80}])

# --- containers
for clause, path, value in (
    ("a container name with a dot", "main.name", "todo.backend"),
    ("a container name of 64 characters", "main.name", LONG),
    ("no image", "main.image", REMOVE),
    ("an unknown pull policy", "main.imagePullPolicy", "Sometimes"),
    ("a port name of 16 characters", "main.ports", [{"name": "abcdefghijklmnop", "containerPort": 80}]),
    ("a port name in upper case", "main.ports", [{"name": "HTTP", "containerPort": 80}]),
    ("a port name of digits", "main.ports", [{"name": "8080", "containerPort": 80}]),
    ("port 70000", "main.ports", [{"containerPort": 70000}]),
    ("an unknown protocol", "main.ports", [{"containerPort": 80, "protocol": "HTTP"}]),
    ("an empty variable name", "main.env", more({"name": "", "value": "1"})),
    ("an equals sign in a variable name", "main.env", more({"name": "A=B", "value": "1"})),
    (
        "a value and a source",
        "main.env",
        more({"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
    ),
    ("an unknown field path", "main.env", more({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.name"}}})),
    ("a source without a key", "main.env", more({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}})),
    ("an equals sign in a prefix", "main.envFrom", more({"prefix": "A=", "configMapRef": {"name": "c"}})),
    ("envFrom without a source", "main.envFrom", more({"prefix": "A_"})),
    ("an undeclared volume", "main.volumeMounts", more({"name": "nowhere", "mountPath": "/nowhere"})),
    ("a mount without a path", "main.volumeMounts", [{"name": "tmp", "mountPath": ""}]),
    ("a quantity that is none", "main.resources.limits", {"memory": "1GB"}),
    ("a negative quantity", "main.resources", {"requests": {"cpu": "-1"}}),
    ("an unknown resource", "main.resources", {"limits": {"ram": "1Gi"}}),
    (
        "requests above limits",
        "main.resources",
        {"requests": {"ephemeral-storage": "2Gi"}, "limits": {"ephemeral-storage": "1Gi"}},
    ),
    ("liveness after two successes", "main.livenessProbe.successThreshold", 2),
    ("a probe of two kinds", "main.readinessProbe", {"tcpSocket": {"port": 80}, "exec": {"command": ["a"]}}),
    ("a probe of no kind", "main.readinessProbe", {"periodSeconds": 5}),
    ("a negative period", "main.readinessProbe.periodSeconds", -1),
    ("a probe without a port", "main.livenessProbe.httpGet", {"path": "/health"}),
    ("a grace period of readiness", "main.readinessProbe.terminationGracePeriodSeconds", 5),
    ("a hook of two kinds", "main.lifecycle", {"preStop": {"exec": {"command": ["a"]}, "sleep": {"seconds": 1}}}),
    ("a hook of no kind", "main.lifecycle", {"preStop": {}}),
    (
        "privileged without escalation",
        "main.securityContext",
        {"privileged": True, "allowPrivilegeEscalation": False},
    ),
    ("a negative user", "main.securityContext.runAsUser", -1),
    ("an unknown seccomp profile", "main.securityContext.seccompProfile", {"type": "Default"}),
    (
        "a localhost profile without its name",
        "main.securityContext.seccompProfile",
        {"type": "Localhost"},
    ),
    ("an unknown termination policy", "main.terminationMessagePolicy", "Logs"),
):
    case(clause, "Deployment", path, value)

# --- pods
for clause, path, value in (
    ("no container", "pod.containers", []),
    ("a volume of two kinds", "pod.volumes", more({"name": "two", "emptyDir": {}, "configMap": {"name": "c"}})),
    ("a volume of no kind that exists", "pod.volumes", more({"name": "none", "emptydir": {}})),
    ("a volume name in upper case", "pod.volumes", more({"name": "Data", "emptyDir": {}})),
    ("a file mode of 1000", "pod.volumes", more({"name": "m", "secret": {"secretName": "s", "defaultMode": 1000}})),
    (
        "a path out of its volume",
        "pod.volumes",
        more({"name": "i", "configMap": {"name": "c", "items": [{"key": "a", "path": "../a"}]}}),
    ),
    ("a negative grace period", "pod.terminationGracePeriodSeconds", -1),
    ("an unknown DNS policy", "pod.dnsPolicy", "Cluster"),
    ("no DNS server", "pod.dnsPolicy", "None"),
    ("pods that do not restart", "pod.restartPolicy", "Never"),
    ("an unknown toleration", "pod.tolerations", [{"key": "a", "operator": "Is", "value": "b"}]),
    ("a toleration of any key by value", "pod.tolerations", [{"operator": "Equal", "value": "b"}]),
    ("a toleration with time", "pod.tolerations", [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]),
    ("a node label with a space", "pod.nodeSelector", {"disk": "very fast"}),
    ("an account in upper case", "pod.serviceAccountName", "Todo"),
    (
        "an affinity without a topology",
        "pod.affinity",
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}},
    ),
    (
        "a weight of 101",
        "pod.affinity",
        {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 101, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
                ]
            }
        },
    ),
    (
        "a skew of zero",
        "pod.topologySpreadConstraints",
        [{"maxSkew": 0, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}],
    ),
    ("an unknown sysctl", "pod.securityContext.sysctls", [{"name": "a b", "value": "1"}]),
    ("an alias without an address", "pod.hostAliases", [{"ip": "nowhere", "hostnames": ["a"]}]),
):
    case(clause, "Deployment", path, value)

# --- Deployments
for clause, path, value in (
    ("a selector of other labels", "spec.selector.matchLabels", {"app": "another"}),
    ("an empty selector", "spec.selector", {}),
    ("negative replicas", "spec.replicas", -1),
    (
        "an update of no pods",
        "spec.strategy",
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
    ),
    ("a percentage without its sign", "spec.strategy.rollingUpdate.maxSurge", "25"),
    ("more than all pods unavailable", "spec.strategy.rollingUpdate.maxUnavailable", "150%"),
    ("Recreate with an update", "spec.strategy", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
    ("an unknown strategy", "spec.strategy", {"type": "BlueGreen"}),
    ("a deadline below the minimum", "spec", lambda old: {**old, "progressDeadlineSeconds": 5, "minReadySeconds": 10}),
):
    case(clause, "Deployment", path, value)

# --- Services
for clause, path, value in (
    ("two ports without names", "spec.ports", [{"port": 80}, {"port": 81}]),
    ("two ports of one name", "spec.ports", [{"name": "a", "port": 80}, {"name": "a", "port": 81}]),
    ("a port name with an underscore", "spec.ports", [{"name": "a_b", "port": 80}]),
    ("port zero", "spec.ports", [{"port": 0}]),
    ("a target port name of 16 characters", "spec.ports", [{"port": 80, "targetPort": "abcdefghijklmnop"}]),
    ("no port", "spec.ports", []),
    ("an unknown type", "spec.type", "Internal"),
    ("a node port out of range", "spec", {"type": "NodePort", "ports": [{"port": 80, "nodePort": 8080}]}),
    ("a node port of a ClusterIP", "spec", {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30080}]}),
    ("an external name with a scheme", "spec", {"type": "ExternalName", "externalName": "https://example.com"}),
    ("an unknown affinity", "spec.sessionAffinity", "Cookie"),
    ("an address that is none", "spec.clusterIP", "auto"),
    ("an external policy of a ClusterIP", "spec", {"ports": [{"port": 80}], "externalTrafficPolicy": "Local"}),
    (
        "source ranges of a ClusterIP",
        "spec",
        {"ports": [{"port": 80}], "loadBalancerSourceRanges": ["10.0.0.0/8"]},
    ),
):
    case(clause, "Service", path, value)

# --- HPA
for clause, path, value in (
    ("a metric without a target", "spec.metrics", [{"type": "Resource", "resource": {"name": "cpu"}}]),
    ("a metric without its source", "spec.metrics", [{"type": "Resource"}]),
    (
        "a target of an unknown type",
        "spec.metrics",
        [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Average", "averageUtilization": 70}}}],
    ),
    ("a minimum above the maximum", "spec", lambda old: {**old, "minReplicas": 6, "maxReplicas": 5}),
    ("no maximum", "spec.maxReplicas", REMOVE),
    ("a window of two hours", "spec.behavior", {"scaleDown": {"stabilizationWindowSeconds": 7200}}),
    ("a policy of no period", "spec.behavior", {"scaleUp": {"policies": [{"type": "Pods", "value": 1}]}}),
    ("nothing to scale", "spec.scaleTargetRef.name", ""),
):
    case(clause, "HorizontalPodAutoscaler", path, value)


def register() -> None:
    """Register a mutant for each case."""
    for each in CASES:

        @mutant("CHT-09", f"refused: {each.clause}", "static")
        def _refused(draft: Draft, each: Case = each) -> None:
            objects = draft.objects()
            broken = each.broken(objects)
            if not each.kind:
                draft.add_objects(broken)
                return
            original = next(item for item in objects if item["kind"] == each.kind)
            draft.change(objects=tuple(broken if item is original else item for item in objects))
