"""Rules of pod settings that the specification does not state: other templates, scheduling, DNS, mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from acceptance.checks.component_view import ComponentView
from acceptance.checks.pod import other_volumes, requests_over_limits, too_many_containers, wrong_resources
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, list_at, mapping_at, mappings_at, name_of, text_at
from acceptance.kube import hooks
from acceptance.kube.pod_templates import Container, Pod, image_reference
from acceptance.kube.quantity import quantity

SYSTEM_FOLDERS = {
    *("/", "/bin", "/etc", "/home", "/lib", "/opt", "/sbin", "/srv", "/usr", "/usr/bin", "/usr/lib"),
    *("/usr/local", "/usr/local/bin", "/usr/local/lib", "/var"),
}
BUILT = ("", "/.next", "/.venv", "/venv", "/node_modules", "/src", "/app", "/dist", "/build")
"""Folders below the working folder that an image fills when it is built."""
WORKDIR = re.compile(r"^\s*WORKDIR\s+(/\S*)\s*$", re.MULTILINE | re.IGNORECASE)
LEAST_EMPTY_DIR = 1024**2
"""The least sizeLimit in bytes (POD-25)."""
PATH = re.compile(r"/[^\s,:;?]+")
"""Of one file, rather than several."""
FILES = ("configMap", "secret", "projected")
TEMPORARY = "/tmp"  # noqa: S108 - a mount's path


@check("POD-23")
def other_templates(view: ComponentView) -> Iterator[Violation]:
    """POD-23: the pods of jobs, hooks, tests and other workloads are as sound as the components'."""
    for pod in view.extra_workloads():
        yield from too_many_containers([pod])
        yield from wrong_resources(pod.containers())
        yield from requests_over_limits([pod])
        yield from other_volumes([pod])
        for container in pod.containers():
            if not container.image or not re.fullmatch(r"[\w.-]+", image_reference(container.image)[1]):
                yield Violation(pod.object, f"{container.field}.image", "an image", format_value(container.image))
        yield from _started_by_whom(pod)
        policy = at(pod.spec, "restartPolicy")
        kind = at(pod.owner, "kind")
        once = kind in ("Job", "CronJob") or (kind == "Pod" and bool(hooks.events(pod.owner)))
        if once and policy not in ("OnFailure", "Never"):
            yield Violation(
                pod.object, pod.path("spec.restartPolicy"), "OnFailure or Never: a job ends", format_value(policy)
            )


def _started_by_whom(pod: Pod) -> Iterator[Violation]:
    """Yield a violation for a bare pod that is no hook, and for events and policies that Helm does not know."""
    if at(pod.owner, "metadata.ownerReferences"):
        return
    if text_at(pod.owner, "kind") == "Pod" and not hooks.events(pod.owner):
        expected = "a workload, or a hook: nothing replaces a bare pod, and an upgrade can't change it"
        yield Violation(pod.object, "kind", expected, "Pod without helm.sh/hook")
    for annotation, known in ((hooks.HOOK, hooks.EVENTS), (hooks.DELETE_POLICY, hooks.POLICIES)):
        written = mapping_at(pod.owner, "metadata.annotations").get(annotation)
        words = {word.strip().lower() for word in written.split(",")} if isinstance(written, str) else set()
        if not words <= known:
            field = f"metadata.annotations.{annotation}"
            yield Violation(pod.object, field, f"of {', '.join(sorted(known))}", format_value(written))


@check("POD-24")
def any_node_and_the_clusters_dns(view: ComponentView) -> Iterator[Violation]:
    """POD-24: the default scheduler chooses the node, and the cluster's DNS resolves Services."""
    services = {name_of(item) for item in view.snapshot.of_kind("Service")}
    for pod in view.pods:
        if not view.live and (node := at(pod.spec, "nodeName")):
            expected = "absent (the scheduler sets it)"
            yield Violation(pod.object, pod.path("spec.nodeName"), expected, format_value(node))
        scheduler = at(pod.spec, "schedulerName")
        if scheduler not in (None, "default-scheduler"):
            yield Violation(pod.object, pod.path("spec.schedulerName"), "the default", format_value(scheduler))
        for name in ("schedulingGates", "readinessGates", "resourceClaims"):
            if not view.live and (gates := list_at(pod.spec, name)):
                expected = "absent: a local cluster has nothing that opens or fills it"
                yield Violation(pod.object, pod.path(f"spec.{name}"), expected, format_value(gates), derived=True)
        if (system := at(pod.spec, "os.name")) not in (None, "linux"):
            yield Violation(pod.object, pod.path("spec.os.name"), "linux", format_value(system))
        if at(pod.spec, "activeDeadlineSeconds") is not None:
            actual = format_value(at(pod.spec, "activeDeadlineSeconds"))
            yield Violation(pod.object, pod.path("spec.activeDeadlineSeconds"), "absent: a server does not end", actual)
        for toleration in mappings_at(pod.spec, "tolerations"):
            if not toleration.get("key") and toleration.get("tolerationSeconds") is None:
                expected = "a key: without one its pods stay on lost nodes, and start on those that are drained"
                yield Violation(pod.object, pod.path("spec.tolerations"), expected, format_value(toleration))
        yield from _dns(view, pod)
        for entry in mappings_at(pod.spec, "hostAliases"):
            for host in list_at(entry, "hostnames"):
                if str(host).partition(".")[0] in services:
                    expected = "no name of a Service of the release"
                    yield Violation(pod.object, pod.path("spec.hostAliases"), expected, format_value(host))


