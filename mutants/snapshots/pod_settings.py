"""Mutants of how pods start and stop, and of their settings."""

from __future__ import annotations

from typing import Any

from mutants.draft import Body, Draft
from mutants.snapshots.registry import field, fields, mutant, variable, volume, with_object

field("POD-21", "no grace period", Draft.pod_specs, "terminationGracePeriodSeconds", 0)
field("POD-21", "grace period as long as preStop", Draft.pod_specs, "terminationGracePeriodSeconds", 3)
field("POD-21", "drained beyond it", Draft.pod_specs, "terminationGracePeriodSeconds", 7, "static")
HOOK = "lifecycle.preStop"
fields(
    "POD-21",
    Draft.main_containers,
    HOOK,
    {
        "preStop of 30 s": {"sleep": {"seconds": 30}},
        "preStop of 45 s in a shell": {"exec": {"command": ["sh", "-c", "nginx -s quit; sleep 45"]}},
        "preStop of 1m": {"exec": {"command": ["/bin/sleep", "1m"]}},
    },
)


def timings(delay: int = 0, period: int = 10, threshold: int = 3) -> Any:
    """Return a value for `field`: the probe with other timings."""
    timed = {"initialDelaySeconds": delay, "periodSeconds": period, "failureThreshold": threshold}
    return lambda old: {**old, **timed}


field("POD-22", "3 s to start", Draft.main_containers, "startupProbe", timings(period=1, threshold=3))
field("POD-22", "one failure kills", Draft.main_containers, "livenessProbe", timings(period=60, threshold=1))
field("POD-22", "restarted before it is unready", Draft.main_containers, "livenessProbe", timings(period=2))
field("POD-22", "hung for 10 minutes", Draft.main_containers, "livenessProbe", timings(period=60, threshold=10))
field("POD-22", "unready after 2 minutes", Draft.main_containers, "readinessProbe", timings(period=30, threshold=4))
field("POD-22", "first asked after a minute", Draft.main_containers, "readinessProbe", timings(delay=60))
HASTY = {"failureThreshold": 1, "timeoutSeconds": 1}
field("POD-22", "unready by one slow answer", Draft.main_containers, "readinessProbe", lambda old: {**old, **HASTY})
PATIENT = {"failureThreshold": 1, "timeoutSeconds": 5}
field("POD-22", "unready by one late answer", Draft.main_containers, "readinessProbe", lambda old: {**old, **PATIENT})
for clause, probe, timeout in (
    ("restarted before it is unready, when it hangs", "readinessProbe", 15),
    ("hung for 10 minutes, with long timeouts", "livenessProbe", 200),
):
    slow = {"timeoutSeconds": timeout}
    field("POD-22", clause, Draft.main_containers, probe, lambda old, slow=slow: {**old, **slow})
field("POD-22", "twelve successes", Draft.main_containers, "readinessProbe.successThreshold", 12)


@mutant("POD-22", "killed while it starts, without a startup probe")
def _no_startup(draft: Draft) -> None:
    for body in draft.main_containers():
        body.pop("startupProbe")
        body["livenessProbe"] |= {"periodSeconds": 1, "failureThreshold": 5, "initialDelaySeconds": 1}
        body["readinessProbe"] |= {"periodSeconds": 1, "failureThreshold": 2}


def job(**spec: Any) -> Body:
    """Return a Job of one sound container, changed."""
    amounts = {"cpu": "100m", "memory": "64Mi"}
    container = {"name": "report", "image": "report:1", "resources": {"requests": amounts, "limits": amounts}}
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [container], **spec}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report"}, "spec": {"template": template}}


JOBS: dict[str, Body] = {
    "a job without resources": {"containers": [{"name": "report", "image": "report:1"}]},
    "a job always restarted": {"restartPolicy": "Always"},
    "a job on a hostPath": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    "a job of no container": {"containers": []},
}
for clause, changed in JOBS.items():
    mutant("POD-23", clause)(with_object(job(**changed)))


@mutant("POD-23", "a test of no image")
def _test_of_no_image(draft: Draft) -> None:
    for item in draft.objects():
        if item["kind"] == "Pod":
            item["spec"]["containers"][0]["image"] = ""


for clause, name, value in (
    ("a bare pod", "helm.sh/hook", None),
    ("an unknown event of a hook", "helm.sh/hook", "tests"),
    ("an unknown policy of a hook", "helm.sh/hook-delete-policy", "hook-success"),
):

    @mutant("POD-23", clause)
    def _hook(draft: Draft, name: str = name, value: str | None = value) -> None:
        for item in draft.objects():
            if item["kind"] == "Pod":
                item["metadata"]["annotations"] = {**item["metadata"]["annotations"], name: value}


