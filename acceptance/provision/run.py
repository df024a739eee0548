"""The identity of a run, and its record on disk.

Everything a run makes bears its id: containers, networks, image tags, objects, files. A run holds a lock for as long
as its process lives, so whoever can take the lock of a recorded run knows that its owner is dead.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from toolchain import cache

LABEL = "todo-chatbot-acceptance.run"
"""Label of every container, network and object that a run makes; its value is the run's id."""

CTR = ("ctr", "--namespace", "k8s.io")
"""containerd's client on a node, in Kubernetes' namespace of it."""


@dataclass(frozen=True)
class Context:
    """A context of the user's kubeconfig, which names an existing cluster.

    `kubeconfig` is the text of one that holds this context only. `node` is the identifier of the container on this
    engine that is the cluster's one node; it is empty where there is none, and `lacking` then says what that means.
    """

    name: str
    kubeconfig: str = field(repr=False)
    node: str = ""
    lacking: str = ""


@dataclass(frozen=True)
class Run:
    """One run: `id` of 8 hexadecimal digits; `folder` holds its files; `kept` is true for one that outlives pytest."""

    id: str
    folder: Path
    kept: bool
    reused: bool = False
    """Whether this process goes on with a kept run, whose cluster and database may exist already."""
    context: Context | None = None
    """The existing cluster that the run tests; None where the run makes a cluster."""
    clustered: bool = True
    """Whether the release is in a cluster, and not in containers on the run's network alone."""

    @property
    def cluster_name(self) -> str:
        """The name of the cluster that the run makes."""
        return f"pytest-todo-{self.id}"

    @property
    def network(self) -> str:
        """The name of the run's Docker network."""
        return f"todo-{self.id}"

    @property
    def kubeconfig(self) -> Path:
        """The run's kubeconfig, which holds one context."""
        return self.folder / "kubeconfig"

    @property
    def namespace(self) -> str:
        """The suite's namespace in the cluster."""
        return f"acceptance-{self.id}"


def runs_folder() -> Path:
    """Return the folder that has a folder for each run."""
    path = cache.directory() / "runs"
    path.mkdir(exist_ok=True)
    return path


def try_lock(path: Path) -> TextIO | None:
    """Take the lock of the run at `path`; None while its owner lives, or where it has just been removed."""
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


def read_record(path: Path) -> dict[str, object]:
    """Read the record of the run at `path`; empty where the run was killed before it wrote one."""
    try:
        loaded: dict[str, object] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded


def update_record(run: Run, **fields: object) -> None:
    """Set fields of the run's record, for whoever removes the run."""
    content = {**read_record(run.folder), **fields}
    staging = run.folder / "run.json.new"
    staging.write_text(json.dumps(content), encoding="utf-8")
    staging.replace(run.folder / "run.json")


def paused_containers(record: Mapping[str, object]) -> dict[str, str]:
    """Return the node's container by each container that an experiment of the run has paused."""
    found = record.get("paused")
    return {str(key): str(node) for key, node in found.items()} if isinstance(found, dict) else {}
