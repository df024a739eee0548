"""Rules of security that can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.relationships import names_backend
from acceptance.core.fields import at, format_value, list_at, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.secret_scan import credential_kinds, leaked_secrets, strings
from acceptance.core.urls import URL, split
from acceptance.kube.pod_templates import Container, Pod
from acceptance.kube.secrets import decoded

UID = 1000
EXPOSING = (
    "Ingress",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "UDPRoute",
    "Route",
    "IngressRoute",
    "VirtualService",
)


def workload_pods(subject: ComponentView) -> list[Pod]:
    """The component's pods, and for the first component also those of templates that belong to none."""
    first = next(iter(subject.target.components), None)
    return subject.pods + (subject.extra_workloads() if subject.component_name == first else [])


def security(pod: Pod, container: Container, field: str) -> object:
    """A security setting that holds for a container: its own, else the pod's."""
    own = at(container.body, f"securityContext.{field}")
    return at(pod.spec, f"securityContext.{field}") if own is None else own


def final_user(dockerfile: str) -> str | None:
    """The user that a Dockerfile's last stage ends with, or None where it sets none."""
    stage = re.split(r"^FROM\b", dockerfile, flags=re.M | re.I)[-1]
    users = re.findall(r"^USER\s+(\S+)", stage, flags=re.M | re.I)
    return users[-1] if users else None


def image_user_is_right(subject: ComponentView) -> bool | None:
    """Whether the part's image is known to run as 1000; None where nothing tells."""
    dockerfile = (
        subject.snapshot.chart.dockerfiles.get(subject.component_name or "") if subject.snapshot.chart else None
    )
    if (image := subject.snapshot.images.get(subject.component_name or "")) is not None:
        return user_id(text_at(image.config, "config.User"), image.passwd) == UID
    if dockerfile is None or (user := final_user(dockerfile)) is None:
        return None
    return user.partition(":")[0] == str(UID) if user[:1].isdigit() else None


@check("SCY-01", "static", "live")
def runs_as_1000(subject: ComponentView) -> Iterator[Violation]:
    unknown = False
    for pod in subject.pods:
        own = {container.field for container in subject.own_images(pod)}
        for container in pod.containers():
            field = f"{container.field}.securityContext"
            user = security(pod, container, "runAsUser")
            if user == UID:
                continue
            right = image_user_is_right(subject) if container.field in own else None
            enforced = security(pod, container, "runAsNonRoot") is True
            if user is None and enforced and right is not False:
                unknown = unknown or right is None
                continue
            found = (
                format_value(user)
                if user is not None
                else f"runAsNonRoot {format_value(enforced or None)}, no runAsUser"
            )
            wanted = f"runAsUser {UID}, or runAsNonRoot over an image user {UID}"
            yield Violation(pod.object, field, wanted, found)
    if unknown:
        raise Untested("runAsNonRoot is set without runAsUser, and no Dockerfile or image tells the image's user")


@check("SCY-01", "live")
def processes_are_1000(subject: ComponentView) -> Iterator[Violation]:
    facts = subject.cluster.facts
    if facts is None:
        raise Untested("the users of processes are read on the node, which this cluster does not allow")
    for pod in subject.pods:
        for container in pod.containers():
            process = facts.get((pod.name, container.name))
            if process is not None and process.uid != UID:
                yield Violation(pod.object, container.field, f"a process of UID {UID}", str(process.uid))


def user_id(user: str, passwd: str) -> int | None:
    """The UID that an image's user is: a number, or a name in its /etc/passwd; None where it is neither."""
    name = user.partition(":")[0]
    if name.isdecimal():
        return int(name)
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
            return int(fields[2])
    return None


@check("SCY-01", "image")
def image_user(subject: ComponentView) -> Iterator[Violation]:
    image = subject.image
    user = text_at(image.config, "config.User")
    if user_id(user, image.passwd) != UID:
        yield Violation(
            image.reference, "config.User", f"{UID}, or a name of it in /etc/passwd", format_value(user or None)
        )


@check("SCY-02")
def root_is_read_only(subject: ComponentView) -> Iterator[Violation]:
    facts = subject.snapshot.cluster.facts if subject.snapshot.cluster else None
    for pod in subject.pods:
        volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
        for container in pod.containers():
            found = at(container.body, "securityContext.readOnlyRootFilesystem")
            if found is not True:
                field = f"{container.field}.securityContext.readOnlyRootFilesystem"
                yield Violation(pod.object, field, "true", format_value(found))
            for mount in mappings_at(container.body, "volumeMounts"):
                volume = volumes.get(text_at(mount, "name"), {})
                lasting = [
                    k
                    for k in volume
                    if k not in ("name", "emptyDir", "configMap", "secret", "projected", "downwardAPI")
                ]
                if lasting and at(mount, "readOnly") is not True:
                    field = f"{container.field}.volumeMounts[{text_at(mount, 'mountPath')}]"
                    yield Violation(pod.object, field, "an emptyDir, where it is writable", ", ".join(lasting))
            process = facts.get((pod.name, container.name)) if facts else None
            if process is not None and not process.read_only_root:
                yield Violation(pod.object, f"{container.field} mount of /", "read-only", "writable")


