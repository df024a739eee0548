"""Mutants of persistence, state, and what pods may do."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from mutants.draft import REMOVE, Alter, Body, Draft, Where, put
from mutants.snapshots.registry import field, fields, for_component, mutable, mutant, of_backend, volume, with_object

main, spec = of_backend(Draft.main_containers), of_backend(Draft.pod_specs)
for kind in ("PersistentVolume", "PersistentVolumeClaim"):
    mutant("PER-02", kind)(with_object({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}))
PERSISTENT: dict[str, Body] = {
    "hostPath": {"hostPath": {"path": "/"}},
    "a claim": {"persistentVolumeClaim": {"claimName": "x"}},
    "an ephemeral claim": {"ephemeral": {}},
}
for clause, source in PERSISTENT.items():
    field("PER-02", clause, spec, "volumes", volume("more", source))
mutant("PER-02", "a claim's template")(
    lambda draft: draft.add_objects(
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
    Draft.pod_specs,
    "affinity",
    {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]}},
)
CONTEXT = "securityContext"


def user(pod: Any, container: Any, where: Where = Draft.containers) -> Alter:
    """Return an alteration that sets (runAsUser, runAsNonRoot) of pods and of containers; None removes a field."""

    def alter(draft: Draft) -> None:
        for body, values in [(b, pod) for b in draft.pod_specs()] + [(b, container) for b in where(draft)]:
            for key, value in zip(("runAsUser", "runAsNonRoot"), values, strict=True):
                put(body, f"{CONTEXT}.{key}", REMOVE if value is None else value)

    return alter


for clause, pod_values, container_values in (
    ("root", (0, False), (None, None)),
    ("not set", (None, None), (None, None)),
    ("another user", (1001, True), (None, None)),
    ("a container as root", (1000, True), (0, False)),
):
    mutant("SCY-01", clause, "static", "live")(user(pod_values, container_values))


@mutant("SCY-01", "an init container as root", "static", "live", component="backend")
def _root_init(draft: Draft) -> None:
    for body in draft.init_containers():
        put(body, f"{CONTEXT}.runAsUser", 0)


mutant("SCY-01", "a process as root", "live")(lambda draft: draft.change_facts(lambda fact: replace(fact, uid=0)))
fields(
    "SCY-01",
    Draft.image_config,
    "config.User",
    {"none": "", "root": "root", "0": "0", "another": "1001", "unknown": "nobody"},
    "image",
)


@mutant("SCY-01", "a name that is another user", "image")
def _other_name(draft: Draft) -> None:
    put(draft.image_config()[0], "config.User", "app")
    draft.change_image(passwd="app:x:999:999::/:\n")  # noqa: S106 - the file


@mutant("SCY-01", "runAsNonRoot over an image user that is root", "static")
def _unenforced(draft: Draft) -> None:
    user((None, True), (None, None))(draft)
    draft.change_chart(dockerfiles={str(draft.component_name): "FROM x\nUSER 0\n"})


for clause, text in {"as root": "FROM x\nUSER root\n", "without a user": "FROM python:3.12-slim\n"}.items():

    @mutant("SCY-01", f"a Dockerfile that ends {clause}", "static")
    def _dockerfile_user(draft: Draft, text: str = text) -> None:
        draft.change_chart(dockerfiles={str(draft.component_name): text})


DOCKERFILES = {
    "a user by name": "FROM x\nUSER appuser\n",
    "a user by name, of an argument": "ARG APP=appuser\nFROM x\nARG APP\nUSER ${APP}:1000\n",
    "a user by name, of an earlier stage": "FROM x AS base\nUSER appuser\nFROM y AS build\nFROM base\nCOPY . .\n",
    "another user, by default": "FROM x\nARG ID=1001\nUSER 1000\nUSER ${ID}\n",
}
for clause, dockerfile in DOCKERFILES.items():

    @mutant("SCY-01", f"runAsNonRoot over {clause}", "static")
    def _named_user(draft: Draft, dockerfile: str = dockerfile) -> None:
        user((None, True), (None, None))(draft)
        draft.change_chart(dockerfiles={str(draft.component_name): dockerfile})


@mutant("SCY-01", "runAsNonRoot over an image user by name", "image")
def _named_image_user(draft: Draft) -> None:
    user((None, True), (None, None))(draft)
    put(draft.image_config()[0], "config.User", "appuser")


def of_job(draft: Draft) -> list[Body]:
    """Return the pod spec of a job that is added, with the backend's container."""
    backend = for_component(draft, "backend")
    spec = copy.deepcopy({**backend.pod_specs()[0], "containers": backend.main_containers()[:1]})
    spec.pop("initContainers", None)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "clean-up"},
        "spec": {"template": {"spec": spec}},
    }
    draft.add_objects(copy.deepcopy(job))
    return [mutable(draft.objects()[-1]["spec"]["template"]["spec"])]


def job_containers(draft: Draft) -> list[Body]:
    """Return the container of a job that is added."""
    return [mutable(of_job(draft)[0]["containers"][0])]


