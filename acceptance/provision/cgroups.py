"""The control groups of a container on its node, and how it is paused through them with every container runtime.

The commands are for the container's node; they end at once where the container is gone.
"""

from __future__ import annotations

CGROUPS = "/sys/fs/cgroup"
PAUSE = r"""
file=$1
case $file in
  */freezer.state)
    echo FROZEN > "$file"
    until grep -q FROZEN "$file"; do :; done ;;
  *)
    echo 1 > "$file"
    until grep -q 'frozen 1' "${file%/*}/cgroup.events"; do :; done ;;
esac
"""
RESUME = r"""
file=$1
[ -e "$file" ] || exit 0
case $file in
  */freezer.state) echo THAWED > "$file" ;;
  *) echo 0 > "$file" ;;
esac || [ ! -e "$file" ]
"""
PAUSE_NEXT = r"""
folder=$1 file=$2 tries=$3
known=" $(echo "$folder"/*/) "
paused=
resume() { [ -z "$paused" ] || echo "$RESUMED" > "$paused" || [ ! -e "$paused" ]; exit; }
trap resume TERM
case $file in freezer.state) PAUSED=FROZEN RESUMED=THAWED ;; *) PAUSED=1 RESUMED=0 ;; esac
echo watching
while [ "$tries" -gt 0 ]; do
  for found in "$folder"/*/; do
    case $known in *" $found "*) continue ;; esac
    read -r pid < "$found/cgroup.procs" && read -r name < "/proc/$pid/comm" || continue
    case $name in runc* | crun* | youki* | conmon* | exe) continue ;; esac
    paused=$found$file
    echo "$PAUSED" > "$paused" || continue
    echo paused
    while :; do sleep 0.2; done
  done
  sleep 0.02
  tries=$((tries - 1))
done 2> /dev/null
"""
"""Pauses the pod's next container once it runs a process that is not the runtime's own; at the end, resumes it.

A container that is paused earlier is never reported as running.
"""
PAUSE_SECONDS = 10
"""Time limit of freezing. A process freezes when it next returns from the kernel, within milliseconds."""


def cgroup_paths(text: str) -> dict[str, str]:
    """Return the folder of each controller from a process's cgroup file, that of cgroup v2 as the empty text."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = f"{CGROUPS}/{controllers}{path}" if controllers else f"{CGROUPS}{path}"
    return found


def freezer_of(text: str) -> str:
    """Return the file that pauses a container, from the cgroup file of one of its processes."""
    paths = cgroup_paths(text)
    return f"{paths['freezer']}/freezer.state" if "freezer" in paths else f"{paths['']}/cgroup.freeze"


def pause_command(freezer: str) -> tuple[str, ...]:
    """Return the command that pauses a container and ends when every process of it is frozen."""
    return ("timeout", str(PAUSE_SECONDS), "sh", "-euc", PAUSE, "sh", freezer)


def pause_next_command(freezer: str, seconds: float) -> tuple[str, ...]:
    """Return the command that pauses the next container of a pod as soon as it runs.

    It prints "watching" at once and "paused" when the container is, and resumes it on SIGTERM. If no container starts
    in time, it ends.

    Args:
        freezer: The file that pauses one of the pod's containers, as `freezer_of` returns it.
        seconds: How long the command waits for a new container, at least.
    """
    container, _, file = freezer.rpartition("/")
    return ("sh", "-c", PAUSE_NEXT, "sh", container.rpartition("/")[0], file, str(round(seconds / 0.02)))


def resume_command(freezer: str) -> tuple[str, ...]:
    """Return the command that resumes a container, unless it is gone."""
    return ("sh", "-c", RESUME, "sh", freezer)