@mutant("POD-23", "a hook that is started again and again")
def _restarted(draft: Draft) -> None:
    for item in draft.objects():
        if item["kind"] == "Pod":
            item["spec"]["restartPolicy"] = "Always"


field("POD-24", "a fixed node", Draft.pod_specs, "nodeName", "node-1", "static")
field("POD-24", "another scheduler", Draft.pod_specs, "schedulerName", "volcano")
field("POD-24", "a gate that nothing opens", Draft.pod_specs, "readinessGates", [{"conditionType": "x.y/z"}], "static")
field("POD-24", "held back from scheduling", Draft.pod_specs, "schedulingGates", [{"name": "x.y/z"}], "static")
field("POD-24", "another system", Draft.pod_specs, "os", {"name": "windows"})
field("POD-24", "every taint", Draft.pod_specs, "tolerations", [{"operator": "Exists"}])
field("POD-24", "a deadline", Draft.pod_specs, "activeDeadlineSeconds", 3600)
ALIAS = [{"ip": "10.0.0.1", "hostnames": ["todo-backend-service"]}]
field("POD-24", "a Service's name for an address", Draft.pod_specs, "hostAliases", ALIAS)


@mutant("POD-24", "a public name server")
def _public_dns(draft: Draft) -> None:
    for spec in draft.pod_specs():
        spec |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["8.8.8.8"]}}


@mutant("POD-24", "the node's DNS", component="frontend")
def _node_dns(draft: Draft) -> None:
    for spec in draft.pod_specs():
        spec["dnsPolicy"] = "Default"


def mounted(path: str, **mount: Any) -> Any:
    """Return a value for `field`: `volumeMounts` with the volume `tmp` at another path too."""
    return lambda old: [*old, {"name": "tmp", "mountPath": path, **mount}]


for clause, path in {"the application": "/app", "its packages": "/app/node_modules", "the system": "/usr"}.items():
    field("POD-25", f"a volume over {clause}", Draft.main_containers, "volumeMounts", mounted(path))
READ_ONLY = [{"name": "tmp", "mountPath": "/tmp", "readOnly": True}]  # noqa: S108 - a mount's path
for clause, limit in {"of 0.064 bytes": "64m", "of 64 bytes": "64"}.items():
    field(
        "POD-25",
        f"a size limit {clause}",
        Draft.pod_specs,
        "volumes",
        [{"name": "tmp", "emptyDir": {"sizeLimit": limit}}],
    )
IN_MEMORY = [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]
OF_ROOT = [{"name": "tmp", "secret": {"secretName": "todo-chatbot-secrets", "defaultMode": 0o400}}]
field("POD-25", "files that only root may read", Draft.pod_specs, "volumes", OF_ROOT)
field("POD-25", "more memory than the limit", Draft.pod_specs, "volumes", IN_MEMORY)


@mutant("POD-25", "an emptyDir that nobody may write to")
def _read_only(draft: Draft) -> None:
    for body in draft.containers():
        body["volumeMounts"] = READ_ONLY


@mutant("POD-25", "no /tmp, though an init container has one")
def _no_temporary_files(draft: Draft) -> None:
    for spec in draft.pod_specs():
        main = spec["containers"][0]
        mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a mount's path
        spec["initContainers"] = [{**main, "name": "prepare", "command": ["true"], "volumeMounts": mounts}]
        main["volumeMounts"] = []


@mutant("POD-25", "a file of the settings that is not there")
def _absent_file(draft: Draft) -> None:
    for item in draft.config_map():
        item["data"]["LOG_CONFIG"] = "/etc/settings/logging.yaml"
    for spec in draft.pod_specs():
        spec["volumes"] = volume("settings", {"configMap": {"name": "todo-chatbot-config"}})(spec["volumes"])
    for body in draft.main_containers():
        body["envFrom"] = [{"configMapRef": {"name": "todo-chatbot-config"}}]
        body["volumeMounts"].append({"name": "settings", "mountPath": "/etc/settings"})


@mutant("POD-25", "a certificate that only a sidecar mounts")
def _not_mounted(draft: Draft) -> None:
    for spec in draft.pod_specs():
        mount = {"name": "ca", "mountPath": "/etc/ca"}
        spec["volumes"] = volume("ca", {"configMap": {"name": "todo-chatbot-config"}})(spec["volumes"])
        spec["containers"].append({"name": "proxy", "image": "proxy:1", "volumeMounts": [mount]})
    for body in draft.main_containers():
        body["env"] = variable("PGSSLROOTCERT", value="/etc/ca/ca.crt")(body["env"])