def _dns(view: ComponentView, pod: Pod) -> Iterator[Violation]:
    policy = at(pod.spec, "dnsPolicy")
    field, expected = pod.path("spec.dnsPolicy"), "the cluster's DNS, which resolves Services"
    if policy == "Default" and view.component_name == "frontend":
        yield Violation(pod.object, field, expected, "Default: the node's")
    if policy == "None":
        servers = list_at(pod.spec, "dnsConfig.nameservers")
        if not any(_is_internal(server) for server in servers):
            yield Violation(pod.object, field, expected, f"None, with nameservers {', '.join(map(str, servers))}")


def _is_internal(server: object) -> bool:
    try:
        return ip_address(str(server)).is_private
    except ValueError:
        return False


OTHERS_READ = 0o004


@check("POD-25")
def mounts_leave_the_image(view: ComponentView) -> Iterator[Violation]:
    """POD-25: no volume hides the image's files, an emptyDir can be used, and stated files are mounted."""
    dockerfile = view.snapshot.chart.dockerfiles.get(view.component_name or "", "") if view.snapshot.chart else ""
    folders = {found[-1].rstrip("/") for found in (WORKDIR.findall(dockerfile),) if found} or {"/app"}
    hiding = {*SYSTEM_FOLDERS, *(f"{folder}{below}" for folder in folders for below in BUILT)}
    for pod in view.pods:
        own = {container.field for container in view.own_images(pod)}
        volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
        for container in pod.containers():
            for mount in mappings_at(container.body, "volumeMounts"):
                path = text_at(mount, "mountPath")
                if container.field in own and not at(mount, "subPath") and (path.rstrip("/") or "/") in hiding:
                    expected = "no volume over files of the image"
                    yield Violation(pod.object, f"{container.field}.volumeMounts", expected, format_value(path))
            yield from _files_not_mounted(view, pod, container)
            yield from _absent_files(view, pod, container)
        yield from _empty_dirs(pod, volumes)
        yield from _unreadable_files(pod, volumes)
        yield from _temporary_files(view, pod)


def _unreadable_files(pod: Pod, volumes: dict[str, Object]) -> Iterator[Violation]:
    """Yield a violation for each mounted volume whose files only root may read, in a pod without an fsGroup."""
    if at(pod.spec, "securityContext.fsGroup") is not None:
        return
    mounted = {text_at(mount, "name") for each in pod.containers() for mount in mappings_at(each.body, "volumeMounts")}
    for name in sorted(volumes.keys() & mounted):
        for kind in ("configMap", "secret", "projected", "downwardAPI"):
            source = at(volumes[name], kind)
            modes = [at(source, "defaultMode"), *(at(item, "mode") for item in mappings_at(source, "items"))]
            for mode in modes if source is not None else ():
                if isinstance(mode, int) and not mode & OTHERS_READ:
                    field = pod.path(f"spec.volumes[{name}].{kind}")
                    expected = "files that a user other than root may read, by their mode or an fsGroup"
                    yield Violation(pod.object, field, expected, f"mode {mode:04o}", derived=True)


def _temporary_files(view: ComponentView, pod: Pod) -> Iterator[Violation]:
    """Yield a violation if init containers of the server's image may write to /tmp, and the server itself may not."""
    main = view.main_container(pod)
    folders = {
        container.field: {
            text_at(mount, "mountPath").rstrip("/") for mount in mappings_at(container.body, "volumeMounts")
        }
        for container in view.own_images(pod)
    }
    moved = any(variable.name == "TMPDIR" for variable in view.environment(main))
    read_only = at(main.body, "securityContext.readOnlyRootFilesystem") is True
    if (
        read_only
        and not moved
        and TEMPORARY not in folders.pop(main.field)
        and any(TEMPORARY in each for each in folders.values())
    ):
        expected = f"a volume at {TEMPORARY}, as an init container of the same image has"
        yield Violation(
            pod.object, f"{main.field}.volumeMounts", expected, "absent: the root is read-only", derived=True
        )


