"""A cluster of the user's own, named by a context of their kubeconfig, which is read and never written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from acceptance.core.deadlines import API_SERVER
from acceptance.core.fields import Object, mappings_at, text_at
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run

KIND = "kind-"
"""How the name of a kind cluster's context begins."""
KIND_LABEL = "io.x-k8s.kind.cluster"
"""kind's label of every container of a cluster; its value is the cluster's name."""
CREDENTIALS = ("token", "password", "client-key-data")
"""Fields of a kubeconfig's user that are secret."""


@dataclass(frozen=True)
class Context:
    """A context: `kubeconfig` is the text of one that holds nothing else.

    `node` is the identifier of the container, on this engine, that is the cluster's one node; it is empty where
    there is none, and `lacking` then says what that means.
    """

    name: str
    kubeconfig: str = field(repr=False)
    node: str = ""
    lacking: str = ""

    @property
    def kind_name(self) -> str:
        """The name of the kind cluster."""
        return self.name.removeprefix(KIND)


def read_context(toolchain: Toolchain, name: str, redact: Callable[[str], None]) -> Context:
    """The context as the user's kubeconfig has it now, `KUBECONFIG` in the environment counting.

    Raises `ToolchainError` where there is no such context, or where its API server does not answer in time.
    """
    view: list[str | Path] = [toolchain.kubectl, "config", "view", "--minify", "--flatten", "--raw", "--context", name]
    try:
        text = run(view)
    except CommandError as error:
        known = ", ".join(run([toolchain.kubectl, "config", "get-contexts", "--output", "name"]).split())
        cure = f"name one of {known}" if known else "it names none; see KUBECONFIG"
        raise ToolchainError(
            f"your kubeconfig does not give context {name} ({error_summary(error)}): {cure}"
        ) from error
    for secret in credentials(text):
        with suppress(ValueError):  # too short to be told from ordinary words
            redact(secret)
    node, lacking = node_of(toolchain, name, nodes(toolchain, name, text))
    return Context(name, text, node, lacking)


def credentials(kubeconfig: str) -> list[str]:
    """The secrets that a kubeconfig holds."""
    users = mappings_at(yaml.safe_load(kubeconfig), "users")
    return [secret for user in users for key in CREDENTIALS if (secret := text_at(user, f"user.{key}"))]


def nodes(toolchain: Toolchain, name: str, kubeconfig: str) -> Sequence[Object]:
    """The cluster's nodes; `ToolchainError` where the API server does not answer."""
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig, encoding="utf-8")
        wait = f"--request-timeout={API_SERVER.seconds:g}s"
        where: list[str | Path] = ["--kubeconfig", path, "--context", name, wait]
        ask = [toolchain.kubectl, *where, "get", "nodes", "--output", "json"]
        try:
            return mappings_at(json.loads(run(ask, seconds=2 * API_SERVER.seconds)), "items")
        except CommandError as error:
            raise ToolchainError(
                f"the API server of context {name} did not give its nodes within {API_SERVER.seconds:g} s "
                f"({error_summary(error)}): start that cluster, or name another context"
            ) from error


def node_of(toolchain: Toolchain, name: str, found: Sequence[Object]) -> tuple[str, str]:
    """The container that is the cluster's one node, or nothing and why."""
    none = (
        "",
        f"context {name} is no kind cluster of one node on this engine: the suite's tools can't be put on its node",
    )
    if not name.startswith(KIND) or len(found) != 1:
        return none
    label = f"label={KIND_LABEL}={name.removeprefix(KIND)}"
    containers = toolchain.engine.docker("ps", "--quiet", "--no-trunc", "--filter", label).split()
    if len(containers) != 1:
        return none
    # A cluster elsewhere may bear the same name.
    machine = toolchain.engine.docker("exec", containers[0], "cat", "/etc/machine-id").strip()
    return (containers[0], "") if machine == text_at(found[0], "status.nodeInfo.machineID") else none


def error_summary(error: CommandError) -> str:
    """The last line of what a command said."""
    lines = (error.stderr or error.stdout).strip().splitlines() or [f"it ended with {error.code}"]
    return lines[-1].removeprefix("error: ").removeprefix("Error: ")