@check("SCY-03")
def nothing_of_the_host(subject: ComponentView) -> Iterator[Violation]:
    for pod in workload_pods(subject):
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if at(pod.spec, field) not in (None, False):
                yield Violation(
                    pod.object, pod.path(f"spec.{field}"), "false or absent", format_value(at(pod.spec, field))
                )
        for container in pod.containers():
            if at(container.body, "securityContext.privileged") not in (None, False):
                field = f"{container.field}.securityContext.privileged"
                yield Violation(
                    pod.object, field, "false or absent", format_value(at(container.body, "securityContext.privileged"))
                )


@check("SCY-03")
def admitted_under_restricted(subject: ComponentView) -> Iterator[Violation]:
    """The rest of Pod Security's `restricted` that no other rule has."""
    for pod in workload_pods(subject):
        for container in pod.containers():
            field = f"{container.field}.securityContext"

            def broken(name: str, wanted: str, found: object, pod: Pod = pod, field: str = field) -> Violation:
                return Violation(pod.object, f"{field}.{name}", wanted, format_value(found), derived=True)

            own = mapping_at(container.body, "securityContext")
            if own.get("allowPrivilegeEscalation") is not False:
                yield broken("allowPrivilegeEscalation", "false", own.get("allowPrivilegeEscalation"))
            dropped, added = list_at(own, "capabilities.drop"), list_at(own, "capabilities.add")
            if "ALL" not in dropped:
                yield broken("capabilities.drop", "ALL", dropped or None)
            if extra := [name for name in added if name != "NET_BIND_SERVICE"]:
                yield broken("capabilities.add", "nothing but NET_BIND_SERVICE", extra)
            profile = security(pod, container, "seccompProfile.type")
            if profile not in ("RuntimeDefault", "Localhost"):
                yield broken("seccompProfile.type", "RuntimeDefault", profile)
            if security(pod, container, "runAsNonRoot") is not True:
                yield broken("runAsNonRoot", "true", security(pod, container, "runAsNonRoot"))
            if security(pod, container, "runAsUser") == 0:
                yield broken("runAsUser", "not 0", 0)
            if own.get("procMount") not in (None, "Default"):
                yield broken("procMount", "Default", own.get("procMount"))


