"""Reads the release's running containers from the node: processes, mounts, and attempts to write."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acceptance.checks.isolation import RIGHTS, SHARED_BY_PODS, Mount, Process, RunningContainer
from acceptance.core.fields import Object
from acceptance.kube.status import running_containers
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node
from acceptance.snapshots.live import listening
from toolchain.console import CommandError

READ = r"""
namespaces() {
  for kind in net pid ipc mnt uts; do printf ' %s' "$(readlink "/proc/$1/ns/$kind")"; done
}
printf 'node%s\n' "$(namespaces 1)"
grep -EHo '[0-9a-f]{64}' /proc/[0-9]*/cgroup 2> /dev/null | sort -u | while IFS=: read -r file id; do
  case " $* " in *" $id "*) ;; *) continue ;; esac
  pid=${file#/proc/}
  pid=${pid%/cgroup}
  status=$(grep -E '^(Name|Uid|NoNewPrivs|Seccomp|Cap...):' "/proc/$pid/status" 2> /dev/null) || continue
  printf 'process %s %s%s\n%s\n' "$id" "$pid" "$(namespaces "$pid")" "$status"
done
"""
"""Arguments: identifiers of containers. A process belongs to the container whose identifier its cgroups contain."""
WRITE = r"""
uid=$1 gid=$2 groups=$3 root=/proc/$4/root
shift 4
[ -n "$groups" ] && groups="--groups=$groups" || groups=--clear-groups
as_user() {
  setpriv --reuid "$uid" --regid "$gid" "$groups" --inh-caps=-all --bounding-set=-all sh -c "$1"
}
for path in "$@"; do
  [ -L "$root$path" ] && continue
  if [ -d "$root$path" ]; then
    (cd "$root$path" && as_user ': > ./acceptance-write && rm ./acceptance-write') && printf '%s\n' "$path"
  elif [ -f "$root$path" ]; then
    (cd "${root}${path%/*}/" && NAME=./${path##*/} as_user ': >> "$NAME"') && printf '%s\n' "$path"
  fi
done 2> /dev/null
true
"""
"""Arguments: user, group, further groups, a process, and paths in its file system, of which those are printed that the
user can write to. The shell enters each folder as root and then becomes the user, so that the attempt meets the
container's own mounts, though its image may have no program to make one."""
RUNTIME = re.compile(r"runc|crun|exe$|memfd|[0-9]+$")
"""Names of a process that the runtime has started, and that has not executed the container's program yet."""
READ_LINES = {"Name", "Uid", "NoNewPrivs", "Seccomp", *RIGHTS}
"""Lines that a process's status must have: some are lost if the process executes a program meanwhile."""
FOLDERS = ("/", "/app", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/var/tmp")  # noqa: S108


@dataclass(frozen=True)
class NodeView:
    """The release's containers as the nodes run them.

    Attributes:
        namespaces: Each node's own namespaces by kind, by the node's name.
        containers: The running containers, with their processes.
    """

    namespaces: Mapping[str, Mapping[str, str]]
    containers: tuple[RunningContainer, ...]


def read_containers(cluster: Cluster, pods: Sequence[Object]) -> NodeView:
    """Read the running containers of the pods, and try to write into each as its user. Raises `Untested`.

    A container that ends meanwhile is left out. Raises `CommandError` if one that runs can't be read.
    """
    known = running_containers(pods)
    namespaces: dict[str, Mapping[str, str]] = {}
    containers = []
    for node in cluster.nodes():
        namespaces[node.name], processes = parse_processes(node.exec("sh", "-c", READ, "sh", *known))
        main_processes = node.main_processes()
        for identifier in processes.keys() & main_processes.keys():
            found = tuple(processes[identifier])
            try:
                container = _container(node, *known[identifier], found, main_processes[identifier])
            except CommandError:
                # The process has ended: with its container, or it was not the main one, beside which it ran.
                main_process = node.main_processes().get(identifier)
                if main_process is None:
                    continue
                container = _container(node, *known[identifier], found, main_process)
            containers.append(container)
    return NodeView(namespaces, tuple(containers))


def _container(
    node: Node, pod: Object, name: str, processes: tuple[Process, ...], main_process: int
) -> RunningContainer:
    folder = f"/proc/{main_process}"
    mounts = parse_mounts(node.exec("cat", f"{folder}/mountinfo"))
    lines = node.exec(
        "sh", "-c", 'awk \'$4 == "0A" {print $2}\' "$0/net/tcp" "$0/net/tcp6"; readlink "$0/cwd"', folder
    ).split()
    identity = node.exec("grep", "-E", "^(Uid|Gid|Groups):", f"{folder}/status").splitlines()
    uid, gid, groups = identity[0].split()[2], identity[1].split()[2], ",".join(identity[2].split()[1:])
    paths = dict.fromkeys([*(each.point for each in mounts if each.writable), *FOLDERS, lines[-1]])
    candidates = [path for path in paths if not path.startswith(("/proc", "/sys"))]
    written = node.exec(*("sh", "-c", WRITE, "sh", uid, gid, groups, str(main_process)), *candidates).splitlines()
    ports = listening(" ".join(lines[:-1]), loopback=False)
    return RunningContainer(pod, name, processes, mounts, tuple(written), ports)


def parse_processes(text: str) -> tuple[dict[str, str], dict[str, list[Process]]]:
    """Parse what `READ` printed: the node's namespaces, and the processes by container; the runtime's are left out.

    So is a process that was read in part, since it, or the reading, ended meanwhile.
    """
    node: dict[str, str] = {}
    blocks: list[tuple[list[str], dict[str, str]]] = []
    for line in text.splitlines():
        first, *rest = line.split()
        if first == "node":
            node = dict(zip(SHARED_BY_PODS, rest, strict=True))
        elif first == "process":
            blocks.append((rest, {}))
        else:
            blocks[-1][1][first.rstrip(":")] = line.partition(":")[2].strip()
    found: dict[str, list[Process]] = {}
    for (identifier, pid, *namespaces), status in blocks:
        if READ_LINES - {key for key, value in status.items() if value} or RUNTIME.match(status["Name"]):
            continue
        found.setdefault(identifier, []).append(
            _process(int(pid), status, dict(zip(SHARED_BY_PODS, namespaces, strict=False)))
        )
    return node, found


def _process(pid: int, status: Mapping[str, str], namespaces: Mapping[str, str]) -> Process:
    return Process(
        pid=pid,
        name=status["Name"],
        uids=tuple(map(int, status["Uid"].split())),
        capabilities={key: int(value, 16) for key, value in status.items() if key.startswith("Cap")},
        no_new_privileges=status["NoNewPrivs"] == "1",
        seccomp=int(status["Seccomp"]),
        namespaces=namespaces,
        first=status.get("NSpid", "").split()[1:][-1:] == ["1"],
    )


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """Parse a process's mountinfo. Of several mounts at one point, the last one hides the others and counts."""
    found = {}
    for line in mountinfo.splitlines():
        fields, _, system = line.partition(" - ")
        point, options = fields.split()[4:6]
        readable_point = point.encode("latin-1", "backslashreplace").decode("unicode_escape")
        writable = "rw" in options.split(",") and "rw" in system.split()[2].split(",")
        found[readable_point] = Mount(readable_point, writable)
    return tuple(found.values())
