"""The user's cluster, named by a context of their kubeconfig: never made, configured or deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.core.deadlines import API_SERVER, NAMESPACE_GONE
from acceptance.core.fields import mapping_at, mappings_at
from acceptance.provision.providers.kind import CONTEXT_PREFIX, load_command
from acceptance.provision.run import CTR, LABEL, Run, read_record
from toolchain import Toolchain
from toolchain.console import CommandError, log, run

IMAGE_NAME = "io.containerd.image.name"
"""Annotation of an image in an archive's index."""
CONNECTION_REFUSED = "refused"
"""What kubectl says where nothing listens at the API server's address."""


@dataclass(frozen=True)
class ExistingProvider:
    """A cluster that the run did not make.

    `node` is the container that is the cluster's one node on this engine, or empty, and `node_reason` then says why
    there is none.
    """

    toolchain: Toolchain
    run: Run
    context: str
    node: str
    node_reason: str = ""

    @property
    def creates_cluster(self) -> bool:
        """Never."""
        return False

    @property
    def loads_early(self) -> bool:
        """Never: Kubernetes runs already."""
        return False

    @property
    def fixes_address(self) -> bool:
        """Never: the node is not made."""
        return False

    @property
    def lacking(self) -> Mapping[str, str]:
        """Everything that changes more than the release under test; without a node, its capabilities too."""
        whose = f"context {self.context} is an existing cluster"
        lacking = {
            "releases": f"{whose}: no other release is installed in it",
            "own-release": f"{whose}: the release in it was not installed by this run",
            "node-restart": f"{whose}: its node is not restarted",
            "mapped-port": f"{whose}: no port of its node is mapped to this machine",
        }
        return lacking if self.node else lacking | {"node": self.node_reason, "image-load": self.node_reason}

    def environment(self) -> dict[str, str]:
        """Return the variable that keeps Helm from dropping the oldest revisions of the user's release."""
        return {"HELM_MAX_HISTORY": "0"}

    def create(self) -> None:
        """Do nothing: the cluster is there."""

    def prepare_node(self) -> None:
        """Do nothing: the node is as its owner set it up."""

    def load_images(self, references: Sequence[str]) -> None:
        """Load images onto the node of a kind cluster. Raises `CommandError` with kind's words."""
        command = load_command(self.toolchain, self.context.removeprefix(CONTEXT_PREFIX), references)
        run(command, env=self.toolchain.engine.environment)

    def versions(self) -> dict[str, str]:
        """Return the context's name."""
        return {"context": self.context}

    def remove(self) -> list[str]:
        """Remove the run's namespace and images from the cluster; nothing is left to remove if it is gone."""
        if not self.node:
            return []  # without its node, nothing can have been put there
        record = read_record(self.run.folder)
        if release := record.get("release"):
            log("sweep", f"run {self.run.id} ended before it was sure that {release}")
        failures = self._delete_namespace()
        try:
            engine = self.toolchain.engine
            found = engine.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={self.node}").split()
            if not found and failures and CONNECTION_REFUSED in failures[0]:
                log(
                    "sweep",
                    f"the cluster of context {self.context} is gone, with everything that run {self.run.id} left",
                )
                return []
            self._remove_images()
        except CommandError as error:
            failures.append(str(error))
        return failures

    def _delete_namespace(self) -> list[str]:
        seconds = f"{NAMESPACE_GONE.seconds:g}s"
        wait = ("--timeout", seconds, f"--request-timeout={seconds}")
        where: list[str | Path] = ["--kubeconfig", self.run.kubeconfig, "--context", self.context]
        selector = ("--selector", f"{LABEL}={self.run.id}")
        try:
            run(
                [self.toolchain.kubectl, *where, "delete", "namespace", *selector, *wait],
                seconds=NAMESPACE_GONE.seconds + API_SERVER.seconds,
            )
        except CommandError as error:
            return [f"context {self.context}: {error.summary}"]
        return []

    def _ctr(self, *argv: str) -> str:
        return self.toolchain.engine.docker("exec", self.node, *CTR, *argv)

    def _remove_images(self) -> None:
        """Remove the run's images from the node by their exact names; content also tagged by others is kept."""
        names: dict[str, list[str]] = {}
        for line in self._ctr("images", "ls").splitlines()[1:]:
            name, _, digest, *_ = line.split()
            names.setdefault(digest, []).append(name)
        if not any(self._is_own(name) for same in names.values() for name in same):
            return
        removable = [name for digest, same in names.items() for name in self._removable(digest, same)]
        self._ctr("images", "rm", *removable)

    def _removable(self, digest: str, names: Sequence[str]) -> list[str]:
        """Which of the names that the content of a digest has are the run's, and may be removed."""
        removable = [name for name in names if self._is_own(name)]
        tagged = [name for name in names if not name.startswith("sha256:") and "@" not in name]
        if tagged and all(map(self._is_own, tagged)):  # the kubelet's name of the same content
            removable += [name for name in names if name.startswith("sha256:")]
        imported = [name for name in names if name.startswith("import-")]  # what kind has loaded, as a whole
        if imported and all(map(self._is_own, _image_names(self._ctr("content", "get", digest)))):
            removable += imported
        return removable

    def _is_own(self, name: str) -> bool:
        return name.endswith(f"-{self.run.id}")


def _image_names(index: str) -> list[str]:
    """The names of the images that an archive held when it was imported; one without images counts as unnamed."""
    manifests = mappings_at(json.loads(index), "manifests")
    return [str(mapping_at(each, "annotations").get(IMAGE_NAME)) for each in manifests] or [""]
