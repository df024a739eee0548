"""Rules of security that objects, files and images show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.relationships import missing_backend_url
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


def workload_pods(view: ComponentView) -> list[Pod]:
    """Return the component's pods; for the first component also the pod templates that belong to none."""
    first = next(iter(view.target.components), None)
    return view.pods + (view.extra_workloads() if view.component_name == first else [])


def security(pod: Pod, container: Container, field: str) -> object:
    """Return a container's effective security setting: its own, or the pod's."""
    own = at(container.body, f"securityContext.{field}")
    return at(pod.spec, f"securityContext.{field}") if own is None else own


def final_user(dockerfile: str) -> str | None:
    """Return the user of a Dockerfile's last stage, or None if it sets none."""
    stage = re.split(r"^FROM\b", dockerfile, flags=re.M | re.I)[-1]
    users = re.findall(r"^USER\s+(\S+)", stage, flags=re.M | re.I)
    return users[-1] if users else None


def image_user_is_1000(view: ComponentView) -> bool | None:
    """Whether the component's image runs as UID 1000; None if unknown."""
    dockerfile = view.snapshot.chart.dockerfiles.get(view.component_name or "") if view.snapshot.chart else None
    if (image := view.snapshot.images.get(view.component_name or "")) is not None:
        return user_id(text_at(image.config, "config.User"), image.passwd) == UID
    if dockerfile is None or (user := final_user(dockerfile)) is None:
        return None
    return user.partition(":")[0] == str(UID) if user[:1].isdigit() else None


@check("SCY-01", "static", "live")
def runs_as_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: the pod spec enforces UID 1000 for every container."""
    unknown = False
    for pod in view.pods:
        own = {container.field for container in view.own_images(pod)}
        for container in pod.containers():
            field = f"{container.field}.securityContext"
            user = security(pod, container, "runAsUser")
            if user == UID:
                continue
            image_is_1000 = image_user_is_1000(view) if container.field in own else None
            enforced = security(pod, container, "runAsNonRoot") is True
            if user is None and enforced and image_is_1000 is not False:
                unknown = unknown or image_is_1000 is None
                continue
            actual = (
                format_value(user)
                if user is not None
                else f"runAsNonRoot {format_value(enforced or None)}, no runAsUser"
            )
            expected = f"runAsUser {UID}, or runAsNonRoot over an image user {UID}"
            yield Violation(pod.object, field, expected, actual)
    if unknown:
        raise Untested("runAsNonRoot is set without runAsUser, and the image's user is unknown")


@check("SCY-01", "live")
def processes_are_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: every container's process runs as UID 1000."""
    facts = view.cluster.facts
    if facts is None:
        raise Untested("the users of processes are read on the node, which this cluster does not allow")
    for pod in view.pods:
        for container in pod.containers():
            process = facts.get((pod.name, container.name))
            if process is not None and process.uid != UID:
                yield Violation(pod.object, container.field, f"a process of UID {UID}", str(process.uid))


def user_id(user: str, passwd: str) -> int | None:
    """Return the UID of an image's user, a number or a name in its /etc/passwd; None if it is neither."""
    name = user.partition(":")[0]
    if name.isdecimal():
        return int(name)
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
            return int(fields[2])
    return None


