"""Mutants of a snapshot: every clause of every rule that can be read, for each part and level it names."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from acceptance.rules import Level, load
from acceptance.snapshot import Dependency, Layer, Rendering
from mutants.draft import REMOVE, Alter, Body, Draft, Mutant, Where, levels_of, put

_mutants: list[Mutant] = []


def mutant(
    rule: str, clause: str, *levels: Level, refused: bool = False, part: str | None = None
) -> Callable[[Alter], Alter]:
    """Register an alteration for each level and part of a rule; for `part` alone where it names one."""

    def register(alter: Alter) -> Alter:
        parts: Iterable[str | None] = (part,) if part else load()[rule].components or (None,)
        for level in levels or levels_of(rule):
            for component in parts:
                _mutants.append(Mutant(rule, clause, level, component, alter, refused and level == "live"))
        return alter

    return register


def field(rule: str, clause: str, where: Where, path: str, value: Any, *levels: Level, refused: bool = False) -> None:
    """Register: one field, wherever `where` finds it, set to a value."""

    @mutant(rule, clause, *levels, refused=refused)
    def alter(draft: Draft) -> None:
        bodies = where(draft)
        assert bodies, f"{rule} {clause}: nothing to alter"
        for body in bodies:
            put(body, path, value)


def fields(rule: str, where: Where, path: str, values: dict[str, Any], *levels: Level, refused: bool = False) -> None:
    for clause, value in values.items():
        field(rule, clause, where, path, value, *levels, refused=refused)


def every() -> list[Mutant]:
    return list(_mutants)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- shapes that entities share

ROLES: dict[str, tuple[Where, str]] = {
    "DEP": (Draft.deployment, "DEP"),
    "SVC": (Draft.service, "SVC"),
    "CFG": (Draft.config_map, "CFG"),
    "SEC": (Draft.secret, "SEC"),
    "HPA": (Draft.autoscaler, "HPA"),
}


def rename(where: Where, name: str, follow: bool) -> Alter:
    """Give a role another name; `follow`: the target names it so too, so that only the format is wrong."""

    def alter(draft: Draft) -> None:
        for body in where(draft):
            old = body["metadata"]["name"]
            body["metadata"]["name"] = name
            if follow:
                draft.target = retargeted(draft, old, name)

    return alter


def retargeted(draft: Draft, old: str, new: str) -> Any:
    """The target with one name for another, wherever it states it."""

    def swap(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: swap(entry) for key, entry in value.items()}
        return new if value == old else value

    return type(draft.target).model_validate(swap(draft.target.model_dump()))


for prefix, (role, _) in ROLES.items():
    for label in ("Todo_Name", "a" * 64, "-todo", "todo.name"):
        mutant(f"{prefix}-01", f"name {label[:12]}", refused=label != "todo.name")(rename(role, label, follow=True))
    mutant(f"{prefix}-01", "another name than stated")(rename(role, "another-name", follow=False))
    field(f"{prefix}-02", "another namespace", role, "metadata.namespace", "elsewhere")
for prefix in ("CFG", "SEC"):
    role = ROLES[prefix][0]
    fields({"CFG": "CFG-09", "SEC": "SEC-10"}[prefix], role, "immutable", {"immutable": True})

    @mutant({"CFG": "CFG-06", "SEC": "SEC-08"}[prefix], "a space in a key", refused=True)
    def key_with_space(draft: Draft, role: Where = role) -> None:
        role(draft)[0]["data"]["BAD KEY"] = encoded("text")

    @mutant({"CFG": "CFG-06", "SEC": "SEC-08"}[prefix], "a slash in a key", refused=True)
    def key_with_slash(draft: Draft, role: Where = role) -> None:
        role(draft)[0]["data"]["a/b"] = encoded("text")

    @mutant({"CFG": "CFG-08", "SEC": "SEC-09"}[prefix], "1,048,577 bytes of values", refused=True)
    def too_much(draft: Draft, role: Where = role, prefix: str = prefix) -> None:
        data = role(draft)[0]["data"]
        data.clear()
        data["A"] = "x" * 1_048_577 if prefix == "CFG" else base64.b64encode(b"x" * 1_048_577).decode()


# --- images


OTHER_DIGEST = "sha256:" + "0" * 64


def image_of(draft: Draft, image: str) -> None:
    for body in draft.mains():
        body["image"] = image


for clause, name in {
    "capitals": "Todo-Backend:1",
    "an underscore": "todo_backend:1",
    "another": "other-image:latest",
}.items():
    mutant("IMG-01", clause, "static")(lambda draft, name=name: image_of(draft, name))
    mutant("IMG-01", clause, "image")(lambda draft, name=name: draft.change_image(reference=name))
for clause, tag in {"an underscore": "1_0", "a space": "1 0", "a plus": "1+0"}.items():
    mutant("IMG-02", clause)(lambda draft, tag=tag: image_of(draft, f"{draft.component.image.repository}:{tag}"))


@mutant("IMG-03", "configuration of another content", "image")
def other_config(draft: Draft) -> None:
    draft.change_image(computed_digest=OTHER_DIGEST)


@mutant("IMG-03", "layer of another content", "image")
def other_layer(draft: Draft) -> None:
    draft.change_image(computed_diff_ids=(OTHER_DIGEST, *draft.subject.image.computed_diff_ids[1:]))


mutant("IMG-03", "a namesake runs", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, config_digest=OTHER_DIGEST))
)
mutant("IMG-03", "another layer runs", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, diff_ids=(*fact.diff_ids, OTHER_DIGEST)))
)


def layers(count: int, size: int) -> Alter:
    return lambda draft: draft.change_image(layers=tuple(Layer(str(i), size) for i in range(count)))


mutant("IMG-04", "200,000,000 bytes", "image")(layers(2, 100_000_000))
mutant("IMG-05", "500,000,000 bytes", "image")(layers(2, 250_000_000))
mutant("IMG-06", "21 layers", "image")(layers(21, 1))
mutant("IMG-06", "no layer", "image")(layers(0, 1))
fields(
    "IMG-07",
    Draft.image_config,
    "created",
    {
        "absent": REMOVE,
        "not a time": "yesterday",
        "no zone": "2026-01-01T00:00:00",
        "the epoch": "1970-01-01T00:00:00Z",
        "future": "2036-01-01T00:00:00Z",
    },
)
field("IMG-08", "arm64", Draft.image_config, "architecture", "arm64")
field("IMG-08", "windows", Draft.image_config, "os", "windows")


def run(**fields: Any) -> Alter:
    def alter(draft: Draft) -> None:
        was = draft.subject.image.run
        assert was is not None
        draft.change_image(run=replace(was, **fields))

    return alter


mutant("IMG-09", "no answer", "image")(run(health_status=None, log_tail="Traceback"))
mutant("IMG-09", "503", "image")(run(health_status=503))
mutant("IMG-10", "outlives its grace period", "image")(run(term_seconds=30.0, exit_code=0))
mutant("IMG-10", "had to be killed", "image")(run(term_seconds=10.0, exit_code=137))
field("IMG-10", "shell form", Draft.image_config, "config.Cmd", ["/bin/sh", "-c", "python3 -m app"])

# --- pods

for clause, wrong in {"capitals": "Todo-X", "64 characters": "a" * 64}.items():
    field("POD-01", clause, Draft.running_pods, "metadata.name", wrong, refused=True)
field("POD-01", "not generated", Draft.running_pods, "metadata.generateName", REMOVE)
field("POD-01", "name of another stem", Draft.running_pods, "metadata.name", "todo-pod")
for kind in ("Deployment", "Service", "ConfigMap", "Secret", "HorizontalPodAutoscaler"):

    @mutant("POD-02", f"a {kind} elsewhere")
    def elsewhere(draft: Draft, kind: str = kind) -> None:
        next(item for item in draft.objects() if item["kind"] == kind)["metadata"]["namespace"] = "elsewhere"


mutant("POD-02", "no namespace", "live")(lambda draft: draft.change_cluster(namespaces=()))


@mutant("POD-02", "namespace younger than its pods", "live")
def young_namespace(draft: Draft) -> None:
    for item in draft.cluster.namespaces:
        item["metadata"]["creationTimestamp"] = "2026-01-02T03:00:01Z"  # type: ignore[index]


fields(
    "POD-03",
    Draft.running_pods,
    "status.phase",
    {"Pending": "Pending", "Failed": "Failed", "odd": "Odd", "none": REMOVE},
)


def containers(count: int) -> Any:
    return lambda old: [{**old[0], "name": f"c{i}"} for i in range(count)]


field("POD-04", "no container", Draft.specs, "containers", [], refused=True)
field("POD-04", "6 containers", Draft.specs, "containers", containers(6))
field(
    "POD-04",
    "5 containers and an init one",
    Draft.specs,
    "initContainers",
    lambda old: [{"name": f"i{i}"} for i in range(5)],
)
fields("POD-05", Draft.specs, "restartPolicy", {"OnFailure": "OnFailure", "Never": "Never"}, refused=False)
field("POD-05", "a container never restarted", Draft.mains, "restartPolicy", "Never")
for resource in ("cpu", "memory"):
    for who, where in {"main": Draft.mains, "every": Draft.containers}.items():
        field("POD-06", f"{who} without {resource} limit", where, f"resources.limits.{resource}", REMOVE)
        field(
            "POD-07", f"{who} {resource} over its limit", where, f"resources.requests.{resource}", "900G", refused=True
        )
    field("POD-06", f"no {resource} at all", Draft.mains, "resources", REMOVE)
    field("POD-06", f"{resource} limit 0", Draft.mains, f"resources.limits.{resource}", "0")
    field("POD-06", f"{resource} limit unreadable", Draft.mains, f"resources.limits.{resource}", "much", "static")
    field("POD-06", f"{resource} request 0", Draft.mains, f"resources.requests.{resource}", "0")
field(
    "POD-07",
    "0.6 over 500m",
    Draft.mains,
    "resources",
    {"requests": {"cpu": "0.6"}, "limits": {"cpu": "500m"}},
    refused=True,
)
field(
    "POD-07",
    "513Mi over 536870912",
    Draft.mains,
    "resources",
    {"requests": {"memory": "513Mi"}, "limits": {"memory": "536870912"}},
    refused=True,
)


@mutant("POD-06", "init container without resources", part="backend")
def bare_init(draft: Draft) -> None:
    for body in draft.inits():
        body.pop("resources")


@mutant("POD-07", "init container over its limit", part="backend", refused=True)
def greedy_init(draft: Draft) -> None:
    for body in draft.inits():
        put(body, "resources.requests.cpu", "9")


for rule, probes in {"POD-08": ("livenessProbe", "readinessProbe"), "POD-09": ("startupProbe",)}.items():
    for probe in probes:
        field(rule, f"no {probe}", Draft.mains, probe, REMOVE)
        field(rule, f"{probe} by exec", Draft.mains, probe, {"exec": {"command": ["true"]}})
        field(rule, f"{probe} by TCP", Draft.mains, probe, {"tcpSocket": {"port": 8000}})
        field(rule, f"{probe} elsewhere", Draft.mains, f"{probe}.httpGet.path", "/other")
        field(rule, f"{probe} on another port", Draft.mains, f"{probe}.httpGet.port", 9999)
        field(rule, f"{probe} on an unknown name", Draft.mains, f"{probe}.httpGet.port", "metrics")
        field(rule, f"{probe} of another host", Draft.mains, f"{probe}.httpGet.host", "example.com")
        field(rule, f"{probe} over TLS", Draft.mains, f"{probe}.httpGet.scheme", "HTTPS")
    mutant(rule, "on a declared port where nobody listens", "live")(
        lambda draft: draft.change_facts(lambda fact: replace(fact, listening=frozenset({1})))
    )


def volume(name: str, source: Body) -> Any:
    return lambda old: [*(old or []), {"name": name, **source}]


for clause, source in {
    "hostPath": {"hostPath": {"path": "/"}},
    "a claim": {"persistentVolumeClaim": {"claimName": "x"}},
    "NFS": {"nfs": {"server": "x", "path": "/"}},
    "a projected volume": {"projected": {"sources": [{"configMap": {"name": "x"}}]}},
}.items():
    field("POD-13", clause, Draft.specs, "volumes", volume("more", source))
field("POD-13", "11 volumes", Draft.specs, "volumes", [{"name": f"v{i}", "emptyDir": {}} for i in range(11)])
field("POD-14", "no node", Draft.running_pods, "spec.nodeName", REMOVE)
field("POD-14", "unknown node", Draft.running_pods, "spec.nodeName", "elsewhere")
field("POD-14", "not scheduled", Draft.running_pods, "status.conditions", [{"type": "PodScheduled", "status": "False"}])
field("POD-14", "a node by the template", Draft.deployment, "spec.template.spec.nodeName", "node-1")
fields(
    "POD-15", Draft.running_pods, "status.startTime", {"absent": REMOVE, "not a time": "today", "a date": "2026-01-02"}
)
fields("POD-16", Draft.mains, "ports", {"none": REMOVE, "another": [{"containerPort": 9999}]})
field("POD-16", "over UDP", Draft.mains, "ports", lambda old: [{**old[0], "protocol": "UDP"}])
mutant("POD-16", "nobody listens", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, listening=frozenset({1})))
)
for resource, less, other in (("cpu", "100m", "750m"), ("memory", "128Mi", "1Gi")):
    field("POD-18", f"{resource} request below its limit", Draft.mains, f"resources.requests.{resource}", less)

    @mutant("POD-18", f"another {resource} than stated")
    def other_figure(draft: Draft, resource: str = resource, other: str = other) -> None:
        for body in draft.mains():
            put(body, f"resources.requests.{resource}", other)
            put(body, f"resources.limits.{resource}", other)


# --- Deployments

fields("DEP-03", Draft.off, "spec.replicas", {"0": 0, "6": 6, "11": 11, "-1": -1, "a word": "two"}, "static")
field("DEP-03", "another number than stated", Draft.off, "spec.replicas", 4, "static")


@mutant("DEP-03", "11 where the cluster isn't local", "static")
def eleven(draft: Draft) -> None:
    draft.change_chart(values={**draft.chart.values, "localCluster": False})
    for body in draft.off():
        body["spec"]["replicas"] = 11


fields("DEP-03", Draft.deployment, "spec.replicas", {"0": 0, "6": 6, "another at rest": 4}, "live")
field("DEP-04", "no labels", Draft.deployment, "spec.selector.matchLabels", {}, refused=True)
field("DEP-04", "no selector", Draft.deployment, "spec.selector", REMOVE, refused=True)
field("DEP-04", "not the template's", Draft.deployment, "spec.selector.matchLabels.tier", "web", refused=True)
field(
    "DEP-04",
    "expressions that do not match",
    Draft.deployment,
    "spec.selector.matchExpressions",
    [{"key": "tier", "operator": "Exists"}],
    refused=True,
)
field("DEP-04", "another workload's pods too", Draft.deployment, "spec.selector.matchLabels", {"app": "todo-chatbot"})


@mutant("DEP-05", "not on the selector")
def selector_without(draft: Draft) -> None:
    draft.deployment()[0]["spec"]["selector"]["matchLabels"].pop("component")


@mutant("DEP-05", "not on the pods")
def pods_without(draft: Draft) -> None:
    for body in draft.pod_bodies():
        body["metadata"]["labels"].pop("app")


field("DEP-05", "not on the workload", Draft.deployment, "metadata.labels.component", REMOVE)
field("DEP-05", "another value", Draft.deployment, "metadata.labels.component", "other")
field("DEP-06", "Recreate", Draft.deployment, "spec.strategy", {"type": "Recreate"})
ROLLING = "spec.strategy.rollingUpdate"
fields("DEP-06", Draft.deployment, f"{ROLLING}.maxUnavailable", {"unavailable 1": 1, "unavailable 100%": "100%"})
field("DEP-06", "surge 0", Draft.deployment, ROLLING, {"maxSurge": 0, "maxUnavailable": 1})
field("DEP-06", "surge 0 %", Draft.deployment, ROLLING, {"maxSurge": "0%", "maxUnavailable": "100%"})
for clause, surge, unavailable in (("0 and 0", 0, 0), ("0% and 0", "0%", 0), ("0 and 0%", 0, "0%")):
    field("DEP-07", clause, Draft.deployment, ROLLING, {"maxSurge": surge, "maxUnavailable": unavailable}, refused=True)
field("DEP-07", "0 and 25%, resolved", Draft.deployment, ROLLING, {"maxSurge": 0, "maxUnavailable": "25%"})
fields("DEP-08", Draft.deployment, "spec.revisionHistoryLimit", {"0": 0, "another than stated": 3})


@mutant("DEP-09", "a stray pod", "live")
def stray_pod(draft: Draft) -> None:
    pod = {**draft.running_pods()[0]}
    pod["metadata"] = {**pod["metadata"], "name": "stray", "ownerReferences": []}
    draft.change_cluster(pods=(*draft.cluster.pods, pod))


@mutant("DEP-09", "a stray ReplicaSet", "live")
def stray_set(draft: Draft) -> None:
    for item in draft.subject.owned_replica_sets():
        metadata = {**item["metadata"], "name": "stray", "ownerReferences": []}
        draft.change_cluster(replica_sets=(*draft.cluster.replica_sets, {**item, "metadata": metadata}))


@mutant("DEP-09", "a pod missing", "live")
def pod_missing(draft: Draft) -> None:
    gone = draft.running_pods()[0]
    draft.change_cluster(pods=tuple(pod for pod in draft.cluster.pods if pod is not gone))


field("DEP-09", "one more wanted", Draft.deployment, "spec.replicas", lambda old: old + 1, "live")

# --- Services

fields("SVC-03", Draft.service, "spec.type", {each: each for each in ("NodePort", "LoadBalancer", "ExternalName")})
fields(
    "SVC-04",
    Draft.service,
    "spec.clusterIP",
    {"None": "None", "absent": REMOVE, "outside": "192.0.2.1", "no address": "ten"},
)
field("SVC-05", "no ports", Draft.service, "spec.ports", [], refused=True)
field(
    "SVC-05",
    "11 ports",
    Draft.service,
    "spec.ports",
    lambda old: [{**old[0], "name": f"p{i}", "port": old[0]["port"] + i} for i in range(11)],
)
for clause, number, impossible in (("0", 0, True), ("65536", 65536, True), ("another", 81, False)):
    field(
        "SVC-05", clause, Draft.service, "spec.ports", lambda old, n=number: [{**old[0], "port": n}], refused=impossible
    )
for protocol in ("UDP", "SCTP"):
    field("SVC-05", protocol, Draft.service, "spec.ports", lambda old, p=protocol: [{**old[0], "protocol": p}])
for clause, wrong_port in {"number": 9999, "name": "metrics"}.items():
    field(
        "SVC-06",
        f"unknown {clause}",
        Draft.service,
        "spec.ports",
        lambda old, p=wrong_port: [{**old[0], "targetPort": p}],
    )
field("SVC-06", "absent, and the port is another", Draft.service, "spec.ports", [{"port": 81}])
field("SVC-07", "no selector", Draft.service, "spec.selector", {})
field("SVC-07", "no pod", Draft.service, "spec.selector", {"app": "nobody"})
field("SVC-07", "another component's pods too", Draft.service, "spec.selector", {"app": "todo-chatbot"})


def slices_of(draft: Draft) -> list[Body]:
    name = draft.service()[0]["metadata"]["name"]
    return [s for s in draft.cluster.endpoint_slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == name]  # type: ignore[misc]


def endpoint(name: str, ready: bool) -> Body:
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}}


field("SVC-07", "a Ready pod without endpoint", slices_of, "endpoints", lambda old: old[1:])
field(
    "SVC-07",
    "a Ready pod with ready false",
    slices_of,
    "endpoints",
    lambda old: [{**e, "conditions": {"ready": False}} for e in old],
)
field("SVC-07", "a ready endpoint of no pod", slices_of, "endpoints", lambda old: [*old, endpoint("ghost", True)])
field("SVC-07", "an unready endpoint of another", slices_of, "endpoints", lambda old: [*old, endpoint("ghost", False)])


@mutant("SVC-07", "an unready pod with ready true", "live")
def unready(draft: Draft) -> None:
    draft.running_pods()[0]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@mutant("SVC-07", "a leaving pod with ready true", "live")
def leaving(draft: Draft) -> None:
    draft.running_pods()[0]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:00Z"


field("SVC-08", "ClientIP", Draft.service, "spec.sessionAffinity", "ClientIP")

# --- ConfigMap

fields("CFG-03", Draft.config_map, "data.ENVIRONMENT", {"prod": "prod", "capitals": "Production", "empty": ""})
fields("CFG-04", Draft.config_map, "data.DEBUG", {"yes": "yes", "True": "True", "1": "1", "empty": ""})
field("CFG-04", "a boolean", Draft.config_map, "data.DEBUG", True, refused=True)
fields(
    "CFG-05",
    Draft.config_map,
    "data.CORS_ORIGINS",
    {
        "a path": "http://localhost:3000/app",
        "a slash": "http://localhost:3000/",
        "no scheme": "localhost:3000",
        "a star": "*",
        "a JSON list": '["http://localhost:3000"]',
        "a list by spaces": "http://localhost:3000 http://localhost:3001",
        "an empty member": "http://localhost:3000,",
        "another scheme": "ftp://localhost",
        "a query": "http://localhost:3000?a=1",
        "credentials": "http://user:word@localhost:3000",
        "empty": "",
    },
)
field("CFG-07", "a number", Draft.config_map, "data.NUMBER", 5, refused=True)
field("CFG-07", "a broken character", Draft.config_map, "data.TEXT", "Gr\ufffde")
field("CFG-07", "bytes that are no text", Draft.config_map, "binaryData", {"B": base64.b64encode(b"\xff\xfe").decode()})
field("CFG-07", "text not in the object", Draft.config_map, "data.ACCEPTANCE_TEXT", "Gr??e", "live")


@mutant("CFG-07", "text not in the container", "live")
def text_lost(draft: Draft) -> None:
    facts = {
        key: replace(fact, environment={**fact.environment, "ACCEPTANCE_TEXT": "Gr??e"})
        for key, fact in (draft.cluster.facts or {}).items()
    }
    draft.change_cluster(facts=facts)


@mutant("CFG-08", "a variable over 131,072 bytes")
def long_variable(draft: Draft) -> None:
    draft.config_map()[0]["data"]["ENVIRONMENT"] = "x" * 131_072


@mutant("CFG-10", "another value in the container", "live")
def other_value(draft: Draft) -> None:
    draft.change_facts(lambda fact: replace(fact, environment={**fact.environment, "ENVIRONMENT": "other"}))


@mutant("CFG-10", "no value in the container", "live")
def no_value(draft: Draft) -> None:
    draft.change_facts(lambda fact: replace(fact, environment={}))


@mutant("CFG-10", "no variable from the ConfigMap", "live")
def no_variables(draft: Draft) -> None:
    for body in draft.containers():
        body.pop("env", None)
        body.pop("envFrom", None)


for key in ("ENVIRONMENT", "DEBUG", "CORS_ORIGINS"):
    field("CFG-11", f"no {key}", Draft.config_map, f"data.{key}", REMOVE)

# --- Secret

fields("SEC-03", Draft.secret, "type", {"TLS": "kubernetes.io/tls", "another": "example.com/other"})
fields(
    "SEC-04",
    Draft.secret,
    "data.DATABASE_URL",
    {
        clause: encoded(url)
        for clause, url in {
            "MySQL": "mysql://u:p@h/d",
            "SQLite": "sqlite:///d",
            "no user": "postgresql://:p@h/d",
            "no password": "postgresql://u@h/d",
            "no host": "postgresql://u:p@/d",
            "no scheme": "u:p@h/d",
            "a new line": "postgresql://u:p@h/d\n",
        }.items()
    },
)
fields(
    "SEC-05",
    Draft.secret,
    "data.BETTER_AUTH_SECRET",
    {"31 characters": encoded("s" * 31), "31 characters of 2 bytes": encoded("ß" * 31)},
)
fields("SEC-06", Draft.secret, "data.OPENAI_API_KEY", {"sk-": encoded("sk-abc"), "spaces": encoded(" sk-proj-abc")})
field("SEC-07", "not base64", Draft.secret, "data.BETTER_AUTH_SECRET", "%%%%", refused=True)
field("SEC-07", "not UTF-8", Draft.secret, "data.BETTER_AUTH_SECRET", base64.b64encode(b"\xff" * 40).decode())
for key in ("DATABASE_URL", "BETTER_AUTH_SECRET", "OPENAI_API_KEY"):
    field("SEC-07", f"{key} twice", Draft.secret, f"data.{key}", lambda old: base64.b64encode(old.encode()).decode())
    field("SEC-12", f"no {key}", Draft.secret, f"data.{key}", REMOVE)


@mutant("SEC-09", "a variable over 131,072 bytes")
def long_secret(draft: Draft) -> None:
    draft.secret()[0]["data"]["BETTER_AUTH_SECRET"] = encoded("x" * 131_072)


def variable(name: str, **source: Any) -> Any:
    return lambda old: [
        *(each for each in old if each["name"] != name),
        *([{"name": name, **source}] if source else []),
    ]


for key in ("DATABASE_URL", "BETTER_AUTH_SECRET"):
    field("SEC-11", f"{key} a literal", Draft.mains, "env", variable(key, value="text"))
    field(
        "SEC-11",
        f"{key} from the ConfigMap",
        Draft.mains,
        "env",
        variable(key, valueFrom={"configMapKeyRef": {"name": "c", "key": key}}),
    )
    field("SEC-11", f"no {key}", Draft.mains, "env", variable(key))


@mutant("SEC-11", "a literal by another name")
def literal(draft: Draft) -> None:
    text = draft.snapshot.given["BETTER_AUTH_SECRET"]
    for body in draft.mains():
        body["env"].append({"name": "OTHER", "value": text})


@mutant("SEC-11", "a literal on the command line")
def argument(draft: Draft) -> None:
    for body in draft.mains():
        body["args"] = [f"--key={draft.snapshot.given['BETTER_AUTH_SECRET']}"]


# --- HPA


@mutant("HPA-01", "absent")
def no_autoscaler(draft: Draft) -> None:
    draft.drop(lambda item: item["kind"] == "HorizontalPodAutoscaler")


field("HPA-01", "autoscaling/v1", Draft.autoscaler, "apiVersion", "autoscaling/v1")
REF = "spec.scaleTargetRef"
for key, wrong in {"apiVersion": "extensions/v1", "kind": "StatefulSet", "name": "todo-frontend"}.items():
    field("HPA-03", f"another {key}", Draft.autoscaler, f"{REF}.{key}", wrong)
field("HPA-03", "no target", Draft.autoscaler, REF, {"kind": "Deployment"}, refused=True)
fields("HPA-04", Draft.autoscaler, "spec.minReplicas", {"0": 0, "-1": -1}, refused=True)
field("HPA-04", "11", Draft.autoscaler, "spec.minReplicas", 11)
field("HPA-04", "another than stated", Draft.autoscaler, "spec.minReplicas", 3, "static")
field("HPA-05", "maximum below", Draft.autoscaler, "spec.maxReplicas", 1, refused=True)
field("HPA-05", "no maximum", Draft.autoscaler, "spec.maxReplicas", REMOVE, refused=True)
field("HPA-05", "equal (advice)", Draft.autoscaler, "spec.maxReplicas", 2)
field("HPA-05", "another than stated", Draft.autoscaler, "spec.maxReplicas", 4, "static")
METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
fields("HPA-06", Draft.autoscaler, "spec.metrics", {"none": [], "absent": REMOVE, "11": [METRIC] * 11})
fields("HPA-06", Draft.declared, "spec.metrics", {"none declared": [], "absent in the manifest": REMOVE}, "live")


def cpu(**target: Any) -> list[Body]:
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


fields(
    "HPA-07",
    Draft.autoscaler,
    "spec.metrics",
    {
        "0 %": cpu(type="Utilization", averageUtilization=0),
        "101 %": cpu(type="Utilization", averageUtilization=101),
        "not utilisation": cpu(type="AverageValue", averageValue="100m"),
        "no figure": cpu(type="Utilization"),
        "memory alone": [
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
)
field(
    "HPA-07",
    "another than stated",
    Draft.autoscaler,
    "spec.metrics",
    cpu(type="Utilization", averageUtilization=50),
    "static",
)
field("HPA-07", "no CPU request", Draft.mains, "resources", {"limits": {"memory": "1Gi"}})
CONDITION = {"type": "ScalingActive", "status": "False", "message": "no metrics"}
fields("HPA-08", Draft.autoscaler, "status.conditions", {"not active": [CONDITION], "no condition": []})
fields(
    "HPA-08",
    Draft.autoscaler,
    "status.currentMetrics",
    {"no figure": [{"type": "Resource", "resource": {"name": "cpu", "current": {}}}], "none": REMOVE},
)
field("HPA-11", "replicas beside it", Draft.deployment, "spec.replicas", 2, "static")

# --- chart

fields(
    "CHT-01",
    Draft.chart_file,
    "name",
    {"an underscore": "todo_chatbot", "a space": "a b", "another": "x", "none": REMOVE},
)
fields(
    "CHT-02",
    Draft.chart_file,
    "version",
    {"two numbers": "1.0", "a v": "v1.0.0", "a zero": "01.0.0", "another": "2.0.0", "none": REMOVE},
)
fields("CHT-03", Draft.chart_file, "appVersion", {"absent": REMOVE, "empty": "", "another": "9"})
fields("CHT-04", Draft.chart_file, "description", {"absent": REMOVE, "empty": "", "201 characters": "x" * 201})
fields("CHT-05", Draft.chart_file, "apiVersion", {"v1": "v1", "absent": REMOVE})
field("CHT-06", "library", Draft.chart_file, "type", "library")
mutant("CHT-07", "missing")(lambda draft: draft.change_chart(dependencies=(Dependency("redis", "1.0.0", "missing"),)))
mutant("CHT-07", "wrong version")(
    lambda draft: draft.change_chart(dependencies=(Dependency("redis", "1.0.0", "wrong version"),))
)
mutant("CHT-08", "51 files")(
    lambda draft: draft.change_chart(
        templates={f"templates/_{i}.tpl": "" for i in range(50)} | {"templates/NOTES.txt": ""}
    )
)
mutant("CHT-08", "no file")(lambda draft: draft.change_chart(templates={}))
for missing in ("_", "NOTES.txt"):

    @mutant("CHT-08", f"no {missing} file")
    def without_file(draft: Draft, missing: str = missing) -> None:
        kept = {p: t for p, t in draft.chart.templates.items() if not p.rpartition("/")[2].startswith(missing)}
        draft.change_chart(templates=kept)


for kind, name in (
    ("Deployment", "todo-backend"),
    ("Deployment", "todo-frontend"),
    ("Service", "todo-backend-service"),
    ("Service", "todo-frontend-service"),
    ("ConfigMap", "todo-chatbot-config"),
    ("Secret", "todo-chatbot-secrets"),
):

    @mutant("CHT-08", f"no {kind} {name}")
    def without_object(draft: Draft, kind: str = kind, name: str = name) -> None:
        draft.drop(lambda item: (item["kind"], item["metadata"]["name"]) == (kind, name))


def namespace_on(draft: Draft) -> tuple[Body, ...]:
    on = draft.chart.namespace_on
    assert on is not None
    return on.objects  # type: ignore[return-value]


@mutant("CHT-08", "no Namespace")
def without_namespace(draft: Draft) -> None:
    draft.change_chart(namespace_on=Rendering(tuple(o for o in namespace_on(draft) if o["kind"] != "Namespace")))


mutant("CHT-09", "does not render", "static")(lambda draft: draft.fail("nil pointer evaluating interface {}.tag"))


@mutant("CHT-09", "another the second time", "static")
def unstable(draft: Draft) -> None:
    item = next(item for item in draft.objects() if item["kind"] == "Secret")
    item["data"]["BETTER_AUTH_SECRET"] = encoded("x" * 40)


mutant("CHT-09", "an object twice", "static")(lambda draft: draft.add(draft.objects()[0]))
for clause, path, value in (
    ("an unknown field", "spec.replica", 2),
    ("a string for a number", "spec.replicas", "two"),
    ("a number for a string", "metadata.labels.port", 5432),
    ("no template", "spec.template", REMOVE),
):

    @mutant("CHT-09", clause, "static")
    def misshapen(draft: Draft, path: str = path, value: Any = value) -> None:
        item = next(item for item in draft.objects() if item["kind"] == "Deployment")
        put(item, path, value)


@mutant("CHT-09", "renders without the secrets", "static")
def unguarded(draft: Draft) -> None:
    draft.change_chart(without_secrets=draft.chart.first)


for name in ("databaseUrl", "betterAuthSecret", "openaiApiKey"):

    @mutant("CHT-09", f"a message without {name}", "static")
    def unnamed(draft: Draft, name: str = name) -> None:
        bare = draft.chart.without_secrets
        assert bare is not None
        assert bare.error is not None
        draft.change_chart(without_secrets=Rendering(error=bare.error.replace(name, "it")))


mutant("CHT-09", "refused by the API server", "live")(
    lambda draft: draft.change_cluster(refused={"Service/x": "spec.ports: Required value"})
)
mutant("CHT-10", "no schema")(lambda draft: draft.change_chart(schema=None))
mutant("CHT-10", "no JSON Schema")(lambda draft: draft.change_chart(schema={"type": "objekt"}))


@mutant("CHT-10", "defaults that do not fit")
def unfit(draft: Draft) -> None:
    put(_plain(draft.chart.values), "backend.replicas", "two")


@mutant("CHT-10", "a key it does not know")
def unknown(draft: Draft) -> None:
    assert draft.chart.schema is not None
    put(_plain(draft.chart.schema), "properties.localCluster", REMOVE)


@mutant("CHT-10", "open at the top")
def open_top(draft: Draft) -> None:
    assert draft.chart.schema is not None
    put(_plain(draft.chart.schema), "additionalProperties", REMOVE)


def _plain(value: Any) -> Body:
    assert isinstance(value, dict)
    return value


mutant("CHT-15", "a warning")(lambda draft: draft.change_chart(lint=("[WARNING] templates/: bad",)))


@mutant("CHT-16", "of another name", "static")
def other_namespace(draft: Draft) -> None:
    next(o for o in namespace_on(draft) if o["kind"] == "Namespace")["metadata"]["name"] = "other"


@mutant("CHT-16", "two of them", "static")
def two_namespaces(draft: Draft) -> None:
    one = next(o for o in namespace_on(draft) if o["kind"] == "Namespace")
    draft.change_chart(namespace_on=Rendering((*namespace_on(draft), {**one, "metadata": {"name": "second"}})))


@mutant("CHT-16", "an object elsewhere", "static")
def elsewhere_with_namespace(draft: Draft) -> None:
    next(o for o in namespace_on(draft) if o["kind"] == "Service")["metadata"]["namespace"] = "default"


@mutant("CHT-16", "does not render", "static")
def namespace_fails(draft: Draft) -> None:
    draft.change_chart(namespace_on=Rendering(error="nil pointer"))


# --- relationships


def first_init(draft: Draft) -> list[Body]:
    return draft.inits()[:1]


field("REL-01", "no init container", Draft.specs, "initContainers", [], "static")
field("REL-01", "another name", first_init, "name", "other", "static")
field("REL-01", "a sidecar", first_init, "restartPolicy", "Always", "static")
field("REL-01", "no way to the database", first_init, "env", [], "static")
for clause, url in {
    "another Service": "http://other-service:8000",
    "another port": "http://todo-backend-service:9999",
    "localhost": "http://localhost:8000",
}.items():
    field("REL-04", clause, Draft.config_map, "data.BACKEND_URL", url, "live")
field("REL-04", "no URL", Draft.mains, "env", variable("BACKEND_URL"), "live")


@mutant("REL-04", "the image's own URL wins", "live")
def baked(draft: Draft) -> None:
    other = {"BACKEND_URL": "http://backend:8000"}
    draft.change_facts(lambda fact: replace(fact, environment={**fact.environment, **other}))


def all_mains(draft: Draft) -> list[Body]:
    return [body for name in draft.target.components for body in Draft.mains(_for(draft, name))]


def _for(draft: Draft, part: str) -> Draft:
    view = Draft.__new__(Draft)
    view.snapshot, view.target, view.part = draft.snapshot, draft.target, part
    return view


def of_backend(where: Where) -> Where:
    return lambda draft: where(_for(draft, "backend"))


main, spec = of_backend(Draft.mains), of_backend(Draft.specs)
field("REL-05", "no such ConfigMap", main, "envFrom", [{"configMapRef": {"name": "absent"}}])
field(
    "REL-05",
    "no such Secret",
    main,
    "env",
    [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "A"}}}],
)
for kind, name in (("configMap", "todo-chatbot-config"), ("secret", "todo-chatbot-secrets")):
    reference = {f"{kind}KeyRef": {"name": name, "key": "ABSENT"}}
    field("REL-05", f"no such key of the {kind}", main, "env", [{"name": "A", "valueFrom": reference}])
field(
    "REL-05",
    "no such key in an init container",
    of_backend(first_init),
    "env",
    [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "todo-chatbot-secrets", "key": "ABSENT"}}}],
)
field("REL-05", "volume of no ConfigMap", spec, "volumes", [{"name": "v", "configMap": {"name": "absent"}}])
field("REL-05", "volume of no Secret", spec, "volumes", [{"name": "v", "secret": {"secretName": "absent"}}])
field(
    "REL-05",
    "volume of no such key",
    spec,
    "volumes",
    [{"name": "v", "secret": {"secretName": "todo-chatbot-secrets", "items": [{"key": "ABSENT", "path": "a"}]}}],
)
field("REL-05", "URL of no Service", Draft.config_map, "data.BACKEND_URL", "http://absent:8000")
field(
    "REL-05",
    "URL of a Service elsewhere",
    Draft.config_map,
    "data.BACKEND_URL",
    "http://todo-backend-service.other.svc:8000",
)
field("REL-05", "URL of another port", Draft.config_map, "data.BACKEND_URL", "http://todo-backend-service:80")
field("REL-05", "URL without its port", Draft.config_map, "data.BACKEND_URL", "http://todo-backend-service")
field(
    "REL-05",
    "literal URL of no Service",
    main,
    "env",
    [{"name": "A", "value": "http://absent.todo-chatbot.svc.cluster.local:8000"}],
)
field("REL-05", "no such service account", spec, "serviceAccountName", "absent")
field("REL-05", "no such probe port", main, "livenessProbe.httpGet.port", "absent")
field("REL-05", "no such scale target", of_backend(Draft.autoscaler), f"{REF}.name", "absent")

# --- persistence, state, security

for kind in ("PersistentVolume", "PersistentVolumeClaim"):
    mutant("PER-02", kind)(
        lambda draft, kind=kind: draft.add({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}})
    )
for clause, source in {
    "hostPath": {"hostPath": {"path": "/"}},
    "a claim": {"persistentVolumeClaim": {"claimName": "x"}},
    "an ephemeral claim": {"ephemeral": {}},
}.items():
    field("PER-02", clause, spec, "volumes", volume("more", source))
mutant("PER-02", "a claim's template")(
    lambda draft: draft.add(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "x"},
            "spec": {"volumeClaimTemplates": [{}]},
        }
    )
)
field(
    "STA-06",
    "required",
    Draft.specs,
    "affinity",
    {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}},
)
CONTEXT = "securityContext"


def user(pod: Any, container: Any, where: Where = Draft.containers) -> Alter:
    """Set runAsUser and runAsNonRoot of pods and containers; a pair each, None for absent."""

    def alter(draft: Draft) -> None:
        for body, values in [(b, pod) for b in draft.specs()] + [(b, container) for b in where(draft)]:
            for key, value in zip(("runAsUser", "runAsNonRoot"), values, strict=True):
                put(body, f"{CONTEXT}.{key}", REMOVE if value is None else value)

    return alter


for clause, pod_values, container_values in (
    ("root", (0, False), (None, None)),
    ("nothing said", (None, None), (None, None)),
    ("another user", (1001, True), (None, None)),
    ("a container as root", (1000, True), (0, False)),
):
    mutant("SCY-01", clause, "static", "live")(user(pod_values, container_values))


@mutant("SCY-01", "an init container as root", "static", "live", part="backend")
def root_init(draft: Draft) -> None:
    for body in draft.inits():
        put(body, f"{CONTEXT}.runAsUser", 0)


mutant("SCY-01", "a process as root", "live")(lambda draft: draft.change_facts(lambda fact: replace(fact, uid=0)))
fields(
    "SCY-01",
    Draft.image_config,
    "config.User",
    {"none": "", "root": "root", "0": "0", "another": "1001", "unknown": "nobody"},
    "image",
)
mutant("SCY-01", "a name that is another user", "image")(
    lambda draft: (
        put(draft.image_config()[0], "config.User", "app"),
        draft.change_image(passwd="app:x:999:999::/:\n"),
    )[1]
)


@mutant("SCY-01", "runAsNonRoot over an image user that is root", "static")
def unenforced(draft: Draft) -> None:
    user((None, True), (None, None))(draft)
    draft.change_chart(dockerfiles={str(draft.part): "FROM x\nUSER 0\n"})


ROOT_FS = f"{CONTEXT}.readOnlyRootFilesystem"
fields("SCY-02", Draft.mains, ROOT_FS, {"writable": False, "not said": REMOVE})


@mutant("SCY-02", "a writable init container", part="backend")
def writable_init(draft: Draft) -> None:
    for body in draft.inits():
        put(body, ROOT_FS, False)


@mutant("SCY-02", "a writable volume of the host")
def writable_host(draft: Draft) -> None:
    for body in draft.specs():
        body["volumes"] = [{"name": "v", "hostPath": {"path": "/"}}]
    for body in draft.mains():
        body["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]


mutant("SCY-02", "mounted writable", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, read_only_root=False))
)
for key in ("hostNetwork", "hostPID", "hostIPC"):
    field("SCY-03", key, Draft.specs, key, True)
for path, values in {
    "privileged": {"privileged": True},
    "allowPrivilegeEscalation": {"escalation": True, "escalation not said": REMOVE},
    "capabilities": {
        "not dropped": REMOVE,
        "dropped in part": {"drop": ["NET_RAW"]},
        "added": {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
    },
    "seccompProfile": {"unconfined": {"type": "Unconfined"}},
    "runAsNonRoot": {"root allowed": False},
    "procMount": {"unmasked": "Unmasked"},
    "runAsUser": {"root": 0},
}.items():
    fields("SCY-03", Draft.mains, f"{CONTEXT}.{path}", values)


@mutant("SCY-03", "no seccomp profile")
def no_seccomp(draft: Draft) -> None:
    for body in (*draft.specs(), *draft.containers()):
        put(body, f"{CONTEXT}.seccompProfile", REMOVE)


@mutant("SCY-03", "a privileged job", part="backend")
def privileged_job(draft: Draft) -> None:
    template = {"spec": {"containers": [{"name": "j", CONTEXT: {"privileged": True}}]}}
    draft.add({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}})


def first_service(draft: Draft) -> list[Body]:
    return [item for item in draft.objects() if item["kind"] == "Service"][:1]


fields("SCY-05", first_service, "spec.type", {"NodePort": "NodePort", "LoadBalancer": "LoadBalancer"})
field("SCY-05", "externalIPs", first_service, "spec.externalIPs", ["192.0.2.1"])
field("SCY-05", "a node port", first_service, "spec.ports", lambda old: [{**old[0], "nodePort": 30000}])
for kind in ("Ingress", "Gateway", "HTTPRoute"):
    mutant("SCY-05", kind)(lambda draft, kind=kind: draft.add({"kind": kind, "metadata": {"name": "x"}}))
field("SCY-05", "hostPort", main, "ports", lambda old: [{**old[0], "hostPort": 8000}])
field("SCY-05", "hostNetwork", spec, "hostNetwork", True)
field("SCY-06", "NodePort", Draft.service, "spec.type", "NodePort", "static")
ROUTE = {"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "todo-backend-service"}}}]}}]}}
mutant("SCY-06", "an Ingress to it", "static")(
    lambda draft: draft.add({"kind": "Ingress", "metadata": {"name": "x"}, **ROUTE})
)
field("SCY-06", "not by its name", Draft.config_map, "data.BACKEND_URL", "http://localhost:8000", "static")


@mutant("SCY-06", "by localhost too", "static")
def by_localhost(draft: Draft) -> None:
    for body in _for(draft, "frontend").mains():
        body["env"].append({"name": "NEXT_PUBLIC_API_URL", "value": "http://localhost:8000"})


LEAK = "sk-proj-" + "Ab3" * 12
for clause, text in {
    "an API key": LEAK,
    "a database URL": "postgresql://todo:hunter2x@db.example.com/todo",
    "an assigned secret": "BETTER_AUTH_SECRET: 8f2c91d07ab34e",
    "an API key in base64": encoded(LEAK),
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n",
}.items():

    @mutant("SCY-08", f"{clause} in a template", "static")
    def in_template(draft: Draft, text: str = text) -> None:
        draft.change_chart(templates={**draft.chart.templates, "templates/x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in the values", "static")
    def in_values(draft: Draft, text: str = text) -> None:
        draft.change_chart(values_files={**draft.chart.values_files, "values-x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in a Dockerfile", "static")
    def in_dockerfile(draft: Draft, text: str = text) -> None:
        draft.change_chart(dockerfiles={"backend": f"FROM x\nENV A={text}\n"})


@mutant("SCY-08", "a default for a secret", "static")
def shipped_default(draft: Draft) -> None:
    draft.change_chart(values_files={"values.yaml": "secrets: {betterAuthSecret: changeme}\n"})


field("SCY-08", "in the ConfigMap", Draft.config_map, "data.KEY", LEAK, "static", "live")


@mutant("SCY-08", "the run's own in the ConfigMap", "static", "live")
def own_in_config(draft: Draft) -> None:
    draft.config_map()[0]["data"]["KEY"] = f"x {draft.snapshot.given['BETTER_AUTH_SECRET']}"


@mutant("SCY-08", "the run's own in an annotation", "static", "live")
def own_in_annotation(draft: Draft) -> None:
    put(draft.config_map()[0], "metadata.annotations.a", encoded(draft.snapshot.given["BETTER_AUTH_SECRET"]))


@mutant("SCY-08", "in a log", "live")
def in_log(draft: Draft) -> None:
    draft.change_cluster(logs={"x": f"connecting to {draft.snapshot.given['DATABASE_URL']}"})


def _for_image(draft: Draft, fields: dict[str, Any]) -> None:
    image = draft.snapshot.images["backend"]
    config = {**image.config, **fields.pop("config", {})}
    draft.change(images={**draft.snapshot.images, "backend": replace(image, config=config, **fields)})


mutant("SCY-08", "in the environment", "image")(
    lambda draft: _for_image(draft, {"config": {"config": {"User": "1000", "Env": [f"OPENAI_API_KEY={LEAK}"]}}})
)
mutant("SCY-08", "in the history", "image")(
    lambda draft: _for_image(draft, {"config": {"history": [{"created_by": f"ARG K={LEAK}"}]}})
)
mutant("SCY-08", "in a layer", "image")(lambda draft: _for_image(draft, {"credentials": ("/app/.env: an OpenAI key",)}))


@mutant("SCY-09", "a key too many")
def key_too_many(draft: Draft) -> None:
    draft.retarget(secret_keys=("DATABASE_URL",))


@mutant("SCY-09", "the model's key in the frontend", part="frontend")
def model_key(draft: Draft) -> None:
    for body in draft.mains():
        body["env"].append(
            {"name": "K", "valueFrom": {"secretKeyRef": {"name": "todo-chatbot-secrets", "key": "OPENAI_API_KEY"}}}
        )


@mutant("SCY-09", "the whole Secret", part="frontend")
def whole_secret(draft: Draft) -> None:
    for body in draft.mains():
        body["envFrom"] = [{"secretRef": {"name": "todo-chatbot-secrets"}}]


@mutant("SCY-09", "the Secret as a volume", part="frontend")
def secret_volume(draft: Draft) -> None:
    for body in draft.specs():
        body["volumes"] = [{"name": "s", "secret": {"secretName": "todo-chatbot-secrets"}}]


fields("SCY-09", Draft.specs, "automountServiceAccountToken", {"a token": True, "a token by default": REMOVE})
