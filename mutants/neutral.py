"""Neutral variants: the same deployment written in other ways. None of them may produce a finding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from acceptance.checks.registry import CheckResults, run_checks
from acceptance.checks.snapshot import Rendering, Snapshot
from acceptance.core.rules import Level
from acceptance.core.target import Target
from acceptance.kube.pod_templates import pod_of
from acceptance.kube.secrets import decode
from mutants import simulated
from mutants.draft import REMOVE, Body, put

Objects = list[Body]
Alter = Callable[[Objects], None]


@dataclass(frozen=True)
class Variant:
    """A rewriting: `alter` changes rendered objects in place, `swaps` exchanges names and ports, in the target too."""

    name: str
    alter: Alter
    swaps: Mapping[str, Any]

    def apply(self, snapshot: Snapshot, target: Target) -> tuple[Snapshot, Target]:
        """Return the rewritten chart and its target; raise `ValueError` if nothing changed."""
        assert snapshot.chart is not None
        chart = snapshot.chart

        def rewritten(rendering: Rendering | None) -> Rendering | None:
            if rendering is None:
                return None
            objects: Objects = [swap(copy.deepcopy(item), self.swaps) for item in rendering.objects]
            self.alter(objects)
            return replace(rendering, objects=tuple(objects), notes=swap(rendering.notes, self.swaps))

        first, off, on = map(rewritten, (chart.rendering, chart.autoscaler_off, chart.namespace_on))
        assert first is not None
        if first == chart.rendering:
            raise ValueError(f"the variant {self.name} changes nothing")
        stated = Target.model_validate(swap(target.model_dump(), self.swaps))
        written = replace(
            chart,
            metadata=swap(chart.metadata, self.swaps),
            rendering=first,
            rerendering=first,
            autoscaler_off=off,
            namespace_on=on,
        )
        return replace(snapshot, objects=first.objects, chart=written), stated

    def run_checks(self, bases: Mapping[Level, Snapshot], installed: Snapshot, target: Target) -> list[CheckResults]:
        """Run every check at every level on it; the live release is simulated from the rendering `installed`."""
        static, stated = self.apply(bases["static"], target)
        rendered, _ = self.apply(installed, target)
        levels = (static, simulated.running(rendered, stated), simulated.built(static, stated))
        return [run_checks(level, stated) for level in levels]


_variants: list[Variant] = []


def swap(value: Any, swaps: Mapping[str, Any]) -> Any:
    """Replace substrings of strings, and whole keys and numbers, as in `swaps`."""
    if not swaps:
        return value
    if isinstance(value, dict):
        return {swaps.get(key, key): swap(entry, swaps) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [swap(entry, swaps) for entry in value]
    if isinstance(value, str):
        for old, new in swaps.items():
            value = value.replace(old, str(new))
        return value
    return swaps.get(str(value), value) if isinstance(value, int) and not isinstance(value, bool) else value


def variant(name: str, **swaps: Any) -> Callable[[Alter], Alter]:
    """Register an alteration; in the keywords of `swaps`, `__` stands for `-`."""

    def register(alter: Alter) -> Alter:
        _variants.append(Variant(name, alter, {key.replace("__", "-"): value for key, value in swaps.items()}))
        return alter

    return register


def every() -> list[Variant]:
    """Return all registered variants."""
    return list(_variants)


def specs(objects: Objects) -> list[Body]:
    """Return the pod specs."""
    return [pod.spec for item in objects if (pod := pod_of(item)) is not None]  # type: ignore[misc]


def containers(objects: Objects, *, init: bool = True) -> list[Body]:
    """Return the containers, by default with init containers."""
    kinds = ("initContainers", "containers") if init else ("containers",)
    return [body for spec in specs(objects) for kind in kinds for body in spec.get(kind) or []]


def deployments(objects: Objects) -> list[Body]:
    """Return the Deployments."""
    return [item for item in objects if item["kind"] == "Deployment"]


def one(objects: Objects, kind: str) -> list[Body]:
    """Return the objects of one kind."""
    return [item for item in objects if item["kind"] == kind]


def nothing(_: Objects) -> None:
    """Alter nothing: only names differ."""


variant(
    "other object names",
    todo__backend__service="api-svc",
    todo__frontend__service="web-svc",
    todo__backend__hpa="api-scaler",
    todo__backend="api",
    todo__frontend="web",
    todo__chatbot__config="settings",
    todo__chatbot__secrets="credentials",
)(nothing)
variant("another namespace", todo__chatbot="chat")(nothing)
variant("other ports", **{"8000": 7860, "3000": 8080})(nothing)
variant("other labels", component="tier")(nothing)


@variant("other units")
def _units(objects: Objects) -> None:
    for body in containers(objects):
        for kind in ("requests", "limits"):
            amounts = {"cpu": "0.5" if kind == "requests" else 0.5, "memory": "536870912", "ephemeral-storage": "20M"}
            put(body, f"resources.{kind}", amounts)


@variant("limits alone")
def _limits_alone(objects: Objects) -> None:
    for body in containers(objects):
        put(body, "resources.requests", REMOVE)


@variant("extra labels and annotations")
def _labels(objects: Objects) -> None:
    for item in objects:
        put(item, "metadata.labels.team", "todo")
        put(item, "metadata.annotations.note", "text")
    for item in deployments(objects):
        put(item, "spec.template.metadata.labels.team", "todo")


@variant("envFrom for env")
def _env_from(objects: Objects) -> None:
    for item in deployments(objects):
        backend = "backend" in item["metadata"]["name"]
        for body in item["spec"]["template"]["spec"]["containers"]:
            sources: list[Body] = [{"configMapRef": {"name": one(objects, "ConfigMap")[0]["metadata"]["name"]}}]
            dropped = ["configMapKeyRef"]
            if backend:
                sources.append({"secretRef": {"name": one(objects, "Secret")[0]["metadata"]["name"]}})
                dropped.append("secretKeyRef")
            body["envFrom"] = sources
            body["env"] = [v for v in body["env"] if not any(kind in v.get("valueFrom", {}) for kind in dropped)]


@variant("an extra sidecar")
def _sidecar(objects: Objects) -> None:
    for spec in specs(objects):
        first = spec["containers"][0]
        extra = {key: first[key] for key in ("resources", "securityContext") if key in first}
        spec["containers"].append({"name": "proxy", "image": "registry.example.com:5000/envoy_proxy:v1_2", **extra})


@variant("a native sidecar")
def _native_sidecar(objects: Objects) -> None:
    for spec in specs(objects):
        first = spec["containers"][0]
        extra = {key: first[key] for key in ("resources", "securityContext") if key in first}
        body = {"name": "logs", "image": "logs:1", "restartPolicy": "Always", **extra}
        spec["initContainers"] = [*(spec.get("initContainers") or []), body]


@variant("preStop by exec")
def _pre_stop(objects: Objects) -> None:
    for body in containers(objects, init=False):
        body["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "3"]}}}


@variant("defaults left out")
def _implicit(objects: Objects) -> None:
    for item in one(objects, "Service"):
        for path in ("type", "sessionAffinity"):
            put(item, f"spec.{path}", REMOVE)
        for port in item["spec"]["ports"]:
            port.pop("protocol", None)
    for item in one(objects, "Secret"):
        item.pop("type", None)
    for item in one(objects, "ConfigMap"):
        item.pop("immutable", None)
    for item in deployments(objects):
        put(item, "spec.revisionHistoryLimit", REMOVE)
        put(item, "spec.strategy.type", REMOVE)
    for spec in specs(deployments(objects)):
        spec.pop("restartPolicy", None)


@variant("defaults written out")
def _explicit(objects: Objects) -> None:
    for item in one(objects, "Service"):
        item["spec"] |= {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
    for item in (*one(objects, "ConfigMap"), *one(objects, "Secret")):
        item["immutable"] = False
    for spec in specs(objects):
        spec |= {"dnsPolicy": "ClusterFirst", "hostNetwork": False}
    for spec in specs(deployments(objects)):
        spec["restartPolicy"] = "Always"


@variant("ports by number")
def _by_number(objects: Objects) -> None:
    for item in one(objects, "Service"):
        for port in item["spec"]["ports"]:
            port["targetPort"] = port["port"]
    for body in containers(objects, init=False):
        if "ports" not in body:
            continue
        for port in body["ports"]:
            port.pop("name", None)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            put(body, f"{probe}.httpGet.port", body["ports"][0]["containerPort"])


@variant("stringData for data")
def _string_data(objects: Objects) -> None:
    for item in one(objects, "Secret"):
        item["stringData"] = {key: decode(value) for key, value in item.pop("data").items()}


@variant("security at the pod")
def _pod_security(objects: Objects) -> None:
    for spec in specs(objects):
        spec["securityContext"] = {
            "runAsUser": 1000,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for body in (*(spec.get("initContainers") or []), *spec["containers"]):
            for key in ("runAsUser", "runAsNonRoot", "seccompProfile"):
                put(body, f"securityContext.{key}", REMOVE)


@variant("the image's user, enforced")
def _image_user(objects: Objects) -> None:
    _pod_security(objects)
    for spec in specs(objects):
        put(spec, "securityContext.runAsUser", REMOVE)


@variant("percentages")
def _percentages(objects: Objects) -> None:
    for item in deployments(objects):
        item["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "0%"}


@variant("a memory metric too")
def _memory_metric(objects: Objects) -> None:
    for item in one(objects, "HorizontalPodAutoscaler"):
        target = {"type": "Utilization", "averageUtilization": 80}
        item["spec"]["metrics"].append({"type": "Resource", "resource": {"name": "memory", "target": target}})


@variant("unhurried scaling")
def _unhurried(objects: Objects) -> None:
    step = {"type": "Pods", "value": 1, "periodSeconds": 60}
    rules = {"policies": [step, {**step, "type": "Percent"}], "stabilizationWindowSeconds": 300, "selectPolicy": "Min"}
    for item in one(objects, "HorizontalPodAutoscaler"):
        item["spec"]["behavior"] = {"scaleUp": rules, "scaleDown": rules}


@variant("spread where possible")
def _spread(objects: Objects) -> None:
    for spec in specs(objects):
        term = {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
        spec["affinity"] = {
            kind: {"preferredDuringSchedulingIgnoredDuringExecution": [term]}
            for kind in ("podAffinity", "podAntiAffinity")
        }


@variant("a dedicated service account")
def _account(objects: Objects) -> None:
    namespace = objects[-1]["metadata"].get("namespace")
    metadata = {"name": "todo", "namespace": namespace}
    objects.append(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}
    )
    for spec in specs(objects):
        spec["serviceAccountName"] = "todo"
        spec.pop("automountServiceAccountToken", None)


@variant("another order")
def _order(objects: Objects) -> None:
    objects.reverse()


@variant("full Service names in URLs")
def _full_names(objects: Objects) -> None:
    for item in one(objects, "ConfigMap"):
        item["data"]["BACKEND_URL"] = "http://todo-backend-service.todo-chatbot.svc.cluster.local:8000/"


@variant("a variable of the build beside the server's")
def _built_in(objects: Objects) -> None:
    value = {"name": "NEXT_PUBLIC_API_URL", "value": "http://todo-backend-service:8000"}
    for item in deployments(objects):
        for container in item["spec"]["template"]["spec"]["containers"]:
            if any(each["name"] == "BACKEND_URL" for each in container.get("env", [])):
                container["env"].append(value)


@variant("a custom object beside the others")
def _custom_object(objects: Objects) -> None:
    metadata = {"name": "events", "namespace": one(objects, "ConfigMap")[0]["metadata"].get("namespace")}
    options = [{"name": "redisHost", "value": "redis-master:6379"}, {"name": "redisPassword", "value": ""}]
    spec = {"type": "pubsub.redis", "version": "v1", "metadata": options}
    objects.append({"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": metadata, "spec": spec})


@variant("a second Service without an address")
def _headless(objects: Objects) -> None:
    item = copy.deepcopy(one(objects, "Service")[0])
    item["metadata"]["name"] += "-headless"
    item["spec"]["clusterIP"] = "None"
    objects.append(item)


@variant("a hardened job")
def _job(objects: Objects) -> None:
    first = deployments(objects)[0]
    spec = copy.deepcopy(first["spec"]["template"]["spec"])
    spec["restartPolicy"] = "OnFailure"
    spec["containers"][0]["command"] = ["alembic", "upgrade", "head"]
    metadata = {"name": "clean-up", "namespace": first["metadata"].get("namespace")}
    template = {"metadata": {"labels": {"job": "clean-up"}}, "spec": spec}
    objects.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}})


@variant("several origins, with spaces")
def _origins(objects: Objects) -> None:
    for item in one(objects, "ConfigMap"):
        item["data"]["CORS_ORIGINS"] = "http://localhost:3000, https://todo.example.com, http://[::1]:3000"


@variant("selectors with an expression")
def _expressions(objects: Objects) -> None:
    for item in deployments(objects):
        component = item["spec"]["selector"]["matchLabels"].pop("component")
        item["spec"]["selector"]["matchExpressions"] = [{"key": "component", "operator": "In", "values": [component]}]


@variant("immutable settings whose names end in a hash of them", config="config-9f86d081", secrets="secrets-2c26b46b")
def _immutable(objects: Objects) -> None:
    for item in (*one(objects, "ConfigMap"), *one(objects, "Secret")):
        item["immutable"] = True


@variant("images by digest")
def _by_digest(objects: Objects) -> None:
    for body in containers(objects):
        body["image"] = f"{body['image'].rpartition(':')[0]}@{simulated.digest(body['image'])}"


@variant("scheduling constraints and pull secrets")
def _scheduling(objects: Objects) -> None:
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    for spec in specs(objects):
        spec |= {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "topologySpreadConstraints": [spread],
            "imagePullSecrets": [{"name": "registry"}],
        }


@variant("images of a registry with a port")
def _registry(objects: Objects) -> None:
    for body in containers(objects):
        body["image"] = f"registry.example.com:5000/team/{body['image']}"


@variant("an add-on's settings sorted first")
def _add_on(objects: Objects) -> None:
    metadata = {"name": "a-dashboard", "namespace": deployments(objects)[0]["metadata"].get("namespace")}
    objects.insert(0, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"DEBUG": "verbose"}})
    for item in one(objects, "ConfigMap")[1:]:
        item["metadata"]["labels"]["team"] = "todo"


@variant("a query and a slash in probe paths")
def _probe_query(objects: Objects) -> None:
    for body in containers(objects, init=False):
        for kind, end in (("startupProbe", "?startup=1"), ("livenessProbe", "/")):
            if kind in body:
                put(body, f"{kind}.httpGet.path", lambda old, end=end: f"{old}{end}")
                put(body, f"{kind}.httpGet.httpHeaders", [{"name": "Accept", "value": "application/json"}])


@variant("an explicit listening address")
def _listening(objects: Objects) -> None:
    for item in deployments(objects):
        for body in item["spec"]["template"]["spec"]["containers"]:
            body["command"], body["args"] = ["todo-server"], ["--host", "::", "--origin", "http://localhost:3000"]
            others = [each for each in body["env"] if each["name"] != "HOSTNAME"]
            body["env"] = [*others, {"name": "HOSTNAME", "value": "::"}]


@variant("latest of a registry")
def _latest(objects: Objects) -> None:
    for body in containers(objects):
        body["image"] = f"ghcr.io/team/{body['image'].rpartition(':')[0]}"
        body.pop("imagePullPolicy", None)


@variant("custom kinds and their definition")
def _custom(objects: Objects) -> None:
    namespace = objects[-1]["metadata"].get("namespace")
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget"}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    definition = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    for api_version, kind, name, spec in (
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com", definition),
        ("example.com/v1alpha1", "Widget", "Any_Name", {"entries": [{"name": "a"}, {"name": "a"}]}),
        ("cert-manager.io/v1", "Certificate", "database", {"secretName": "a"}),
        ("monitoring.coreos.com/v1", "ServiceMonitor", "metrics", {"selector": {}}),
    ):
        metadata = {"name": name} if kind == "CustomResourceDefinition" else {"name": name, "namespace": namespace}
        objects.append({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})


@variant("unusual but valid fields")
def _unusual(objects: Objects) -> None:
    for item in objects:
        item["metadata"].setdefault("labels", {})["example.com/Part_of.it"] = ""
        item["metadata"].setdefault("annotations", {})["example.com/note"] = "+ any text: with \u00fc, - and \n"
        item["metadata"]["creationTimestamp"] = None
    for item in deployments(objects):
        item["spec"] |= {"paused": False, "progressDeadlineSeconds": 601}
        spec = item["spec"]["template"]["spec"]
        spec |= {
            "enableServiceLinks": False,
            "setHostnameAsFQDN": False,
            "schedulerName": "default-scheduler",
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "nodeSelector": None,
        }
        for body in spec["containers"]:
            body["env"] = [
                *body["env"],
                {"name": "a.b-c", "value": None},
                {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            ]
            body["terminationMessagePolicy"] = "FallbackToLogsOnError"
    for item in one(objects, "Service"):
        item["spec"] |= {"ipFamilyPolicy": "PreferDualStack", "publishNotReadyAddresses": False}


@variant("migrations by hooks in their order")
def _hooks(objects: Objects) -> None:
    """The Secret precedes the Job that uses it; both precede the release."""
    first = deployments(objects)[0]
    namespace = first["metadata"].get("namespace")
    for item in one(objects, "Secret"):
        item["metadata"]["annotations"] = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "-5"}
    spec = copy.deepcopy(first["spec"]["template"]["spec"])
    container = spec.pop("initContainers", spec["containers"])[0]
    spec |= {"restartPolicy": "Never", "containers": [container]}
    metadata = {"name": "migrate", "namespace": namespace, "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"}}
    template = {"metadata": {"labels": {"job": "migrate"}}, "spec": spec}
    objects.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}})


@variant("a class of the system and a role of the cluster")
def _classes(objects: Objects) -> None:
    for spec in specs(objects):
        spec["priorityClassName"] = "system-cluster-critical"


@variant("budgets, monitors and network policies that fit")
def _policies(objects: Objects) -> None:
    namespace = deployments(objects)[0]["metadata"].get("namespace")

    def add(kind: str, api: str, name: str, **spec: Any) -> None:
        metadata = {"name": name, "namespace": namespace}
        objects.append({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})

    own = {"matchLabels": deployments(objects)[0]["spec"]["selector"]["matchLabels"]}
    add("PodDisruptionBudget", "policy/v1", "one-at-a-time", selector=own, maxUnavailable=1)
    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}], "to": [{"namespaceSelector": {}}]}
    outside = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}
    egress = [dns, outside, {"to": [{"podSelector": {}}]}]
    ingress = [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]
    add("NetworkPolicy", "networking.k8s.io/v1", "own", podSelector={}, egress=egress, ingress=ingress)


@variant("pods that a local cluster can place")
def _placed(objects: Objects) -> None:
    expression = {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64", "amd64"]}
    terms = [{"matchExpressions": [expression]}]
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
    }
    for spec in specs(objects):
        affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec["affinity"] = {"nodeAffinity": affinity}
        spec["topologySpreadConstraints"] = [spread]