def _empty_dirs(pod: Pod, volumes: dict[str, Object]) -> Iterator[Violation]:
    for name, volume in volumes.items():
        if at(volume, "emptyDir") is None:
            continue
        field = pod.path(f"spec.volumes[{name}].emptyDir")
        written = at(volume, "emptyDir.sizeLimit")
        limit = quantity(written)
        if written is not None and (limit is None or limit < LEAST_EMPTY_DIR):
            yield Violation(pod.object, f"{field}.sizeLimit", "at least 1Mi", format_value(written))
        users = [
            (container, mount)
            for container in pod.containers()
            for mount in mappings_at(container.body, "volumeMounts")
            if at(mount, "name") == name
        ]
        if users and all(at(mount, "readOnly") is True for _, mount in users):
            yield Violation(pod.object, field, "a container that may write to it", "read-only mounts alone")
        for container, _ in users if at(volume, "emptyDir.medium") == "Memory" else ():
            stated = mapping_at(container.body, "resources.limits").get("memory")
            memory = quantity(stated)
            if memory is not None and (limit is None or limit >= memory):
                expected = f"less than the memory limit of {container.name} ({format_value(stated)})"
                yield Violation(pod.object, f"{field}.sizeLimit", expected, format_value(written))


def _volume_files(view: ComponentView, volume: Object) -> set[str] | None:
    """The paths of the files in a volume of ConfigMaps and Secrets, or None if they can't be known."""
    sources = mappings_at(volume, "projected.sources") or [volume]
    keys, found = view.keyed(), set[str]()
    for source in sources:
        kind = next((kind for kind in ("configMap", "secret") if kind in source), None)
        if kind is None:
            return None
        if items := mappings_at(source, f"{kind}.items"):
            found |= {text_at(item, "path") for item in items}
            continue
        name = text_at(source, f"{kind}.name") or text_at(source, f"{kind}.secretName")
        held = keys.get(({"configMap": "ConfigMap", "secret": "Secret"}[kind], name))
        if held is None:
            return None
        found.update(held)
    return found


def _files_of_mounts(view: ComponentView, pod: Pod, container: Container) -> dict[str, set[str] | None]:
    """Return the files of each folder at which a container mounts a volume; None if they can't be known."""
    volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
    found: dict[str, set[str] | None] = {}
    for mount in mappings_at(container.body, "volumeMounts"):
        part = at(mount, "subPath") or at(mount, "subPathExpr")
        files = None if part else _volume_files(view, volumes.get(text_at(mount, "name"), {}))
        found[text_at(mount, "mountPath").rstrip("/")] = files
    return found


def _folder_of(mounted: Mapping[str, set[str] | None], path: str) -> str | None:
    """Return the innermost folder of volumes that contains a path; None if none does."""
    return max((each for each in mounted if each and f"{path}/".startswith(f"{each}/")), key=len, default=None)


def _has_file(mounted: Mapping[str, set[str] | None], path: str) -> bool | None:
    """Whether a path is in a mounted volume, or may be; None if none is mounted there."""
    if (folder := _folder_of(mounted, path)) is None:
        return None
    files, name = mounted[folder], path.removeprefix(folder).strip("/")
    return files is None or not name or any(file == name or file.startswith(f"{name}/") for file in files)


def _absent_files(view: ComponentView, pod: Pod, container: Container) -> Iterator[Violation]:
    """Yield a violation for each variable that names a file which its volume does not have.

    A ConfigMap's value may be meant for another container, which has the file.
    """
    mounted = _files_of_mounts(view, pod, container)
    others = [_files_of_mounts(view, other, each) for other in view.workloads() for each in other.containers()]
    for variable in view.environment(container):
        value = view.value_of(variable) if variable.source in ("literal", "ConfigMap") else None
        if not value or not PATH.fullmatch(value) or _has_file(mounted, value) is not False:
            continue
        if variable.source == "literal" or not any(_has_file(other, value) for other in others):
            folder = _folder_of(mounted, value) or ""
            expected = f"a file of {folder}: {', '.join(sorted(mounted[folder] or ()))}"
            yield Violation(pod.object, f"{container.field}.env[{variable.name}]", expected, format_value(value))


def _files_not_mounted(view: ComponentView, pod: Pod, container: Container) -> Iterator[Violation]:
    """Yield a violation for each variable that names a file of a volume that only other containers mount."""
    kinds = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
    mounts = [
        (each.field, text_at(mount, "mountPath").rstrip("/"))
        for each in pod.containers()
        for mount in mappings_at(each.body, "volumeMounts")
        if any(kind in kinds.get(text_at(mount, "name"), {}) for kind in FILES)
    ]
    own = {path for field, path in mounts if field == container.field}
    for variable in view.environment(container):
        value = view.value_of(variable) if variable.source == "literal" else None
        for _, path in mounts:
            if value and path and value.startswith(f"{path}/") and path not in own:
                expected = f"a volume mounted at {path}"
                yield Violation(pod.object, f"{container.field}.env[{variable.name}]", expected, "not mounted")
                break
