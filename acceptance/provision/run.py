"""The identity of a run, and its record on disk.

Everything a run creates bears its id: containers, networks, image tags, objects, files. A run holds a lock for as long
as its process lives, so a process that can take the lock of a recorded run knows that its owner is dead.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from toolchain import cache

LABEL = "todo-chatbot-acceptance.run"
"""Label of every container, network and object that a run creates; its value is the run's id."""


@dataclass(frozen=True)
class Context:
    """A context of the user's kubeconfig, which names an existing cluster.

    Attributes:
        name: The context's name.
        kubeconfig: The text of a kubeconfig that holds this context only.
        nodes: The identifiers of the containers on this engine that are the cluster's nodes, if they are.
        registry: Where images for the cluster are pushed, as `HOST/PREFIX`; empty for none.
        node_access: Whether the user permits privileged pods of the suite on the nodes.
        missing_rights: What the context's user may not do, of what the suite's own namespace needs.
        own_release: Whether the run installs a release of its own, and tests that one.
    """

    name: str
    kubeconfig: str = field(repr=False)
    nodes: tuple[str, ...] = ()
    registry: str = ""
    node_access: bool = False
    missing_rights: str = ""
    own_release: bool = False

    def record(self) -> dict[str, object]:
        """Return what the run's record keeps of it: all but the credentials."""
        return {key: value for key, value in asdict(self).items() if key != "kubeconfig"}


@dataclass(frozen=True)
class OwnCluster:
    """The cluster that a run creates.

    Attributes:
        provider: The provider's name, as the command line has it; `none` for no cluster.
        nodes: How many nodes it has.
        node_image: The image of its nodes; empty for the toolchain's.
    """

    provider: str = "kind"
    nodes: int = 1
    node_image: str = ""


@dataclass(frozen=True)
class Run:
    """One run: `id` of 8 hexadecimal digits; `folder` holds its files; `kept` is true for one that outlives pytest."""

    id: str
    folder: Path
    kept: bool
    reused: bool = False
    """Whether this process goes on with a kept run, whose cluster and database may exist already."""
    context: Context | None = None
    """The existing cluster that the run tests; None where the run creates a cluster."""
    own_cluster: OwnCluster = OwnCluster()
    """The cluster that the run creates, where it tests no existing one."""

    @property
    def clustered(self) -> bool:
        """Whether the release runs in a cluster, and not only in containers on the run's network."""
        return self.own_cluster.provider != "none"

    @property
    def outlived(self) -> bool:
        """Whether the cluster remains when the run has ended: it is kept, or the run did not create it."""
        return self.kept or self.context is not None

    @property
    def cluster_name(self) -> str:
        """The name of the cluster that the run creates."""
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

    @property
    def release_namespace(self) -> str:
        """The namespace of a release that the run installs in an existing cluster."""
        return f"{self.namespace}-release"

    @property
    def registry(self) -> str:
        """Where images for the cluster are pushed, as `HOST/PREFIX`; empty where they are loaded onto its nodes."""
        return self.context.registry if self.context else ""


def runs_folder() -> Path:
    """Return the folder that has a folder for each run."""
    path = cache.directory() / "runs"
    path.mkdir(exist_ok=True)
    return path


def try_lock(path: Path) -> TextIO | None:
    """Take the lock of the run at `path`; None while its owner runs, or where it has just been removed."""
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


def recorded_context(path: Path) -> Context | None:
    """Return the existing cluster that a recorded run has tested, without its credentials; None for another run."""
    found = read_record(path).get("context")
    if not isinstance(found, dict):
        return None
    return Context(**{**found, "nodes": tuple(found["nodes"]), "kubeconfig": ""})


def recorded_cluster(path: Path) -> OwnCluster:
    """Return the cluster that a recorded run created; the default if the run was killed before that was recorded."""
    found = read_record(path).get("own_cluster")
    return OwnCluster(**found) if isinstance(found, dict) else OwnCluster()


def update_record(run: Run, **fields: object) -> None:
    """Set fields of the run's record, which is read when the run is removed."""
    content = {**read_record(run.folder), **fields}
    staging = run.folder / "run.json.new"
    staging.write_text(json.dumps(content), encoding="utf-8")
    staging.replace(run.folder / "run.json")


def paused_freezers(record: Mapping[str, object]) -> dict[str, str]:
    """Return the freezers through which an experiment has paused a container, each with its node's name."""
    found = record.get("paused")
    return {str(key): str(node) for key, node in found.items()} if isinstance(found, dict) else {}
