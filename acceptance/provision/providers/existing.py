"""The user's cluster, named by a context of their kubeconfig: never made, configured or deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from docker.auth import load_config

from acceptance.core.deadlines import API_SERVER, NAMESPACE_GONE, UNINSTALLED, Deadline
from acceptance.core.fields import mapping_at, mappings_at
from acceptance.kube.helm import INSTALLED, Helm
from acceptance.provision.containerd import CTR
from acceptance.provision.providers import node_containers
from acceptance.provision.providers.kind import CONTEXT_PREFIX, load_command
from acceptance.provision.run import LABEL, Context, Run, read_record
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, log, run

IMAGE_NAME = "io.containerd.image.name"
"""Annotation of an image in an archive's index."""
CONNECTION_REFUSED = "refused"
"""What kubectl says where nothing listens at the API server's address."""


@dataclass(frozen=True)
class ExistingProvider:
    """A cluster that the run did not make."""

    creates_cluster: ClassVar[bool] = False
    loads_early: ClassVar[bool] = False
    """Kubernetes runs already."""
    fixes_address: ClassVar[bool] = False
    """The run creates no node."""

    toolchain: Toolchain
    run: Run
    user_context: Context

    @property
    def context(self) -> str:
        """The user's name of the context."""
        return self.user_context.name

    @property
    def nodes(self) -> tuple[str, ...]:
        """The identifiers of the containers that are the nodes of a kind cluster on this engine, else nothing."""
        return self.user_context.nodes

    @property
    def lacking(self) -> Mapping[str, str]:
        """Everything that changes more than the release under test, and what the user's options do not permit."""
        whose = f"context {self.context} is an existing cluster"
        lacking = {
            "node-restart": f"{whose}: its nodes are not restarted",
            "mapped-port": f"{whose}: no port of its nodes is mapped to this machine",
            "metrics-server": f"{whose}: metrics-server is not installed in it",
            "engine-network": f"{whose}: its pods need not reach containers of this machine",
            "image-names": f"{whose}: images on its nodes get no names but those with the run's id",
        }
        if not self.user_context.own_release:
            lacking |= {
                "releases": f"{whose}: no other release is installed in it",
                "own-release": f"{whose}: the release in it was not installed by this run",
            }
        missing = self.user_context.missing_rights
        if missing:
            lacking["image-load"] = f"{whose}, in which your user may not {missing}"
        elif not self.nodes and not self.user_context.registry:
            lacking["image-load"] = (
                f"{whose} and no kind cluster on this engine: name a registry for the suite's image with --registry"
            )
        if not self.user_context.node_access:
            lacking["node"] = f"{whose}: commands run on its nodes only with --allow-node-access"
        elif "image-load" in lacking:
            lacking["node"] = lacking["image-load"]
        return lacking

    def environment(self) -> dict[str, str]:
        """Return the variable that keeps Helm from dropping the oldest revisions of the user's release."""
        return {"HELM_MAX_HISTORY": "0"}

    def create(self) -> None:
        """Do nothing: the cluster is there."""

    def prepare_nodes(self) -> None:
        """Do nothing: the nodes are as their owner set them up."""

    def nodes_up(self) -> bool:
        """Return whether containerd answers on every node that is a container."""
        return node_containers.up(self.toolchain.engine, self.nodes)

    def load_images(self, references: Sequence[str]) -> None:
        """Load images onto the nodes of a kind cluster, or push them to the registry. Raises `ToolchainError`."""
        engine = self.toolchain.engine
        if not self.user_context.registry:
            node_containers.load(engine, self.nodes, references, self._load)
            return
        for reference in references:
            try:
                engine.docker("push", "--quiet", reference)
            except CommandError as error:
                raise ToolchainError(
                    f"the registry {self.user_context.registry} refuses {reference} ({error.summary}): log in with "
                    "`docker login`, or name another one with --registry"
                ) from error

    def _load(self, references: Sequence[str]) -> None:
        command = load_command(self.toolchain, self.context.removeprefix(CONTEXT_PREFIX), references)
        run(command, env=self.toolchain.engine.environment)

    def registry_credentials(self) -> str:
        """Return the user's credentials of the registry as a node needs them; empty where it needs none."""
        if not self.user_context.registry:
            return ""
        host = self.user_context.registry.split("/")[0]
        found = _credentials(host)
        return json.dumps({"auths": {host: found}}) if found else ""

    def versions(self) -> dict[str, str]:
        """Return the context's name, and whose release is in it."""
        own = {"namespace of the run's release": self.run.release_namespace} if self.user_context.own_release else {}
        return {"context": self.context, **own}

    def remove(self) -> list[str]:
        """Remove the run's releases, namespaces and images from the cluster; nothing is left to remove if it is gone.

        What nodes have pulled from a registry is left to the kubelet's garbage collection of images.
        """
        if "image-load" in self.lacking:
            return []  # nothing can have been put there
        record = read_record(self.run.folder)
        if release := record.get("release"):
            log("sweep", f"run {self.run.id} ended before it was sure that {release}")
        failures = self._delete_namespaces()
        try:
            if self._is_gone() and failures and CONNECTION_REFUSED in failures[0]:
                log(
                    "sweep",
                    f"the cluster of context {self.context} is gone, with everything that run {self.run.id} left",
                )
                return []
            for node in self.nodes:
                self._remove_images(node)
        except CommandError as error:
            failures.append(str(error))
        return failures

    def _is_gone(self) -> bool:
        """Return whether the nodes were containers of this engine, and it has none of them any more."""
        filters = [word for node in self.nodes for word in ("--filter", f"id={node}")]
        return bool(filters) and not self.toolchain.engine.docker("ps", "--all", "--quiet", *filters).split()

    def _delete_namespaces(self) -> list[str]:
        failures = []
        chosen: tuple[str, ...] = ("--selector", f"{LABEL}={self.run.id}")
        deadline = NAMESPACE_GONE
        try:
            if self.user_context.own_release:
                chosen, deadline = self._namespaces(), UNINSTALLED
                failures += self._uninstall_releases(chosen)
            if chosen:
                self._kubectl("delete", "namespace", *chosen, deadline=deadline)
        except CommandError as error:
            failures.append(f"context {self.context}: {error.summary}")
        return failures

    def _namespaces(self) -> tuple[str, ...]:
        """Return the run's namespaces, by name: a chart makes its own without the run's label."""
        names = self._kubectl("get", "namespaces", "--output", "jsonpath={.items[*].metadata.name}").split()
        own = self.run.namespace
        return tuple(name for name in names if name == own or name.startswith(f"{own}-"))

    def _uninstall_releases(self, namespaces: Sequence[str]) -> list[str]:
        """Uninstall what was installed in the run's namespaces: a chart may have objects in no namespace."""
        helm, failures = Helm(self.toolchain.helm, self.run.kubeconfig, self.context), []
        for namespace in namespaces:
            where = ("--namespace", namespace)
            try:
                for release in helm("list", *INSTALLED, "--short", *where).split():
                    helm("uninstall", release, "--ignore-not-found", *where)
            except CommandError as error:
                failures.append(f"context {self.context}: {error.summary}")
        return failures

    def _kubectl(self, *argv: str, deadline: Deadline = API_SERVER) -> str:
        """Run kubectl on the cluster with a time limit for each request, and a longer one for the command."""
        seconds = f"{deadline.seconds:g}s"
        where: list[str | Path] = ["--kubeconfig", self.run.kubeconfig, "--context", self.context]
        wait = ("--timeout", seconds) if argv[0] == "delete" else ()
        command = [self.toolchain.kubectl, *where, *argv, *wait, f"--request-timeout={seconds}"]
        return run(command, seconds=deadline.seconds + API_SERVER.seconds)

    def _ctr(self, node: str, *argv: str) -> str:
        return self.toolchain.engine.docker("exec", node, *CTR, *argv)

    def _remove_images(self, node: str) -> None:
        """Remove the run's images from a node by their exact names; content also tagged by others is kept."""
        names: dict[str, list[str]] = {}
        for line in self._ctr(node, "images", "ls").splitlines()[1:]:
            name, _, digest, *_ = line.split()
            names.setdefault(digest, []).append(name)
        if not any(self._is_own(name) for same in names.values() for name in same):
            return
        removable = [name for digest, same in names.items() for name in self._removable(node, digest, same)]
        self._ctr(node, "images", "rm", *removable)

    def _removable(self, node: str, digest: str, names: Sequence[str]) -> list[str]:
        """Return those names of an image's content that are the run's, and may be removed."""
        removable = [name for name in names if self._is_own(name)]
        tagged = [name for name in names if not name.startswith("sha256:") and "@" not in name]
        if tagged and all(map(self._is_own, tagged)):  # the kubelet's name of the same content
            removable += [name for name in names if name.startswith("sha256:")]
        imported = [name for name in names if name.startswith("import-")]  # what kind has loaded, as a whole
        if imported and all(map(self._is_own, _image_names(self._ctr(node, "content", "get", digest)))):
            removable += imported
        return removable

    def _is_own(self, name: str) -> bool:
        return name.endswith(f"-{self.run.id}")


def _credentials(host: str) -> dict[str, str]:
    """Return the user's credentials for a registry, as the configuration of a node has them; docker-py finds them."""
    found = load_config().resolve_authconfig(host) or {}
    return {key: str(found[name]) for key in ("username", "password") for name in (key, key.title()) if found.get(name)}


def _image_names(index: str) -> list[str]:
    """Return the names that an imported archive gave its images; for an archive without images, one empty name."""
    manifests = mappings_at(json.loads(index), "manifests")
    return [str(mapping_at(each, "annotations").get(IMAGE_NAME)) for each in manifests] or [""]
