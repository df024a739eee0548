"""Mutants of budgets, monitors, network policies and scheduling constraints."""

from __future__ import annotations

from typing import Any

from acceptance.kube.pod_templates import pod_of
from mutants.draft import REMOVE, Alter, Body, Draft, put
from mutants.snapshots.registry import field, fields, for_component, mutable, mutant, with_object

HOSTNAME = "kubernetes.io/hostname"
BACKEND, FRONTEND, APPLICATION = {"component": "backend"}, {"component": "frontend"}, {"app": "todo-chatbot"}


def item(kind: str, api: str, **spec: Any) -> Body:
    """Return an object of the release's namespace."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "more", "namespace": "todo-chatbot"}, "spec": spec}


def budget(labels: Body, **spec: Any) -> Alter:
    """Return an alteration that adds a PodDisruptionBudget."""
    return with_object(item("PodDisruptionBudget", "policy/v1", selector={"matchLabels": labels}, **spec))


def policy(labels: Body, **spec: Any) -> Body:
    """Return a NetworkPolicy."""
    return item("NetworkPolicy", "networking.k8s.io/v1", podSelector={"matchLabels": labels}, **spec)


def monitor(labels: Body, port: str) -> Alter:
    """Return an alteration that adds a ServiceMonitor."""
    selector, endpoints = {"matchLabels": labels}, [{"port": port}]
    return with_object(item("ServiceMonitor", "monitoring.coreos.com/v1", selector=selector, endpoints=endpoints))


mutant("REL-06", "a budget of no pod")(budget({"app": "nobody"}, maxUnavailable=1))
mutant("REL-06", "a policy of no pod")(with_object(policy({"app": "nobody"}, ingress=[{}])))
mutant("REL-06", "a monitor of no Service")(monitor({"app": "nobody"}, "http"))
mutant("REL-06", "a monitor of no such port")(monitor(APPLICATION, "metrics"))
BUDGETS: dict[str, Body] = {
    "none unavailable": {"maxUnavailable": 0},
    "0 % unavailable": {"maxUnavailable": "0%"},
    "all available": {"minAvailable": "100%"},
    "three of three available": {"minAvailable": 3},
    "rounded up to all": {"minAvailable": "67%"},
}
for clause, stated in BUDGETS.items():
    mutant("STA-11", clause)(budget(APPLICATION, **stated))


@mutant("STA-11", "two budgets for a pod")
def _two_budgets(draft: Draft) -> None:
    budget(APPLICATION, maxUnavailable=1)(draft)
    budget(BACKEND if draft.component_name == "backend" else FRONTEND, maxUnavailable=1)(draft)


DNS = {"ports": [{"port": 53, "protocol": "UDP"}], "to": [{"namespaceSelector": {}}]}
OUTSIDE = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 5432}, {"port": 443}]}
ANY: Body = {"to": [{"podSelector": {}}]}
OWN: Body = {"to": [{"podSelector": {"matchLabels": APPLICATION}}]}
EGRESS: dict[str, list[Body]] = {
    "nothing goes out": [],
    "no DNS": [ANY, OUTSIDE],
    "DNS over TCP alone": [ANY, OUTSIDE, {**DNS, "ports": [{"port": 53}]}],
    "DNS of a namespace without that label": [
        *(ANY, OUTSIDE),
        {**DNS, "to": [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}]},
    ],
    "DNS of the own namespace": [ANY, OUTSIDE, {**DNS, "to": [{"podSelector": {}}]}],
    "no database": [ANY, DNS],
}
for clause, rules in EGRESS.items():
    mutant("REL-07", clause)(with_object(policy(APPLICATION, policyTypes=["Egress"], egress=rules)))
mutant("REL-07", "nothing comes in")(with_object(policy(APPLICATION, policyTypes=["Ingress"])))
mutant("REL-07", "another port comes in")(
    with_object(policy(APPLICATION, policyTypes=["Ingress"], ingress=[{"ports": [{"port": 81}]}]))
)
INGRESS: dict[str, Body] = {
    "the backend lets in another component": {"from": [{"podSelector": {"matchLabels": {"component": "x"}}}]},
    "the backend lets in another port": {"from": [{"podSelector": {"matchLabels": FRONTEND}}], "ports": [{"port": 80}]},
    "the backend lets in another namespace": {"from": [{"namespaceSelector": {"matchLabels": {"name": "x"}}}]},
}
for clause, rule in INGRESS.items():
    mutant("REL-07", clause, component="frontend")(with_object(policy(BACKEND, ingress=[rule])))
ONLY_FRONTENDS: Body = {"from": [{"podSelector": {"matchLabels": FRONTEND}}]}
for labels, each in ((BACKEND, "backend"), (FRONTEND, "frontend")):
    mutant("REL-07", "the pod of helm test is kept out", "static", component=each)(
        with_object(policy(labels, ingress=[ONLY_FRONTENDS]))
    )
mutant("REL-07", "the frontend goes elsewhere", component="frontend")(
    with_object(policy(FRONTEND, egress=[DNS, OUTSIDE, {"to": [{"podSelector": {"matchLabels": {"component": "x"}}}]}]))
)


def apart(labels: Body) -> Body:
    """Return a required anti-affinity."""
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": labels}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def on_nodes(key: str, operator: str, *values: str) -> Body:
    """Return a required node affinity."""
    terms = [{"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


fields(
    "STA-06",
    Draft.pod_specs,
    "affinity",
    {
        "every pod on a node of its own": apart(APPLICATION),
        "nodes of a zone": on_nodes("topology.kubernetes.io/zone", "In", "eu-1a"),
        "nodes of another architecture": on_nodes("kubernetes.io/arch", "In", "arm64"),
    },
    "static",
)


@mutant("STA-06", "apart from the other component", "static")
def _apart_from_the_other(draft: Draft) -> None:
    for spec in draft.pod_specs():
        spec["affinity"] = apart(FRONTEND if draft.component_name == "backend" else BACKEND)


fields(
    "STA-06",
    Draft.pod_specs,
    "nodeSelector",
    {"a node by its name": {HOSTNAME: "worker-1"}, "a pool of nodes": {"pool": "apps"}},
    "static",
)
fields(
    "STA-06",
    Draft.pod_specs,
    "topologySpreadConstraints",
    {
        "spread over zones": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "spread over nodes, cordoned ones too": [
            {"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "spread over 3 nodes": [
            {"maxSkew": 1, "minDomains": 3, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule"}
        ],
    },
    "static",
)
field("DEP-03", "paused", Draft.deployment, "spec.paused", True)
fields("DEP-14", Draft.deployment, "spec.progressDeadlineSeconds", {"10 s": 10, "as long as the start": 60})
field("DEP-14", "available only after 5 minutes", Draft.deployment, "spec.minReadySeconds", 300)


def scaler(kind: str, api: str, **spec: Any) -> Alter:
    """Return an alteration that adds an object which scales the backend."""
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "todo-backend"}
    field_of = "targetRef" if kind == "VerticalPodAutoscaler" else "scaleTargetRef"
    return with_object(item(kind, api, **{field_of: ref}, **spec))


mutant("HPA-13", "a second HPA")(scaler("HorizontalPodAutoscaler", "autoscaling/v2", maxReplicas=3))
mutant("HPA-13", "a ScaledObject too")(scaler("ScaledObject", "keda.sh/v1alpha1", triggers=[]))
mutant("HPA-13", "a VerticalPodAutoscaler too")(scaler("VerticalPodAutoscaler", "autoscaling.k8s.io/v1"))


@mutant("HPA-13", "replicas beside the frontend's HPA", "static")
def _replicas(draft: Draft) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "todo-frontend"}
    draft.add_objects(item("HorizontalPodAutoscaler", "autoscaling/v2", scaleTargetRef=ref, maxReplicas=3))


@mutant("HPA-13", "a metric without an adapter", "static")
def _external(draft: Draft) -> None:
    for each in draft.objects():
        if each["kind"] == "HorizontalPodAutoscaler":
            each["spec"]["metrics"].append({"type": "External", "external": {"metric": {"name": "queue"}}})


CONTAINER = {"name": "cpu", "container": "absent", "target": {"type": "Utilization", "averageUtilization": 70}}
field("HPA-07", "of no such container", Draft.autoscaler, "spec.metrics", [{"containerResource": CONTAINER}])
field(
    "REL-01",
    "of an older image",
    lambda draft: draft.init_containers()[:1],
    "image",
    lambda old: f"{old.rpartition(':')[0]}:0.9",
    "static",
)

QUOTAS: dict[str, Body] = {
    "fewer pods than the autoscaler's maximum": {"pods": "6"},
    "no room for a rollout": {"pods": "7"},
    "memory for the least pods": {"requests.memory": "2Gi"},
    "CPU by its short name": {"cpu": "1"},
    "limits of memory": {"limits.memory": "1Gi"},
    "fewer Deployments": {"count/deployments.apps": "1"},
    "no room for Helm's record": {"secrets": "1"},
    "no room for the CA": {"configmaps": "1"},
}
for clause, hard in QUOTAS.items():
    mutant("REL-08", clause)(with_object(item("ResourceQuota", "v1", hard=hard)))


@mutant("REL-08", "an amount that a container lacks")
def _uncounted(draft: Draft) -> None:
    with_object(item("ResourceQuota", "v1", hard={"limits.ephemeral-storage": "100Gi"}))(draft)
    for each in draft.objects():
        for container in pod.containers() if (pod := pod_of(each)) else ():
            put(mutable(container.body), "resources.limits.ephemeral-storage", REMOVE)


RANGES: dict[str, Body] = {
    "a limit above the most": {"max": {"memory": "64Mi"}},
    "a request below the least": {"min": {"cpu": "2"}},
    "a ratio above the most": {"maxLimitRequestRatio": {"cpu": "0.5"}},
}
for clause, bounds in RANGES.items():
    mutant("REL-08", clause)(with_object(item("LimitRange", "v1", limits=[{"type": "Container", **bounds}])))


@mutant("REL-06", "a budget by the name of another component")
def _misnamed(draft: Draft) -> None:
    other = item("PodDisruptionBudget", "policy/v1", selector={"matchLabels": FRONTEND}, maxUnavailable=1)
    other["metadata"]["name"] = "todo-backend"
    with_object(other)(draft)


@mutant("REL-06", "a spread that counts another component's pods", "static")
def _spread(draft: Draft) -> None:
    for spec in for_component(draft, "backend").pod_specs():
        constraint = {"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway"}
        spec["topologySpreadConstraints"] = [{**constraint, "labelSelector": {"matchLabels": {"component": "x"}}}]


@mutant("REL-07", "another Service that a component asks", "static")
def _asked(draft: Draft) -> None:
    labels, port = {"app": "agent"}, {"containerPort": 8080}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "a", "image": "a:1", "ports": [port]}]},
    }
    agent = item("Deployment", "apps/v1", selector={"matchLabels": labels}, template=template)
    service = item("Service", "v1", selector=labels, ports=[{"port": 80, "targetPort": 8080}])
    for each in (agent, service, policy(APPLICATION, policyTypes=["Egress"], egress=[DNS, OUTSIDE, OWN])):
        each["metadata"]["name"] = "agent"
        with_object(each)(draft)
    for spec in draft.pod_specs():
        spec["containers"][0]["env"] = [*spec["containers"][0]["env"], {"name": "AGENT_URL", "value": "http://agent"}]
