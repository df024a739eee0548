"""Judges of the running containers as the node sees them: users and rights of processes, what they can write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath

from acceptance.checks.finding import Finding
from acceptance.core.fields import Object, mapping_at, mappings_at, name_of, text_at

UID = 1000
RIGHTS = ("CapEff", "CapPrm", "CapAmb")
"""What a process may do now; the bounding set is what a program that it starts could gain."""
SECCOMP_OFF = 0
SHARED_BY_PODS = ("net", "pid", "ipc", "mnt", "uts")
"""Namespaces that a pod shares with the node only if its specification asks for it; that of cgroups is not one: with
cgroup v1 every container is in the node's."""
KERNEL = ("/proc", "/sys", "/dev/pts", "/dev/mqueue")
"""Where the runtime mounts the kernel's own file systems."""
GIVEN = ("/dev", "/dev/shm", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")  # noqa: S108
"""What Kubernetes mounts into every container beside the declared volumes; it ends with the pod."""
TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True)
class Process:
    """A process of a container, with its status as the kernel reports it.

    `uids` are the real, effective, saved and file system user; `namespaces` are the kernel's names by kind.
    """

    pid: int
    name: str
    uids: tuple[int, ...]
    capabilities: Mapping[str, int]
    no_new_privileges: bool
    seccomp: int
    namespaces: Mapping[str, str]
    first: bool = False
    """Whether it is the first process of a PID namespace of its own, as a container's program is."""


@dataclass(frozen=True)
class Mount:
    """A mount of a container, and whether both it and its file system may be written to."""

    point: str
    writable: bool


@dataclass(frozen=True)
class RunningContainer:
    """A container of a pod that ran when it was read.

    Attributes:
        written: Paths of mounts and directories to which its user could write.
        listening: Ports that a process of its pod listens on.
    """

    pod: Object
    name: str
    processes: tuple[Process, ...]
    mounts: tuple[Mount, ...]
    written: tuple[str, ...]
    listening: frozenset[int]

    @property
    def ref(self) -> str:
        """The pod, as findings name it."""
        return f"Pod/{name_of(self.pod)}"


def container_spec(pod: Object, name: str) -> Object:
    """Return a container's specification, init containers included; empty if the pod has none of the name."""
    bodies = [*mappings_at(pod, "spec.initContainers"), *mappings_at(pod, "spec.containers")]
    return next((body for body in bodies if text_at(body, "name") == name), {})


def user_findings(containers: Iterable[RunningContainer]) -> Iterator[Finding]:
    """Yield a finding of SCY-01 for each process that is of another user, or has a right of root's."""
    for container in containers:
        for process in container.processes:
            field = f"{container.name}: process {process.name}"
            if set(process.uids) != {UID}:
                actual = ", ".join(map(str, process.uids))
                yield Finding("SCY-01", container.ref, field, f"UID {UID} (real, effective, saved, files)", actual)
            if rights := [f"{name} {process.capabilities[name]:x}" for name in RIGHTS if process.capabilities[name]]:
                yield Finding("SCY-01", container.ref, field, "no capability", ", ".join(rights))


def confinement_findings(
    containers: Iterable[RunningContainer], nodes: Mapping[str, Mapping[str, str]], *, strict: bool
) -> Iterator[Finding]:
    """Yield a finding of SCY-03 for each process that shares the node's namespaces or could gain rights.

    Args:
        containers: The running containers.
        nodes: Each node's own namespaces by kind, by the node's name.
        strict: Whether what the specification does not state rejects the release.
    """
    for container in containers:
        node = nodes[text_at(container.pod, "spec.nodeName")]
        for process in container.processes:
            field = f"{container.name}: process {process.name}"
            if shared := [kind for kind in SHARED_BY_PODS if process.namespaces.get(kind) == node[kind]]:
                yield Finding("SCY-03", container.ref, field, "namespaces of its own", f"the node's {shared}")
            derived = {
                "no capability in the bounding set": f"{process.capabilities['CapBnd']:x}",
                "no_new_privs": "" if process.no_new_privileges else "not set",
                "a seccomp filter": "none" if process.seccomp == SECCOMP_OFF else "",
            }
            for expected, actual in derived.items():
                if actual not in ("", "0"):
                    yield Finding("SCY-03", container.ref, field, expected, actual, advice=not strict)