for clause, uid in {"root": 0, "another user": 1001}.items():

    @mutant("SCY-01", f"a job as {clause}", "static", component="backend")
    def _job_user(draft: Draft, uid: int = uid) -> None:
        put(of_job(draft)[0], f"{CONTEXT}.runAsUser", uid)


ROOT_FS = f"{CONTEXT}.readOnlyRootFilesystem"
fields("SCY-02", Draft.main_containers, ROOT_FS, {"writable": False, "absent": REMOVE})


@mutant("SCY-02", "a writable init container", component="backend")
def _writable_init(draft: Draft) -> None:
    for body in draft.init_containers():
        put(body, ROOT_FS, False)


@mutant("SCY-02", "a writable job", component="backend")
def _writable_job(draft: Draft) -> None:
    put(job_containers(draft)[0], ROOT_FS, False)


@mutant("SCY-02", "a writable volume of the host")
def _writable_host(draft: Draft) -> None:
    for body in draft.pod_specs():
        body["volumes"] = [{"name": "v", "hostPath": {"path": "/"}}]
    for body in draft.main_containers():
        body["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]


mutant("SCY-02", "mounted writable", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, read_only_root=False))
)
for key in ("hostNetwork", "hostPID", "hostIPC"):
    field("SCY-03", key, Draft.pod_specs, key, True)
RIGHTS: dict[str, dict[str, Any]] = {
    "privileged": {"privileged": True},
    "allowPrivilegeEscalation": {"escalation": True, "escalation absent": REMOVE},
    "capabilities": {
        "not dropped": REMOVE,
        "dropped in part": {"drop": ["NET_RAW"]},
        "added": {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
    },
    "seccompProfile": {"unconfined": {"type": "Unconfined"}},
    "runAsNonRoot": {"root allowed": False},
    "procMount": {"unmasked": "Unmasked"},
    "runAsUser": {"root": 0},
}
for path, values in RIGHTS.items():
    fields("SCY-03", Draft.main_containers, f"{CONTEXT}.{path}", values)


APPARMOR = "container.apparmor.security.beta.kubernetes.io/app"
RESTRICTED_CONTEXT: dict[str, dict[str, Any]] = {
    "appArmorProfile": {"no AppArmor": {"type": "Unconfined"}},
    "seLinuxOptions": {
        "an SELinux type": {"type": "spc_t"},
        "an SELinux user": {"user": "system_u"},
        "an SELinux role": {"role": "system_r"},
    },
    "windowsOptions": {"a host process": {"hostProcess": True}},
}
for path, values in RESTRICTED_CONTEXT.items():
    fields("SCY-03", Draft.main_containers, f"{CONTEXT}.{path}", values)
    fields("SCY-03", Draft.pod_specs, f"{CONTEXT}.{path}", {f"{clause} of the pod": v for clause, v in values.items()})
field(
    "SCY-03", "an unsafe sysctl", Draft.pod_specs, f"{CONTEXT}.sysctls", [{"name": "net.core.somaxconn", "value": "1"}]
)
field("SCY-03", "a volume by NFS", Draft.pod_specs, "volumes", volume("more", {"nfs": {"server": "x", "path": "/"}}))
field("SCY-03", "root at the pod alone", Draft.pod_specs, f"{CONTEXT}.runAsUser", 0)
for handler in ("livenessProbe", "startupProbe"):
    field("SCY-03", f"a host of the {handler}", Draft.main_containers, f"{handler}.httpGet.host", "192.0.2.1")
field(
    "SCY-03", "a host of a hook", Draft.main_containers, "lifecycle.postStart", {"tcpSocket": {"host": "x", "port": 1}}
)
field("SCY-03", "a host's port", Draft.main_containers, "ports", lambda old: [{**old[0], "hostPort": 8000}])


@mutant("SCY-03", "no AppArmor by annotation")
def _no_apparmor(draft: Draft) -> None:
    for body in draft.pod_bodies():
        body.setdefault("metadata", {}).setdefault("annotations", {})[APPARMOR] = "unconfined"


@mutant("SCY-03", "a job that may gain rights", component="backend")
def _escalating_job(draft: Draft) -> None:
    put(job_containers(draft)[0], f"{CONTEXT}.allowPrivilegeEscalation", True)


for kind, path in {"CronJob": "jobTemplate.spec.template", "DaemonSet": "template", "Rollout": "template"}.items():

    @mutant("SCY-03", f"a privileged {kind}", component="backend")
    def _privileged_kind(draft: Draft, kind: str = kind, path: str = path) -> None:
        item: Body = {"kind": kind, "metadata": {"name": "x"}, "spec": {}}
        put(item["spec"], path, {"spec": {"containers": [{"name": "c", CONTEXT: {"privileged": True}}]}})
        draft.add_objects(item)


@mutant("SCY-03", "no seccomp profile")
def _no_seccomp(draft: Draft) -> None:
    for body in (*draft.pod_specs(), *draft.containers()):
        put(body, f"{CONTEXT}.seccompProfile", REMOVE)


@mutant("SCY-03", "a privileged job", component="backend")
def _privileged_job(draft: Draft) -> None:
    template = {"spec": {"containers": [{"name": "j", CONTEXT: {"privileged": True}}]}}
    draft.add_objects(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}
    )
