"""Mutants of references between objects, and of the order in which hooks create them."""

from __future__ import annotations

from typing import Any

from mutants.draft import Alter, Body, Draft
from mutants.snapshots.registry import field, for_component, mutant, of_backend, with_object

main, spec = of_backend(Draft.main_containers), of_backend(Draft.pod_specs)
CONFIG = {"name": "settings", "configMap": {"name": "todo-chatbot-config"}}


def item(kind: str, api: str = "v1", **fields: Any) -> Body:
    """Return an object of the release's namespace."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "more", "namespace": "todo-chatbot"}, **fields}


def hook(event: str, weight: int = 0, deleted: str = "before-hook-creation") -> Body:
    """Return the annotations of a hook."""
    return {"helm.sh/hook": event, "helm.sh/hook-weight": str(weight), "helm.sh/hook-delete-policy": deleted}


for clause, name in {"priority class": "priorityClassName", "runtime class": "runtimeClassName"}.items():
    field("REL-05", f"no such {clause}", spec, name, "absent", "static")


EXTERNAL = {"target": {"name": "made"}, "data": [{"secretKey": "SOMETHING_ELSE", "remoteRef": {"key": "todo"}}]}
MAKERS = {
    "an ExternalSecret": item("ExternalSecret", "external-secrets.io/v1", spec=EXTERNAL),
    "a SealedSecret": item(
        "SealedSecret",
        "bitnami.com/v1alpha1",
        spec={"encryptedData": {"SOMETHING_ELSE": "AgB"}, "template": {"metadata": {"name": "made"}}},
    ),
}
for clause, maker in MAKERS.items():

    @mutant("REL-05", f"a key that {clause} does not make", "static")
    def _key_not_made(draft: Draft, maker: Body = maker) -> None:
        with_object(maker)(draft)
        used = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "made", "key": "KEY"}}}
        for body in main(draft):
            body["env"] = [*body.get("env", []), used]


@mutant("REL-05", "no such key as a file")
def _sub_path(draft: Draft) -> None:
    for body in spec(draft):
        body["volumes"] = [*body["volumes"], CONFIG]
    for body in main(draft):
        body["volumeMounts"] = [*body["volumeMounts"], {"name": "settings", "mountPath": "/a", "subPath": "absent.ini"}]


BACKENDS: dict[str, Body] = {
    "Service": {"name": "absent", "port": {"number": 3000}},
    "port": {"name": "todo-frontend-service", "port": {"number": 80}},
    "named port": {"name": "todo-frontend-service", "port": {"name": "absent"}},
}
for clause, service in BACKENDS.items():
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]}}
    ingress = item("Ingress", "networking.k8s.io/v1", spec={"rules": [rule]})
    mutant("REL-05", f"an Ingress of no such {clause}")(with_object(ingress))
ACCOUNT = {"kind": "ServiceAccount", "name": "absent", "namespace": "todo-chatbot"}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "absent"}
RBAC = "rbac.authorization.k8s.io/v1"
mutant("REL-05", "no such role")(with_object(item("RoleBinding", RBAC, roleRef=ROLE, subjects=[])))
mutant("REL-05", "no such subject")(
    with_object(item("ClusterRoleBinding", RBAC, roleRef={"kind": "ClusterRole", "name": "view"}, subjects=[ACCOUNT]))
)
mutant("REL-05", "no such storage class", "static")(
    with_object(item("PersistentVolumeClaim", spec={"storageClassName": "fast"}))
)


def hooked(kind: str, annotations: Body) -> Alter:
    """Return an alteration that makes the release's object of a kind a hook."""

    def alter(draft: Draft) -> None:
        for each in draft.objects():
            if each["kind"] == kind:
                each["metadata"]["annotations"] = annotations

    return alter


mutant("REL-05", "a Secret that is created only after the pods")(hooked("Secret", hook("post-install")))
mutant("REL-05", "a ConfigMap that is created only by an upgrade")(hooked("ConfigMap", hook("pre-upgrade")))
mutant("REL-05", "a Secret that is deleted before the pods start")(
    hooked("Secret", hook("pre-install", deleted="hook-succeeded"))
)


def migration(annotations: Body) -> Body:
    """Return a hook that migrates the database."""
    container = {
        "name": "migrate",
        "image": "todo-backend:1",
        "envFrom": [{"secretRef": {"name": "todo-chatbot-secrets"}}],
    }
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    job = item("Job", "batch/v1", spec={"template": template})
    job["metadata"]["annotations"] = annotations
    return job


mutant("REL-05", "a hook before its Secret")(with_object(migration(hook("pre-install,pre-upgrade"))))


@mutant("REL-05", "a hook of less weight than its Secret")
def _too_early(draft: Draft) -> None:
    hooked("Secret", hook("pre-install,pre-upgrade", weight=1))(draft)
    draft.add_objects(migration(hook("pre-install,pre-upgrade")))


@mutant("REL-05", "a key that a Secret from before the release lacks")
def _lacks_a_key(draft: Draft) -> None:
    (secret,) = draft.secret()
    del secret["data"]["DATABASE_URL"]
    draft.change(objects=tuple(each for each in draft.snapshot.objects if each is not secret), existing=(secret,))


@mutant("REL-05", "a probe of a port that nobody declares")
def _undeclared_port(draft: Draft) -> None:
    for body in for_component(draft, "frontend").main_containers():
        body["readinessProbe"]["httpGet"]["port"] = 9999