@check("SCY-01", "image")
def image_user(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: the image's user is UID 1000."""
    image = view.image
    user = text_at(image.config, "config.User")
    if user_id(user, image.passwd) != UID:
        yield Violation(
            image.reference, "config.User", f"{UID}, or a name of it in /etc/passwd", format_value(user or None)
        )


@check("SCY-02")
def root_is_read_only(view: ComponentView) -> Iterator[Violation]:
    """SCY-02: the root file system is read-only, and writable mounts are emptyDirs."""
    facts = view.snapshot.cluster.facts if view.snapshot.cluster else None
    for pod in view.pods:
        volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
        for container in pod.containers():
            actual = at(container.body, "securityContext.readOnlyRootFilesystem")
            if actual is not True:
                field = f"{container.field}.securityContext.readOnlyRootFilesystem"
                yield Violation(pod.object, field, "true", format_value(actual))
            for mount in mappings_at(container.body, "volumeMounts"):
                volume = volumes.get(text_at(mount, "name"), {})
                persistent = [
                    k
                    for k in volume
                    if k not in ("name", "emptyDir", "configMap", "secret", "projected", "downwardAPI")
                ]
                if persistent and at(mount, "readOnly") is not True:
                    field = f"{container.field}.volumeMounts[{text_at(mount, 'mountPath')}]"
                    yield Violation(pod.object, field, "an emptyDir, if writable", ", ".join(persistent))
            process = facts.get((pod.name, container.name)) if facts else None
            if process is not None and not process.read_only_root:
                yield Violation(pod.object, f"{container.field} mount of /", "read-only", "writable")


@check("SCY-03")
def no_host_access(view: ComponentView) -> Iterator[Violation]:
    """SCY-03: no host namespace and no privileged container."""
    for pod in workload_pods(view):
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
def admitted_by_restricted(view: ComponentView) -> Iterator[Violation]:
    """SCY-03: the clauses of Pod Security's `restricted` profile that no other rule covers."""
    for pod in workload_pods(view):
        for container in pod.containers():
            field = f"{container.field}.securityContext"

            def broken(name: str, expected: str, actual: object, pod: Pod = pod, field: str = field) -> Violation:
                return Violation(pod.object, f"{field}.{name}", expected, format_value(actual), derived=True)

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
def nothing_is_exposed(view: ComponentView) -> Iterator[Violation]:
    """SCY-05: nothing of the release is reachable from outside the cluster."""
    view.require_rendered()
    snapshot = view.snapshot
    if not snapshot.objects:
        raise Untested("the release has no objects")
    for item in snapshot.of_kind(*EXPOSING):
        yield Violation(object_ref(item), "kind", "no external access", text_at(item, "kind"))
    for item in snapshot.of_kind("Service"):
        if at(item, "spec.type") in ("NodePort", "LoadBalancer"):
            yield Violation(object_ref(item), "spec.type", "ClusterIP", format_value(at(item, "spec.type")))
        if list_at(item, "spec.externalIPs"):
            yield Violation(object_ref(item), "spec.externalIPs", "none", format_value(at(item, "spec.externalIPs")))
        for port in mappings_at(item, "spec.ports"):
            if at(port, "nodePort"):
                yield Violation(object_ref(item), "spec.ports.nodePort", "none", format_value(at(port, "nodePort")))
    pods = view.workloads()
    if view.live:
        pods += [Pod(item, "", item) for item in view.cluster.pods]
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
def backend_is_internal(view: ComponentView) -> Iterator[Violation]:
    """SCY-06: the backend's Service is internal, and the frontend uses it by name."""
    service = view.service
    owner = object_ref(service)
    if at(service, "spec.type") not in (None, "ClusterIP"):
        yield Violation(owner, "spec.type", "ClusterIP", format_value(at(service, "spec.type")))
    for item in view.snapshot.of_kind(*EXPOSING):
        if name_of(service) in json.dumps(item.get("spec"), default=str):
            yield Violation(object_ref(item), "spec", "no route to the backend", f"a route to {owner}")
    frontend = view.for_component("frontend")
    yield from missing_backend_url(frontend)
    for pod in frontend.pods:
        for variable in frontend.environment(frontend.main_container(pod)):
            for match in URL.finditer(frontend.value_of(variable) or ""):
                parts = split(match.group())
                if parts and parts.port == view.component.service_port and parts.hostname in ("localhost", "127.0.0.1"):
                    expected = f"the backend by {owner}'s name"
                    yield Violation(
                        pod.object, f"env[{variable.name}]", expected, format_value(f"{parts.hostname}:{parts.port}")
                    )


@check("SCY-08", "static")
def files_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: templates, values files and Dockerfiles contain no credential."""
    chart, target = view.chart, view.target
    names = (target.secret.database_url, target.secret.auth_secret, target.secret.model_key)
    files = dict(chart.templates) | dict(chart.values_files)
    files |= {f"{part}'s Dockerfile": text for part, text in chart.dockerfiles.items()}
    for path, text in files.items():
        for kind in credential_kinds(text, names):
            yield Violation(path, "text", "no credential", kind)
    if view.shipped and chart.without_secrets is not None:
        for name, path in shipped_secrets(view):
            yield Violation("values.yaml", path, f"no default for {name}", "a value")


def shipped_secrets(view: ComponentView) -> Iterator[tuple[str, str]]:
    """Yield name and values path of every secret that has a default in values.yaml."""
    values = view.target.values
    shipped = yaml.safe_load(view.chart.values_files.get("values.yaml", "")) or {}
    for name in ("database_url", "auth_secret", "model_key"):
        path = getattr(values, name)
        if path is not None and at(shipped, path) not in (None, ""):
            yield name, path


@check("SCY-08", "static", "live")
def objects_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: no object but the Secret, and no log, contains a credential."""
    view.require_rendered()
    names = view.target.secret
    keys = (names.database_url, names.auth_secret, names.model_key)
    secrets = {key: text for key, text in view.snapshot.injected_values.items() if key in keys}
    secret = view.find_secret()
    if secret is not None:
        secrets |= {key: text for key, text in decoded(secret).items() if key in keys}
    for item in view.snapshot.objects:
        if at(item, "kind") == "Secret":
            continue
        for field, text in strings(item):
            for actual in (*(f"the {name}" for name in leaked_secrets(text, secrets)), *credential_kinds(text)):
                yield Violation(object_ref(item), field, "no credential", actual)
    if view.live:
        for pod, log in view.cluster.logs.items():
            for actual in (*(f"the {name}" for name in leaked_secrets(log, secrets)), *credential_kinds(log)):
                yield Violation(f"Pod/{pod}", "log", "no credential", actual)


@check("SCY-08", "image")
def image_holds_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: images' environment, history and layers contain no credential."""
    for part, image in view.snapshot.images.items():
        texts = [("config.Env", word) for word in list_at(image.config, "config.Env")]
        texts += [("history", text_at(entry, "created_by")) for entry in mappings_at(image.config, "history")]
        names = view.target.secret
        for field, text in texts:
            for kind in credential_kinds(str(text), (names.database_url, names.auth_secret, names.model_key)):
                yield Violation(image.reference, field, "no credential", kind)
        for place in image.credentials:
            yield Violation(image.reference, f"layers of the {part}", "no credential", place)
    if not view.snapshot.images:
        raise Untested("no image was built")


def needed_keys(view: ComponentView) -> set[str] | None:
    """Return the Secret keys that the component needs; None, all but the frontend's model key, if not stated."""
    return set(view.component.secret_keys) or None


@check("SCY-09")
def least_privilege(view: ComponentView) -> Iterator[Violation]:
    """SCY-09: pods get only the Secret keys they need, and no API token they do not use."""
    needed = needed_keys(view)
    model_key = view.target.secret.model_key
    for pod in view.pods:
        for container in pod.containers():
            keys_used = {g.key: g for g in view.environment(container) if g.source == "Secret"}
            for key in keys_used:
                if (
                    key not in needed
                    if needed is not None
                    else (key == model_key and view.component_name == "frontend")
                ):
                    expected = f"only the keys it needs ({', '.join(sorted(needed or ())) or f'not {model_key}'})"
                    yield Violation(pod.object, f"{container.field}.env", expected, key)
        for volume in mappings_at(pod.spec, "volumes"):
            if (name := text_at(volume, "secret.secretName")) and name == name_of(view.find_secret() or {}):
                keys = [text_at(item, "key") for item in mappings_at(volume, "secret.items")]
                for key in keys or view.keys_of(view.secret):
                    if needed is not None and key not in needed:
                        field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
                        yield Violation(pod.object, field, f"only {', '.join(sorted(needed))}", key)
        yield from unneeded_token(view, pod)


def unneeded_token(view: ComponentView, pod: Pod) -> Iterator[Violation]:
    """Yield a violation if the pod mounts an API token and no role binding of the release names its account."""
    account = text_at(pod.spec, "serviceAccountName") or "default"
    for binding in view.snapshot.of_kind("RoleBinding", "ClusterRoleBinding"):
        if any(text_at(s, "name") == account for s in mappings_at(binding, "subjects")):
            return
    mounts = at(pod.spec, "automountServiceAccountToken")
    if mounts is None:
        mounts = at(view.snapshot.named("ServiceAccount", account) or {}, "automountServiceAccountToken")
    if mounts is not False:
        expected = "false, as the pod does not use the API"
        yield Violation(pod.object, pod.path("spec.automountServiceAccountToken"), expected, format_value(mounts))
