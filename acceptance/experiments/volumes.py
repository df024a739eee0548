"""Files that outlive a pod: they are written to its volumes, and searched for on the nodes once it is gone."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, dropwhile
from threading import Thread

from acceptance.checks.finding import Finding
from acceptance.checks.isolation import Process, container_spec, volume_kind
from acceptance.core.deadlines import VOLUME_GONE
from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.faults import FaultError, main_process
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node
from acceptance.snapshots.isolation import parse_processes

READ_ONLY = ("configMap", "secret", "projected", "downwardAPI", "image")
"""Kinds of volumes that a container can't write to."""
PREFIX = "acceptance-marker-"
PRUNED = ("/proc", "/sys", "/run/containerd", "/var/lib/containerd")
"""Folders without volumes: the kernel's file systems, and the containers' own layers."""
WATCH = r"""
declare -A known last
for folder in /proc/[0-9]*; do known[$folder]=1; done
exec 3<> <(:)
echo watching
while :; do
  for folder in /proc/[0-9]*; do
    [[ ${known[$folder]} ]] && continue
    { cgroups=$(< "$folder/cgroup"); } 2> /dev/null
    [[ $cgroups =~ ([0-9a-f]{64}) ]] || continue
    id=${BASH_REMATCH[1]} status=
    while read -r key value; do
      case $key in Name:|Uid:|NSpid:|NoNewPrivs:|Seccomp:|Cap*) status+="$key $value"$'\n' ;; esac
    done 2> /dev/null < "$folder/status"
    [[ $status == "${last[$folder]}" || $status != *Seccomp:* ]] && continue
    last[$folder]=$status
    printf 'process %s %s\n%s' "$id" "${folder#/proc/}" "$status"
  done
  read -rt 0.1 -u 3
done
"""
"""Prints a line, then the status of each process that begins in a container, and again whenever it changes."""


@dataclass(frozen=True, eq=False)
class Marker:
    """A file that was written to a pod's volume; `name` is unique."""

    pod: Object
    volume: str
    kind: str
    name: str


@dataclass
class Observed:
    """What `WATCH` has printed so far."""

    lines: list[list[str]] = field(default_factory=list)
    """The lines of each node."""

    def processes(self, container: str) -> tuple[Process, ...]:
        """Return the last state of each process of a container, by its identifier in the runtime.

        Processes before the container's own program are left out: they are the runtime's hooks, which run as root.
        """
        found = [parse_processes("".join(lines))[1].get(container, ()) for lines in self.lines]
        own = dropwhile(lambda process: not process.first, chain.from_iterable(found))
        return tuple({process.pid: process for process in own}.values())


def write_markers(cluster: Cluster, pod: Object) -> list[Marker]:
    """Write a file to each volume of the pod that a container can write to. Raises `FaultError`."""
    kinds = {text_at(volume, "name"): volume_kind(volume) for volume in mappings_at(pod, "spec.volumes")}
    markers: dict[str, Marker] = {}
    for container in mappings_at(pod, "spec.containers"):
        name = text_at(container, "name")
        for mount in mappings_at(container_spec(pod, name), "volumeMounts"):
            volume = text_at(mount, "name")
            kind = kinds.get(volume, "")
            if volume in markers or kind in READ_ONLY or mount.get("readOnly") is True:
                continue
            marker = Marker(pod, volume, kind, f"{PREFIX}{cluster.run.id}-{secrets.token_hex(6)}")
            folder = f"/proc/{main_process(cluster, pod, name)}/root{text_at(mount, 'mountPath')}"
            cluster.node_of(pod).exec("touch", f"{folder}/{marker.name}")
            markers[volume] = marker
    return list(markers.values())


def find_markers(cluster: Cluster) -> dict[Node, list[str]]:
    """Return by node the paths of every marker of the run that exists, in volumes of running pods too."""
    pruned = [part for path in PRUNED for part in ("-path", path, "-o")][:-1]
    search = ("find", "/", "(", *pruned, ")", "-prune", "-o", "-name", f"{PREFIX}{cluster.run.id}-*", "-print")
    command = ("sh", "-c", '"$@" 2> /dev/null; true', "sh", *search)
    return {node: node.exec(*command).splitlines() for node in cluster.nodes()}


def require_found(cluster: Cluster, markers: Iterable[Marker]) -> None:
    """Check that new markers are found on the nodes: otherwise markers that stay would seem to be gone.

    Raises:
        FaultError: A marker is not found.
    """
    written = tuple(markers)
    found = remaining(written, find_markers(cluster))
    if hidden := [marker for marker in written if marker not in found]:
        raise FaultError(f"the file written to volume {hidden[0].volume} is not found on a node")


def remaining(markers: Iterable[Marker], found: Mapping[Node, Iterable[str]]) -> dict[Marker, str]:
    """Return the markers that are among the paths found on the nodes, each with its path."""
    by_name = {path.rpartition("/")[2]: path for paths in found.values() for path in paths}
    return {marker: by_name[marker.name] for marker in markers if marker.name in by_name}


def wait_gone(cluster: Cluster, markers: Iterable[Marker]) -> None:
    """Wait until no marker is left on the node. Raises `WaitError`."""
    written = tuple(markers)

    def probe() -> None:
        if left := remaining(written, find_markers(cluster)):
            raise NotYet(f"{len(left)} of {len(written)} files are there: {', '.join(left.values())}")

    eventually("no file of a deleted pod to be left on a node", probe, VOLUME_GONE)


def remove_markers(cluster: Cluster) -> None:
    """Remove the run's markers from volumes that outlive their pods."""
    for node, paths in find_markers(cluster).items():
        if paths:
            node.exec("rm", "-f", *paths)


def volume_findings(left: dict[Marker, str]) -> Iterator[Finding]:
    """Yield a finding of PER-07 for each file that outlived its pod."""
    for marker, path in left.items():
        field_ = f"volume {marker.volume} ({marker.kind})"
        yield Finding("PER-07", f"Pod/{name_of(marker.pod)}", field_, "gone with its pod", f"a file at {path}")


@contextmanager
def observed_processes(cluster: Cluster) -> Iterator[Observed]:
    """Observe the processes that begin in any container of the nodes from entry to exit. Raises `FaultError`."""
    observed = Observed()
    readers = []
    with ExitStack() as stack:
        for node in cluster.nodes():
            stream = stack.enter_context(node.stream("bash", "-c", WATCH))
            if not stream.readline():
                raise FaultError(f"the processes of node {node.name} can't be watched")
            lines: list[str] = []
            observed.lines.append(lines)
            readers.append(Thread(target=lines.extend, args=[stream], daemon=True))
            readers[-1].start()
        yield observed
    for reader in readers:
        reader.join()
