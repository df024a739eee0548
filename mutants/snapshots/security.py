"""Mutants of persistence, state and security."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mutants.draft import REMOVE, Alter, Body, Draft, Where, put
from mutants.snapshots.registry import encoded, field, fields, for_component, mutant, of_backend, volume, with_object

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


ROOT_FS = f"{CONTEXT}.readOnlyRootFilesystem"
fields("SCY-02", Draft.main_containers, ROOT_FS, {"writable": False, "absent": REMOVE})


@mutant("SCY-02", "a writable init container", component="backend")
def _writable_init(draft: Draft) -> None:
    for body in draft.init_containers():
        put(body, ROOT_FS, False)


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


def first_service(draft: Draft) -> list[Body]:
    """Return the first Service of the release."""
    return [item for item in draft.objects() if item["kind"] == "Service"][:1]


fields("SCY-05", first_service, "spec.type", {"NodePort": "NodePort", "LoadBalancer": "LoadBalancer"})
field("SCY-05", "externalIPs", first_service, "spec.externalIPs", ["192.0.2.1"])
field("SCY-05", "a node port", first_service, "spec.ports", lambda old: [{**old[0], "nodePort": 30000}])
for kind in ("Ingress", "Gateway", "HTTPRoute"):
    mutant("SCY-05", kind)(with_object({"kind": kind, "metadata": {"name": "x"}}))
field("SCY-05", "hostPort", main, "ports", lambda old: [{**old[0], "hostPort": 8000}])
field("SCY-05", "hostNetwork", spec, "hostNetwork", True)
field("SCY-06", "NodePort", Draft.service, "spec.type", "NodePort", "static")
ROUTE = {"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "todo-backend-service"}}}]}}]}}
mutant("SCY-06", "an Ingress to it", "static")(
    lambda draft: draft.add_objects({"kind": "Ingress", "metadata": {"name": "x"}, **ROUTE})
)
field("SCY-06", "not by its name", Draft.config_map, "data.BACKEND_URL", "http://localhost:8000", "static")


@mutant("SCY-06", "by localhost too", "static")
def _by_localhost(draft: Draft) -> None:
    for body in for_component(draft, "frontend").main_containers():
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
    def _in_template(draft: Draft, text: str = text) -> None:
        draft.change_chart(templates={**draft.chart.templates, "templates/x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in the values", "static")
    def _in_values(draft: Draft, text: str = text) -> None:
        draft.change_chart(values_files={**draft.chart.values_files, "values-x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in a Dockerfile", "static")
    def _in_dockerfile(draft: Draft, text: str = text) -> None:
        draft.change_chart(dockerfiles={"backend": f"FROM x\nENV A={text}\n"})


@mutant("SCY-08", "a default for a secret", "static")
def _shipped_default(draft: Draft) -> None:
    draft.change_chart(values_files={"values.yaml": "secrets: {betterAuthSecret: changeme}\n"})


field("SCY-08", "in the ConfigMap", Draft.config_map, "data.KEY", LEAK, "static", "live")


@mutant("SCY-08", "an injected secret in the ConfigMap", "static", "live")
def _own_in_config(draft: Draft) -> None:
    draft.config_map()[0]["data"]["KEY"] = f"x {draft.snapshot.injected_values['BETTER_AUTH_SECRET']}"


@mutant("SCY-08", "an injected secret in an annotation", "static", "live")
def _own_in_annotation(draft: Draft) -> None:
    put(draft.config_map()[0], "metadata.annotations.a", encoded(draft.snapshot.injected_values["BETTER_AUTH_SECRET"]))


@mutant("SCY-08", "in a log", "live")
def _in_log(draft: Draft) -> None:
    draft.change_cluster(logs={"x": f"connecting to {draft.snapshot.injected_values['DATABASE_URL']}"})


def with_backend_image(draft: Draft, fields: dict[str, Any]) -> None:
    """Replace fields of the backend's image."""
    image = draft.snapshot.images["backend"]
    config = {**image.config, **fields.pop("config", {})}
    draft.change(images={**draft.snapshot.images, "backend": replace(image, config=config, **fields)})


mutant("SCY-08", "in the environment", "image")(
    lambda draft: with_backend_image(draft, {"config": {"config": {"User": "1000", "Env": [f"OPENAI_API_KEY={LEAK}"]}}})
)
mutant("SCY-08", "in the history", "image")(
    lambda draft: with_backend_image(draft, {"config": {"history": [{"created_by": f"ARG K={LEAK}"}]}})
)
mutant("SCY-08", "in a layer", "image")(
    lambda draft: with_backend_image(draft, {"credentials": ("/app/.env: an OpenAI key",)})
)


@mutant("SCY-09", "a key too many")
def _key_too_many(draft: Draft) -> None:
    draft.retarget(secret_keys=("DATABASE_URL",))


@mutant("SCY-09", "the model's key in the frontend", component="frontend")
def _model_key(draft: Draft) -> None:
    for body in draft.main_containers():
        body["env"].append(
            {"name": "K", "valueFrom": {"secretKeyRef": {"name": "todo-chatbot-secrets", "key": "OPENAI_API_KEY"}}}
        )


@mutant("SCY-09", "the whole Secret", component="frontend")
def _whole_secret(draft: Draft) -> None:
    for body in draft.main_containers():
        body["envFrom"] = [{"secretRef": {"name": "todo-chatbot-secrets"}}]


@mutant("SCY-09", "the Secret as a volume", component="frontend")
def _secret_volume(draft: Draft) -> None:
    for body in draft.pod_specs():
        body["volumes"] = [{"name": "s", "secret": {"secretName": "todo-chatbot-secrets"}}]


fields("SCY-09", Draft.pod_specs, "automountServiceAccountToken", {"a token": True, "a token by default": REMOVE})
