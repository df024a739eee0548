#!/usr/bin/env python3
"""A wrapper of runc that requests no more than the host grants.

If the engine's bounding set lacks a capability, runc fails on every privileged container with "unable to apply caps:
operation not permitted". This wrapper removes such capabilities from the request, and a negative oom_score_adj (which
needs CAP_SYS_RESOURCE), then executes runc.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# Capability numbers in the kernel's order: include/uapi/linux/capability.h.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def bounding_set(status: str) -> set[str]:
    """Return the capabilities, as `CAP_…`, in the CapBnd line of a /proc/PID/status."""
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd"))
    return {f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if mask >> number & 1}


def restrict(process: dict[str, Any], allowed: set[str]) -> None:
    """Remove from an OCI `process`, in place, what the host does not grant."""
    sets = process.get("capabilities") or {}
    for name, requested in sets.items():
        sets[name] = [capability for capability in requested or [] if capability in allowed]
    if (process.get("oomScoreAdj") or 0) < 0:
        process["oomScoreAdj"] = 0


def option(arguments: list[str], *names: str) -> str | None:
    """Return the value of a command-line option, given as `--name VALUE` or `--name=VALUE`."""
    for position, argument in enumerate(arguments):
        if argument in names and position + 1 < len(arguments):
            return arguments[position + 1]
        for name in names:
            if argument.startswith(f"{name}="):
                return argument.partition("=")[2]
    return None


def prepare(arguments: list[str]) -> None:
    """Rewrite the file that runc is about to read: the bundle's config.json, or the process file of `exec`."""
    path: Path | None = None
    if "create" in arguments or "run" in arguments:
        path = Path(option(arguments, "--bundle", "-b") or ".") / "config.json"
    elif "exec" in arguments and (process := option(arguments, "--process", "-p")):
        path = Path(process)
    if path is None or not path.is_file():
        return
    document = json.loads(path.read_text(encoding="utf-8"))
    allowed = bounding_set(Path("/proc/self/status").read_text(encoding="ascii"))
    restrict(document.get("process", document), allowed)
    path.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    prepare(sys.argv[1:])
    os.execvp("runc", ["runc", *sys.argv[1:]])  # noqa: S606
