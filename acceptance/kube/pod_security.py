"""The profile `restricted` of the Pod Security Standards: what a namespace that enforces it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, text_at
from acceptance.kube.pod_templates import Container, Pod

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        *(
            f"net.ipv4.{name}"
            for name in (
                "ip_local_port_range",
                "ip_local_reserved_ports",
                "ip_unprivileged_port_start",
                "ping_group_range",
                "tcp_fin_timeout",
                "tcp_keepalive_intvl",
                "tcp_keepalive_probes",
                "tcp_keepalive_time",
                "tcp_rmem",
                "tcp_syncookies",
                "tcp_wmem",
            )
        ),
    }
)
PROFILES = ("RuntimeDefault", "Localhost")
SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")


@dataclass(frozen=True)
class Refusal:
    """A field that the profile refuses: its path in the pod's owner, what is allowed, and what it is."""

    field: str
    allowed: str
    actual: object


def effective(pod: Pod, container: Container, field: str) -> object:
    """Return a container's effective security setting: its own, or the pod's."""
    own = at(container.body, f"securityContext.{field}")
    return at(pod.spec, f"securityContext.{field}") if own is None else own


def host_access(pod: Pod) -> Iterator[Refusal]:
    """Yield the host namespaces and privileged containers of a pod."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if at(pod.spec, field) not in (None, False):
            yield Refusal(pod.path(f"spec.{field}"), "false or absent", at(pod.spec, field))
    for container in pod.every_container():
        if (actual := at(container.body, "securityContext.privileged")) not in (None, False):
            yield Refusal(f"{container.field}.securityContext.privileged", "false or absent", actual)
    for place, context in _contexts(pod):
        if (actual := at(context, "windowsOptions.hostProcess")) not in (None, False):
            yield Refusal(f"{place}.windowsOptions.hostProcess", "false or absent", actual)


def restricted(pod: Pod) -> Iterator[Refusal]:
    """Yield what the profile refuses of a pod, without `host_access`."""
    own_users = at(pod.spec, "hostUsers") is False
    for place, context in _contexts(pod):
        yield from _context(place, context, own_users=own_users)
    for container in pod.every_container():
        yield from _container(pod, container, own_users=own_users)
        yield from _hosts(container)
    for index, sysctl in enumerate(mappings_at(pod.spec, "securityContext.sysctls")):
        if text_at(sysctl, "name").replace("/", ".") not in SYSCTLS:
            yield Refusal(pod.path(f"spec.securityContext.sysctls[{index}]"), "a safe sysctl", at(sysctl, "name"))
    for volume in mappings_at(pod.spec, "volumes"):
        if refused := sorted(map(str, volume.keys() - VOLUMES - {"name"})):
            field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
            yield Refusal(field, f"one of {', '.join(sorted(VOLUMES))}", ", ".join(refused))
    for key, profile in mapping_at(pod.body, "metadata.annotations").items():
        if str(key).startswith(APPARMOR_ANNOTATION) and not _known_annotation(profile):
            yield Refusal(pod.path(f"metadata.annotations[{key}]"), "runtime/default or localhost/*", profile)


def _known_annotation(profile: object) -> bool:
    return profile in (None, "", "runtime/default") or (isinstance(profile, str) and profile.startswith("localhost/"))


def _contexts(pod: Pod) -> Iterator[tuple[str, Object]]:
    """Yield path and content of the security context of the pod and of each container."""
    yield pod.path("spec.securityContext"), mapping_at(pod.spec, "securityContext")
    for container in pod.every_container():
        yield f"{container.field}.securityContext", mapping_at(container.body, "securityContext")


def _context(place: str, context: Object, *, own_users: bool) -> Iterator[Refusal]:
    """Yield what is refused wherever it is set, of the pod or of a container, even if another level overrides it."""
    if (kind := at(context, "seccompProfile.type")) not in (None, *PROFILES):
        yield Refusal(f"{place}.seccompProfile.type", "RuntimeDefault or Localhost", kind)
    if (kind := at(context, "appArmorProfile.type")) not in (None, *PROFILES):
        yield Refusal(f"{place}.appArmorProfile.type", "RuntimeDefault or Localhost", kind)
    if (kind := at(context, "seLinuxOptions.type")) not in SELINUX_TYPES:
        yield Refusal(f"{place}.seLinuxOptions.type", "container_t or absent", kind)
    for name in ("user", "role"):
        if (actual := at(context, f"seLinuxOptions.{name}")) not in (None, ""):
            yield Refusal(f"{place}.seLinuxOptions.{name}", "absent", actual)
    if own_users:
        return
    if at(context, "runAsUser") == 0:
        yield Refusal(f"{place}.runAsUser", "not 0", 0)
    if at(context, "runAsNonRoot") is False:
        yield Refusal(f"{place}.runAsNonRoot", "true", False)
    if (kind := at(context, "procMount")) not in (None, "Default"):
        yield Refusal(f"{place}.procMount", "Default", kind)


def _container(pod: Pod, container: Container, *, own_users: bool) -> Iterator[Refusal]:
    """Yield what a container must state, itself or by its pod, and what it may not do."""
    field = f"{container.field}.securityContext"
    own = mapping_at(container.body, "securityContext")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Refusal(f"{field}.allowPrivilegeEscalation", "false", own.get("allowPrivilegeEscalation"))
    dropped = list_at(own, "capabilities.drop")
    if "ALL" not in dropped:
        yield Refusal(f"{field}.capabilities.drop", "ALL", dropped or None)
    if extra := [name for name in list_at(own, "capabilities.add") if name != "NET_BIND_SERVICE"]:
        yield Refusal(f"{field}.capabilities.add", "nothing but NET_BIND_SERVICE", extra)
    if effective(pod, container, "seccompProfile.type") is None:
        yield Refusal(f"{field}.seccompProfile.type", "RuntimeDefault", None)
    if effective(pod, container, "runAsNonRoot") is None and not own_users:
        yield Refusal(f"{field}.runAsNonRoot", "true", None)
    for index, port in enumerate(mappings_at(container.body, "ports")):
        if at(port, "hostPort"):
            yield Refusal(f"{container.field}.ports[{index}].hostPort", "none", at(port, "hostPort"))


def _hosts(container: Container) -> Iterator[Refusal]:
    """Yield the hosts that probes and hooks name; they would reach other hosts from the node."""
    for handler in HANDLERS:
        for action in ("httpGet", "tcpSocket"):
            if (host := at(container.body, f"{handler}.{action}.host")) not in (None, ""):
                yield Refusal(f"{container.field}.{handler}.{action}.host", "absent", host)