@check("SCY-05")
def nothing_is_exposed(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    snapshot = subject.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    for item in snapshot.of_kind(*EXPOSING):
        yield Violation(object_ref(item), "kind", "no way in from outside", text_at(item, "kind"))
    for item in snapshot.of_kind("Service"):
        if at(item, "spec.type") in ("NodePort", "LoadBalancer"):
            yield Violation(object_ref(item), "spec.type", "ClusterIP", format_value(at(item, "spec.type")))
        if list_at(item, "spec.externalIPs"):
            yield Violation(object_ref(item), "spec.externalIPs", "none", format_value(at(item, "spec.externalIPs")))
        for port in mappings_at(item, "spec.ports"):
            if at(port, "nodePort"):
                yield Violation(object_ref(item), "spec.ports.nodePort", "none", format_value(at(port, "nodePort")))
    pods = subject.workloads()
    if subject.live:
        pods += [Pod(item, "", item) for item in subject.cluster.pods]
    for pod in pods:
        if at(pod.spec, "hostNetwork") not in (None, False):
            yield Violation(
                pod.object, pod.path("spec.hostNetwork"), "false or absent", format_value(at(pod.spec, "hostNetwork"))
            )
        for container in pod.containers():
            for port in mappings_at(container.body, "ports"):
                if at(port, "hostPort"):
                    yield Violation(
                        pod.object, f"{container.field}.ports.hostPort", "none", format_value(at(port, "hostPort"))
                    )


@check("SCY-06", "static")
def backend_is_internal(subject: ComponentView) -> Iterator[Violation]:
    service = subject.service
    owner = object_ref(service)
    if at(service, "spec.type") not in (None, "ClusterIP"):
        yield Violation(owner, "spec.type", "ClusterIP", format_value(at(service, "spec.type")))
    for item in subject.snapshot.of_kind(*EXPOSING):
        if name_of(service) in json.dumps(item.get("spec"), default=str):
            yield Violation(object_ref(item), "spec", "no way to the backend", f"one to {owner}")
    frontend = subject.for_component("frontend")
    yield from names_backend(frontend)
    for pod in frontend.pods:
        for given in frontend.environment(frontend.main_container(pod)):
            for match in URL.finditer(frontend.value_of(given) or ""):
                parts = split(match.group())
                if (
                    parts
                    and parts.port == subject.component.service_port
                    and parts.hostname in ("localhost", "127.0.0.1")
                ):
                    wanted = f"the backend by {owner}'s name"
                    yield Violation(
                        pod.object, f"env[{given.name}]", wanted, format_value(f"{parts.hostname}:{parts.port}")
                    )


@check("SCY-08", "static")
def files_hold_no_credential(subject: ComponentView) -> Iterator[Violation]:
    chart, target = subject.chart, subject.target
    names = (target.secret.database_url, target.secret.auth_secret, target.secret.model_key)
    files = dict(chart.templates) | dict(chart.values_files)
    files |= {f"{part}'s Dockerfile": text for part, text in chart.dockerfiles.items()}
    for path, text in files.items():
        for kind in credential_kinds(text, names):
            yield Violation(path, "text", "no credential", kind)
    if subject.shipped and chart.without_secrets is not None:
        for name, path in shipped_secrets(subject):
            yield Violation("values.yaml", path, f"no default for {name}", "a value")


def shipped_secrets(subject: ComponentView) -> Iterator[tuple[str, str]]:
    values = subject.target.values
    shipped = yaml.safe_load(subject.chart.values_files.get("values.yaml", "")) or {}
    for name in ("database_url", "auth_secret", "model_key"):
        path = getattr(values, name)
        if path is not None and at(shipped, path) not in (None, ""):
            yield name, path


@check("SCY-08", "static", "live")
def objects_hold_no_credential(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    names = subject.target.secret
    keys = (names.database_url, names.auth_secret, names.model_key)
    secrets = {key: text for key, text in subject.snapshot.injected_values.items() if key in keys}
    secret = subject.find_secret()
    if secret is not None:
        secrets |= {key: text for key, text in decoded(secret).items() if key in keys}
    for item in subject.snapshot.objects:
        if at(item, "kind") == "Secret":
            continue
        for field, text in strings(item):
            for found in (*(f"the {name}" for name in leaked_secrets(text, secrets)), *credential_kinds(text)):
                yield Violation(object_ref(item), field, "no credential", found)
    if subject.live:
        for pod, log in subject.cluster.logs.items():
            for found in (*(f"the {name}" for name in leaked_secrets(log, secrets)), *credential_kinds(log)):
                yield Violation(f"Pod/{pod}", "log", "no credential", found)


@check("SCY-08", "image")
def image_holds_no_credential(subject: ComponentView) -> Iterator[Violation]:
    for part, image in subject.snapshot.images.items():
        texts = [("config.Env", word) for word in list_at(image.config, "config.Env")]
        texts += [("history", text_at(entry, "created_by")) for entry in mappings_at(image.config, "history")]
        names = subject.target.secret
        for field, text in texts:
            for kind in credential_kinds(str(text), (names.database_url, names.auth_secret, names.model_key)):
                yield Violation(image.reference, field, "no credential", kind)
        for place in image.credentials:
            yield Violation(image.reference, f"layers of the {part}", "no credential", place)
    if not subject.snapshot.images:
        raise Untested("no image was built")


def needed_keys(subject: ComponentView) -> set[str] | None:
    """Keys of the Secret that the component needs, or None where the target does not say: then all but the
    model's key in the frontend."""
    return set(subject.component.secret_keys) or None


@check("SCY-09")
def least_privilege(subject: ComponentView) -> Iterator[Violation]:
    needed = needed_keys(subject)
    model_key = subject.target.secret.model_key
    for pod in subject.pods:
        for container in pod.containers():
            held = {g.key: g for g in subject.environment(container) if g.source == "Secret"}
            for key in held:
                if (
                    key not in needed
                    if needed is not None
                    else (key == model_key and subject.component_name == "frontend")
                ):
                    wanted = f"only the keys it needs ({', '.join(sorted(needed or ())) or f'not {model_key}'})"
                    yield Violation(pod.object, f"{container.field}.env", wanted, key)
        for volume in mappings_at(pod.spec, "volumes"):
            if (name := text_at(volume, "secret.secretName")) and name == name_of(subject.find_secret() or {}):
                keys = [text_at(item, "key") for item in mappings_at(volume, "secret.items")]
                for key in keys or subject.keys_of(subject.secret):
                    if needed is not None and key not in needed:
                        field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
                        yield Violation(pod.object, field, f"only {', '.join(sorted(needed))}", key)
        yield from token(subject, pod)


def token(subject: ComponentView, pod: Pod) -> Iterator[Violation]:
    """No API token, unless a binding of the release gives the pod's account something to do."""
    account = text_at(pod.spec, "serviceAccountName") or "default"
    for binding in subject.snapshot.of_kind("RoleBinding", "ClusterRoleBinding"):
        if any(text_at(s, "name") == account for s in mappings_at(binding, "subjects")):
            return
    mounts = at(pod.spec, "automountServiceAccountToken")
    if mounts is None:
        mounts = at(subject.snapshot.named("ServiceAccount", account) or {}, "automountServiceAccountToken")
    if mounts is not False:
        wanted = "false: nothing here uses the API"
        yield Violation(pod.object, pod.path("spec.automountServiceAccountToken"), wanted, format_value(mounts))
