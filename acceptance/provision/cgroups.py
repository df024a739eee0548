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
PAUSE_SECONDS = 10
"""A process is frozen when it next returns from the kernel, which takes milliseconds."""


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


def resume_command(freezer: str) -> tuple[str, ...]:
    """Return the command that resumes a container, unless it is gone."""
    return ("sh", "-c", RESUME, "sh", freezer)
