"""Pressure on a container's limits, from the node: processes of the suite join its cgroups and use memory or CPU.

No program of the image and no route of the application is needed. The processes end by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from acceptance.checks.isolation import container_spec
from acceptance.core.fields import Object, at, name_of
from acceptance.experiments.faults import FaultError, main_process
from acceptance.kube.quantity import quantity
from acceptance.provision.cgroups import cgroup_paths
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node

BEYOND = Decimal("1.5")
"""How much is written in a container, as a multiple of its memory limit, and so at most used of the node's memory."""
MEMORY_SECONDS = 20
"""Seconds for the writing. 512 MiB take under 1 s here; a busy machine gets twenty times that."""
EXHAUST = r"""
bytes=$1 seconds=$2 adjustment=$3 group=$4
(
  echo "$adjustment" 2> /dev/null > /proc/self/oom_score_adj
  echo 0 > "$group/cgroup.procs" || exit
  exec timeout -s KILL "$seconds" unshare --mount sh -c \
    'mount -t tmpfs -o "size=$0" tmpfs /mnt && echo writing >&3 &&
     exec dd if=/dev/zero of=/mnt/pressure bs=64K status=none 3>&-' "$bytes"
) 3>&1 > /dev/null 2>&1
true
"""
"""The pages of a file are charged to the container, while the process that writes it stays smaller than any of the
application's, so the kernel kills the application. The file is on a mount of the process's own, which ends with it.
Prints `writing` once the process is in the container's cgroup and its mount exists."""
BURN = r"""
count=$1 seconds=$2 usage=$3 stat=$4
shift 4
for group in "$@"; do echo 0 > "$group/cgroup.procs" || exit 1; done
reading() {
  date +%s%N; cat "$usage" "$stat"
  read -r _ user nice system idle waiting interrupt soft stolen _ < /proc/stat
  echo "idle $((idle + waiting))"
  echo "total $((user + nice + system + idle + waiting + interrupt + soft + stolen))"
  echo end
}
reading
while [ "$count" -gt 0 ]; do timeout "$seconds" sh -c 'while :; do :; done' & count=$((count - 1)); done
wait
reading
"""


@dataclass(frozen=True)
class Limits:
    """A container's limits in bytes and cores; None where its specification has none."""

    memory: Decimal | None
    cpu: Decimal | None


@dataclass(frozen=True)
class CpuUse:
    """What a container used while it was loaded.

    Attributes:
        cores: On average.
        throttled: Periods of the kernel in which it was throttled.
        idle: Share of its node's CPU time that nobody used, 0 to 1.
    """

    cores: float
    throttled: int
    idle: float


def limits_of(pod: Object, container: str) -> Limits:
    """Return the limits of a container's specification."""
    spec = container_spec(pod, container)
    return Limits(*(quantity(at(spec, f"resources.limits.{resource}")) for resource in ("memory", "cpu")))


def exhaust_memory(cluster: Cluster, pod: Object, container: str, limit: Decimal) -> None:
    """Write more memory in a container than its limit, until the kernel kills one of its processes.

    Args:
        cluster: The cluster that runs the pod.
        pod: The pod.
        container: The container's name.
        limit: The container's memory limit in bytes.

    Raises:
        FaultError: The container does not run, or nothing could be written in its cgroup.
    """
    pid = main_process(cluster, pod, container)
    node = cluster.node_of(pod)
    groups = _cgroups(node, pid)
    group = groups.get("memory") or groups[""]
    # Below the application's, where the node may lower it, so that a Guaranteed pod's process is still chosen first.
    adjustment = max(-1000, min(0, int(node.exec("cat", f"/proc/{pid}/oom_score_adj")) - 1))
    arguments = (str(int(limit * BEYOND)), str(MEMORY_SECONDS), str(adjustment), group)
    if "writing" not in node.exec("sh", "-c", EXHAUST, "sh", *arguments):
        raise FaultError(f"no memory could be used in the cgroup of container {container} of pod {name_of(pod)}")


def use_cpu(cluster: Cluster, pod: Object, container: str, processes: int, seconds: float) -> CpuUse:
    """Load a container's CPU with busy processes for some time. Raises `FaultError` or `CommandError`."""
    pid = main_process(cluster, pod, container)
    node = cluster.node_of(pod)
    groups = _cgroups(node, pid)
    if "cpu" in groups:
        usage, joined = f"{groups['cpuacct']}/cpuacct.usage", list(dict.fromkeys((groups["cpu"], groups["cpuacct"])))
    else:
        usage, joined = "/dev/null", [groups[""]]
    stat = f"{joined[0]}/cpu.stat"
    text = node.exec("sh", "-c", BURN, "sh", str(processes), f"{seconds:g}", usage, stat, *joined)
    return cpu_use(text)


def cpu_use(text: str) -> CpuUse:
    """Return the use between the two readings that `BURN` printed."""
    (start, before), (end, after) = map(_reading, text.strip().removesuffix("end").split("end\n"))
    return CpuUse(
        cores=(after["usage"] - before["usage"]) / (end - start),
        throttled=int(after["nr_throttled"] - before["nr_throttled"]),
        idle=(after["idle"] - before["idle"]) / (after["total"] - before["total"]),
    )


def _reading(text: str) -> tuple[float, Mapping[str, float]]:
    """Return the moment of a reading and its figures, in nanoseconds; that of `cpuacct.usage` (v1) has no name."""
    moment, *lines = text.split("\n")
    figures: dict[str, float] = {}
    for line in filter(None, lines):
        *name, value = line.split()
        figures[name[0] if name else "usage"] = float(value)
    with suppress(KeyError):
        figures.setdefault("usage", figures["usage_usec"] * 1000)
    return float(moment), figures


def _cgroups(node: Node, pid: int) -> dict[str, str]:
    return cgroup_paths(node.exec("cat", f"/proc/{pid}/cgroup"))


def cores_of_largest_node(cluster: Cluster) -> int:
    """Return how many cores the largest node has."""
    return max(int(node.exec("nproc")) for node in cluster.nodes())