def write_findings(containers: Iterable[RunningContainer]) -> Iterator[Finding]:
    """Yield a finding of SCY-02 for each writable mount that is no emptyDir, and each path written elsewhere."""
    for container in containers:
        declared = declared_mounts(container.pod, container.name)
        spec = container_spec(container.pod, container.name)
        log = text_at(spec, "terminationMessagePath", TERMINATION_LOG)
        found = {each.point: "mounted read-write" for each in container.mounts if each.writable}
        found |= dict.fromkeys(container.written, "written to")
        for path, actual in sorted(found.items()):
            if is_kernels(path) or path in (*GIVEN, log):
                continue
            kind = volume_kind_at(declared, path)
            if kind != "emptyDir":
                what = f"{actual}, {kind or 'no declared volume'}"
                yield Finding("SCY-02", container.ref, f"{container.name}: {path}", "read-only, or an emptyDir", what)


def is_kernels(path: str) -> bool:
    """Whether a path is in one of the kernel's own file systems."""
    return any(path == place or path.startswith(f"{place}/") for place in KERNEL)


def declared_mounts(pod: Object, container: str) -> dict[str, str]:
    """Return the kind of volume (`emptyDir`) by each path at which the container's specification mounts one."""
    kinds = {text_at(volume, "name"): volume_kind(volume) for volume in mappings_at(pod, "spec.volumes")}
    return {
        normpath(text_at(mount, "mountPath")): kinds.get(text_at(mount, "name"), "")
        for mount in mappings_at(container_spec(pod, container), "volumeMounts")
    }


def volume_kind(volume: Object) -> str:
    """Return a volume's kind, such as `emptyDir`: its field beside the name."""
    return next((key for key in volume if key != "name"), "")


def volume_kind_at(declared: Mapping[str, str], path: str) -> str:
    """Return the kind of the declared volume that contains a path; empty if none does."""
    holding = [point for point in declared if path == point or path.startswith(f"{point.rstrip('/')}/")]
    return declared[max(holding, key=len)] if holding else ""


def service_ports(services: Iterable[Object]) -> dict[int, str]:
    """Return what each port is that the Services have, those that the API server chose on the node included."""
    ports: dict[int, str] = {}
    for service in services:
        name = f"Service/{name_of(service)}"
        for port in mappings_at(service, "spec.ports"):
            for key in ("port", "nodePort"):
                if isinstance(port.get(key), int):
                    ports[port[key]] = f"{name} {key}"
        if isinstance(check := mapping_at(service, "spec").get("healthCheckNodePort"), int) and check:
            ports[check] = f"{name} healthCheckNodePort"
    return ports


def pod_ports(containers: Iterable[RunningContainer]) -> dict[int, str]:
    """Return what each port is that a container declares or a process of its pod listens on."""
    ports: dict[int, str] = {}
    for container in containers:
        owner = f"{container.ref} {container.name}"
        ports |= dict.fromkeys(container.listening, f"{owner} listens")
        for port in mappings_at(container_spec(container.pod, container.name), "ports"):
            for key in ("containerPort", "hostPort"):
                if isinstance(port.get(key), int):
                    ports[port[key]] = f"{owner} {key}"
    return ports


def undeclared_port_findings(containers: Iterable[RunningContainer]) -> list[Finding]:
    """Return a finding of SCY-11 for each port that a pod listens on and none of its containers declares."""
    listening: dict[str, set[int]] = {}
    declared: dict[str, set[int]] = {}
    for container in containers:
        listening.setdefault(container.ref, set()).update(container.listening)
        specs = [*mappings_at(container.pod, "spec.containers"), *mappings_at(container.pod, "spec.initContainers")]
        declared[container.ref] = {
            number
            for spec in specs
            for port in mappings_at(spec, "ports")
            if isinstance(number := port.get("containerPort"), int)
        }
    return [
        Finding("SCY-11", ref, "listening ports", f"declared ones alone, {sorted(declared[ref])}", str(port))
        for ref, ports in listening.items()
        for port in sorted(ports - declared[ref])
    ]
