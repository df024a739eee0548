"""The context of an existing cluster, read from the user's kubeconfig, which is never written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from acceptance.core.deadlines import API_SERVER
from acceptance.core.fields import Object, mappings_at, text_at
from acceptance.provision.providers.kind import find_nodes
from acceptance.provision.run import Context
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run

RIGHTS = ("create namespaces", "delete namespaces", "create pods", "delete pods", "create services")
"""The rights that the suite's own namespace needs, with the gateway's pod in it, as verbs and resources."""
NODE_RIGHTS = ("create daemonsets.apps", "list pods", "create pods/exec")
"""The further rights that the suite's pods on the nodes need."""
RELEASE_RIGHTS = (
    "list namespaces",
    "create secrets",
    "patch serviceaccounts",
    "create configmaps",
    "create deployments.apps",
    "create horizontalpodautoscalers.autoscaling",
    "list pods",
    "create pods/exec",
    "create pods/portforward",
)
"""The further rights that a release of the run's own needs, with its database and model."""
CREDENTIALS = ("token", "password", "client-key-data")
"""Fields of a kubeconfig's user that are secret."""


def read_context(
    toolchain: Toolchain,
    name: str,
    redact: Callable[[str], None],
    *,
    registry: str = "",
    node_access: bool = False,
    own_release: bool = False,
) -> Context:
    """Read a context of the user's kubeconfig, which the environment variable `KUBECONFIG` may name.

    Args:
        toolchain: The tools of this machine.
        name: The context's name.
        redact: Called with every secret that the kubeconfig holds.
        registry: Where images for the cluster are pushed, as `HOST/PREFIX`; empty for none.
        node_access: Whether the user permits privileged pods of the suite on the nodes.
        own_release: Whether the run installs a release of its own.

    Raises:
        ToolchainError: There is no such context, its API server does not answer in time, its user may not do what
            an option needs, or images can't get to the nodes of a release of the run's own.
    """
    view: list[str | Path] = [toolchain.kubectl, "config", "view", "--minify", "--flatten", "--raw", "--context", name]
    try:
        text = run(view)
    except CommandError as error:
        known = ", ".join(run([toolchain.kubectl, "config", "get-contexts", "--output", "name"]).split())
        cure = f"name one of {known}" if known else "it has no context; see KUBECONFIG"
        raise ToolchainError(f"your kubeconfig has no usable context {name} ({error.summary}): {cure}") from error
    for secret in _credentials(text):
        with suppress(ValueError):  # too short to be distinguished from ordinary words
            redact(secret)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        server = _Server(toolchain, name, path)
        nodes = find_nodes(toolchain, name, server.nodes())
        missing = server.missing_rights(RIGHTS)
        options = (("--allow-node-access", node_access, NODE_RIGHTS), ("--own-release", own_release, RELEASE_RIGHTS))
        for option, given, rights in options:
            if given and (denied := [*missing, *server.missing_rights(rights)]):
                raise ToolchainError(
                    f"{option} needs rights that the user of context {name} lacks: {', '.join(denied)}; "
                    "grant them, or omit the option"
                )
    if own_release and not nodes and not registry:
        raise ToolchainError(
            f"--own-release needs its images on the nodes, and context {name} is not a kind cluster on this engine: "
            "name a registry with --registry"
        )
    return Context(name, text, nodes, registry, node_access, ", ".join(missing), own_release)


def _credentials(kubeconfig: str) -> list[str]:
    users = mappings_at(yaml.safe_load(kubeconfig), "users")
    return [secret for user in users for key in CREDENTIALS if (secret := text_at(user, f"user.{key}"))]


@dataclass(frozen=True)
class _Server:
    """The API server of a context, through a kubeconfig of that context alone."""

    toolchain: Toolchain
    context: str
    kubeconfig: Path

    def _kubectl(self, *argv: str) -> str:
        wait = f"--request-timeout={API_SERVER.seconds:g}s"
        where: list[str | Path] = ["--kubeconfig", self.kubeconfig, "--context", self.context, wait]
        return run([self.toolchain.kubectl, *where, *argv], seconds=2 * API_SERVER.seconds)

    def nodes(self) -> Sequence[Object]:
        try:
            return mappings_at(json.loads(self._kubectl("get", "nodes", "--output", "json")), "items")
        except CommandError as error:
            raise ToolchainError(
                f"the API server of context {self.context} did not list its nodes within {API_SERVER.seconds:g} s "
                f"({error.summary}): start that cluster, or name another context"
            ) from error

    def missing_rights(self, rights: Iterable[str]) -> list[str]:
        """Return the rights, each a verb and a resource, that the user does not have in every namespace.

        Raises:
            ToolchainError: The API server did not say.
        """
        missing = []
        for right in rights:
            try:
                answer = self._kubectl("auth", "can-i", *right.split(), "--all-namespaces")
            except CommandError as error:
                answer = error.stdout
                if not answer.startswith("no"):
                    raise ToolchainError(
                        f"the API server of context {self.context} did not say whether its user may {right}: "
                        f"{error.summary}"
                    ) from error
            if answer.startswith("no"):
                missing.append(right)
        return missing
