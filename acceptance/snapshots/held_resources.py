"""Reads on the nodes what the release's containers hold: open files, threads, and bytes in their emptyDirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from acceptance.checks.growth import OPEN_FILES, THREADS, VOLUME_BYTES, Held
from acceptance.checks.isolation import declared_mounts
from acceptance.core.fields import Object, name_of
from acceptance.kube.status import running_containers
from acceptance.provision.cluster import Cluster

READ = r"""
grep -EHso '[0-9a-f]{64}' /proc/[0-9]*/cgroup | sort -u | while IFS=: read -r file id; do
  case " $* " in *" $id "*) ;; *) continue ;; esac
  folder=${file%/cgroup}
  printf '%s %s %s\n' "$id" "$(ls "$folder/fd" | wc -l)" "$(ls "$folder/task" | wc -l)"
done 2> /dev/null
"""
"""Arguments: identifiers of containers. Prints for each of their processes the identifier, open files and threads."""
MEASURE = 'du -sbx "$@" 2> /dev/null; true'
"""Arguments: folders. Prints the bytes in each, and its path."""


def read_held_resources(cluster: Cluster, pods: Sequence[Object]) -> dict[str, Held]:
    """Return what each running container holds, by its identifier in the runtime. Raises `Untested`."""
    known = running_containers(pods)
    held = {}
    for node in cluster.nodes():
        main_processes = {key: pid for key, pid in node.main_processes().items() if key in known}
        if not main_processes:
            continue
        folders = [
            f"/proc/{pid}/root{path}"
            for key, pid in main_processes.items()
            for path, kind in declared_mounts(*known[key]).items()
            if kind == "emptyDir"
        ]
        counted = parse_processes(node.exec("sh", "-c", READ, "sh", *main_processes))
        stored = parse_folders(node.exec("sh", "-c", MEASURE, "sh", *folders)) if folders else Counter()
        for key, pid in main_processes.items():
            pod, name = known[key]
            held[key] = Held(name_of(pod), name, {**counted.get(key, {}), VOLUME_BYTES: stored[pid]})
    return held


def parse_processes(text: str) -> dict[str, Counter[str]]:
    """Parse what `READ` printed: the sums of open files and of threads, by the container's identifier."""
    sums: dict[str, Counter[str]] = {}
    for line in text.splitlines():
        identifier, files, threads = line.split()
        sums.setdefault(identifier, Counter()).update({OPEN_FILES: int(files), THREADS: int(threads)})
    return sums


def parse_folders(text: str) -> Counter[int]:
    """Parse what `MEASURE` printed of folders `/proc/PID/root/PATH`: the sum of bytes by PID."""
    sums: Counter[int] = Counter()
    for line in text.splitlines():
        size, _, path = line.partition("\t")
        sums[int(path.split("/")[2])] += int(size)
    return sums
