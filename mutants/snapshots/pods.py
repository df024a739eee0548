"""Mutants of pods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from acceptance.checks.snapshot import BuildContext
from mutants.draft import REMOVE, Body, Draft, put
from mutants.snapshots.registry import field, fields, mutable, mutant, variable, volume, with_object

field("POD-01", "capitals", Draft.running_pods, "metadata.name", "Todo-X", refused=True)
field("POD-01", "64 characters", Draft.running_pods, "metadata.name", "a" * 64)
field("POD-01", "not generated", Draft.running_pods, "metadata.generateName", REMOVE)
field("POD-01", "name of another stem", Draft.running_pods, "metadata.name", "todo-pod")
for kind in ("Deployment", "Service", "ConfigMap", "Secret", "HorizontalPodAutoscaler"):

    @mutant("POD-02", f"a {kind} elsewhere")
    def _elsewhere(draft: Draft, kind: str = kind) -> None:
        next(item for item in draft.objects() if item["kind"] == kind)["metadata"]["namespace"] = "elsewhere"


mutant("POD-02", "a custom object elsewhere")(
    with_object(
        {
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "events", "namespace": "default"},
            "spec": {"type": "pubsub.redis", "version": "v1", "metadata": []},
        }
    )
)
LATE = {"name": "todo-chatbot", "annotations": {"helm.sh/hook": "post-install"}}
mutant("POD-02", "a Namespace made after what is in it", "static")(
    with_object({"apiVersion": "v1", "kind": "Namespace", "metadata": LATE})
)
mutant("POD-02", "no namespace", "live")(lambda draft: draft.change_cluster(namespaces=()))


@mutant("POD-02", "namespace younger than its pods", "live")
def _young_namespace(draft: Draft) -> None:
    for item in draft.cluster.namespaces:
        put(mutable(item), "metadata.creationTimestamp", "2026-01-02T03:00:01Z")


fields(
    "POD-03",
    Draft.running_pods,
    "status.phase",
    {"Pending": "Pending", "Failed": "Failed", "odd": "Odd", "none": REMOVE},
)


def containers(count: int) -> Any:
    """Return a value for `field`: the first container `count` times."""
    return lambda old: [{**old[0], "name": f"c{i}"} for i in range(count)]


field("POD-04", "no container", Draft.pod_specs, "containers", [], refused=True)
field("POD-04", "6 containers", Draft.pod_specs, "containers", containers(6))
field(
    "POD-04",
    "5 containers and an init one",
    Draft.pod_specs,
    "initContainers",
    [{"name": f"i{i}"} for i in range(5)],
)
fields("POD-05", Draft.pod_specs, "restartPolicy", {"OnFailure": "OnFailure", "Never": "Never"}, refused=False)
field("POD-05", "a container never restarted", Draft.main_containers, "restartPolicy", "Never")
for resource in ("cpu", "memory"):
    for who, where in {"main": Draft.main_containers, "every": Draft.containers}.items():
        field("POD-06", f"{who} without {resource} limit", where, f"resources.limits.{resource}", REMOVE)
        field(
            "POD-07", f"{who} {resource} over its limit", where, f"resources.requests.{resource}", "900G", refused=True
        )
    field("POD-06", f"no {resource} at all", Draft.main_containers, "resources", REMOVE)
    field("POD-06", f"{resource} limit 0", Draft.main_containers, f"resources.limits.{resource}", "0")
    field(
        "POD-06",
        f"{resource} limit unreadable",
        Draft.main_containers,
        f"resources.limits.{resource}",
        "much",
        "static",
    )
    field("POD-06", f"{resource} request 0", Draft.main_containers, f"resources.requests.{resource}", "0")
for clause, resource, amount in (
    ("memory in thousandths", "memory", "512m"),
    ("memory in bytes for Mi", "memory", "512"),
    ("memory of 2Mi", "memory", "2Mi"),
    ("memory of 512Ti", "memory", "512Ti"),
    ("CPU with a unit of memory", "cpu", "500Mi"),
    ("CPU without m", "cpu", "500"),
):
    field("POD-06", clause, Draft.main_containers, f"resources.limits.{resource}", amount)
    field("POD-06", f"{clause}, of the request", Draft.main_containers, f"resources.requests.{resource}", amount)
field(
    "POD-07",
    "0.6 over 500m",
    Draft.main_containers,
    "resources",
    {"requests": {"cpu": "0.6"}, "limits": {"cpu": "500m"}},
    refused=True,
)
field(
    "POD-07",
    "513Mi over 536870912",
    Draft.main_containers,
    "resources",
    {"requests": {"memory": "513Mi"}, "limits": {"memory": "536870912"}},
    refused=True,
)


@mutant("POD-06", "init container without resources", component="backend")
def _bare_init(draft: Draft) -> None:
    for body in draft.init_containers():
        body.pop("resources")


@mutant("POD-07", "init container over its limit", component="backend", refused=True)
def _greedy_init(draft: Draft) -> None:
    for body in draft.init_containers():
        put(body, "resources.requests.cpu", "9")


for rule, probes in {"POD-08": ("livenessProbe", "readinessProbe"), "POD-09": ("startupProbe",)}.items():
    for probe in probes:
        field(rule, f"no {probe}", Draft.main_containers, probe, REMOVE)
        field(rule, f"{probe} by exec", Draft.main_containers, probe, {"exec": {"command": ["true"]}})
        field(rule, f"{probe} by TCP", Draft.main_containers, probe, {"tcpSocket": {"port": 8000}})
        field(rule, f"{probe} elsewhere", Draft.main_containers, f"{probe}.httpGet.path", "/other")
        field(rule, f"{probe} on another port", Draft.main_containers, f"{probe}.httpGet.port", 9999)
        field(rule, f"{probe} on an unknown name", Draft.main_containers, f"{probe}.httpGet.port", "metrics")
        field(rule, f"{probe} of another host", Draft.main_containers, f"{probe}.httpGet.host", "example.com")
        field(rule, f"{probe} over TLS", Draft.main_containers, f"{probe}.httpGet.scheme", "HTTPS")
    mutant(rule, "on a declared port where nobody listens", "live")(
        lambda draft: draft.change_facts(lambda fact: replace(fact, listening=frozenset({1})))
    )


VOLUMES: dict[str, Body] = {
    "hostPath": {"hostPath": {"path": "/"}},
    "a claim": {"persistentVolumeClaim": {"claimName": "x"}},
    "NFS": {"nfs": {"server": "x", "path": "/"}},
    "the downward API in a projected volume": {
        "projected": {"sources": [{"configMap": {"name": "x"}}, {"downwardAPI": {"items": []}}]}
    },
}
for clause, source in VOLUMES.items():
    field("POD-13", clause, Draft.pod_specs, "volumes", volume("more", source))
field("POD-13", "11 volumes", Draft.pod_specs, "volumes", [{"name": f"v{i}", "emptyDir": {}} for i in range(11)])
field("POD-14", "no node", Draft.running_pods, "spec.nodeName", REMOVE)
field("POD-14", "unknown node", Draft.running_pods, "spec.nodeName", "elsewhere")
field("POD-14", "not scheduled", Draft.running_pods, "status.conditions", [{"type": "PodScheduled", "status": "False"}])
field("POD-14", "a node by the template", Draft.deployment, "spec.template.spec.nodeName", "node-1")
field("POD-15", "absent", Draft.running_pods, "status.startTime", REMOVE)
fields("POD-15", Draft.running_pods, "status.startTime", {"not a time": "today", "a date": "2026-01-02"}, refused=True)
fields("POD-16", Draft.main_containers, "ports", {"none": REMOVE, "another": [{"containerPort": 9999}]})
field("POD-16", "over UDP", Draft.main_containers, "ports", lambda old: [{**old[0], "protocol": "UDP"}])
mutant("POD-16", "nobody listens", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, listening=frozenset({1})))
)
mutant("POD-16", "only on the loopback address", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, listening=frozenset(), loopback=fact.listening))
)
for clause, command in {
    "uvicorn on localhost": ["uvicorn", "app:app", "--host", "127.0.0.1", "--port", "8000"],
    "gunicorn on localhost": ["sh", "-c", "gunicorn --bind=localhost:8000 app:app"],
    "next on localhost": ["next", "start", "-H", "127.0.0.1"],
}.items():
    field("POD-16", clause, Draft.main_containers, "command", command, "static")
for name, value in {"HOST": "127.0.0.1", "HOSTNAME": "localhost", "GUNICORN_CMD_ARGS": "-b 127.0.0.1:8000"}.items():
    field("POD-16", f"{name} is {value}", Draft.main_containers, "env", variable(name, value=value), "static")
for resource, less, other in (("cpu", "100m", "750m"), ("memory", "128Mi", "1Gi")):
    field(
        "POD-18", f"{resource} request below its limit", Draft.main_containers, f"resources.requests.{resource}", less
    )

    @mutant("POD-18", f"another {resource} than stated")
    def _other_figure(draft: Draft, resource: str = resource, other: str = other) -> None:
        for body in draft.main_containers():
            put(body, f"resources.requests.{resource}", other)
            put(body, f"resources.limits.{resource}", other)


# Where servers are told to listen.
for clause, argv in {
    "another port": ["uvicorn", "app:app", "--host=0.0.0.0", "--port", "9000"],
    "another port in a script": ["sh", "-c", "exec gunicorn -k uvicorn.workers.UvicornWorker -b 0.0.0.0:${P:-9000} a"],
    "loopback": ["python", "-m", "uvicorn", "app:app", "--host=127.0.0.1", "--port=8000"],
    "loopback by default": ["poetry", "run", "uvicorn", "app:app"],
}.items():

    @mutant("POD-16", f"told to listen on {clause}", "static", component="backend")
    def _told_to_listen(draft: Draft, argv: list[str] = argv) -> None:
        for body in draft.main_containers():
            body["command"] = argv


@mutant("POD-16", "the image's nginx listens on another port", "static", component="frontend")
def _listens_elsewhere(draft: Draft) -> None:
    files = {"nginx.conf": "server { listen 9000; listen [::]:9000; }"}
    draft.change_chart(
        dockerfiles={**draft.chart.dockerfiles, "frontend": "FROM nginx\nCOPY nginx.conf /etc/nginx/conf.d/\n"},
        build_contexts={"frontend": BuildContext(nginx=files)},
    )
