"""The run's identity, and the sweep of what dead runs left.

Everything a run makes bears its id: containers, networks, image tags, objects, files. A run holds a lock for as long
as it lives, so whoever can take the lock of a recorded run knows that its owner is dead. In a cluster of the user's own
that is a namespace and an image: they are removed, and nothing else there.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from acceptance.provision.user_context import Context
from toolchain import cache

LABEL = "todo-chatbot-acceptance.run"
"""Label of every container, network and object that a run makes; its value is the run's id."""

CTR = ("ctr", "--namespace", "k8s.io")
"""containerd's client on a node, among what Kubernetes has there."""


@dataclass(frozen=True)
class Run:
    """One run: `id` of 8 hexadecimal digits; `folder` holds its files; `kept` is true for one that outlives pytest."""

    id: str
    folder: Path
    kept: bool
    reused: bool = False
    """Whether a kept run goes on: its cluster and database may be there already."""
    context: Context | None = None
    """The user's own cluster that the run is on; None where the run makes one."""

    @property
    def cluster_name(self) -> str:
        return f"pytest-todo-{self.id}"

    @property
    def network(self) -> str:
        return f"todo-{self.id}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def namespace(self) -> str:
        """The suite's own namespace in the cluster."""
        return f"acceptance-{self.id}"


def folder() -> Path:
    path = cache.directory() / "runs"
    path.mkdir(exist_ok=True)
    return path


def try_lock(path: Path) -> TextIO | None:
    """The lock of the run at `path`, or None while its owner lives, or where it has just been removed."""
    try:
        handle = (path / "lock").open("a", encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def record(path: Path) -> dict[str, object]:
    """What the run at `path` says of itself; nothing where it was killed before it could."""
    try:
        loaded: dict[str, object] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded


def update_record(run_: Run, **more: object) -> None:
    """Add to what the run says of itself, for whoever removes it."""
    content = {**record(run_.folder), **more}
    aside = run_.folder / "run.json.new"
    aside.write_text(json.dumps(content), encoding="utf-8")
    aside.replace(run_.folder / "run.json")


def paused_containers(said: Mapping[str, object]) -> dict[str, str]:
    """The node's container by each container that an experiment of the run has frozen, as its record says."""
    found = said.get("frozen")
    return {str(key): str(node) for key, node in found.items()} if isinstance(found, dict) else {}
