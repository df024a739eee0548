"""The context of an existing cluster, read from the user's kubeconfig, which is never written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from acceptance.core.deadlines import API_SERVER
from acceptance.core.fields import Object, mappings_at, text_at
from acceptance.provision.providers.kind import find_node
from acceptance.provision.run import Context
from toolchain import Toolchain
from toolchain.console import CommandError, ToolchainError, run

CREDENTIALS = ("token", "password", "client-key-data")
"""Fields of a kubeconfig's user that are secret."""


def read_context(toolchain: Toolchain, name: str, redact: Callable[[str], None]) -> Context:
    """Read a context of the user's kubeconfig, `KUBECONFIG` in the environment counting.

    Args:
        toolchain: The tools of this machine.
        name: The context's name.
        redact: Called with every secret that the kubeconfig holds.

    Raises:
        ToolchainError: There is no such context, or its API server does not answer in time.
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
    node = find_node(toolchain, name, _nodes(toolchain, name, text))
    if node is not None:
        return Context(name, text, node)
    lacking = f"context {name} is not a kind cluster of one node on this engine: the suite's tools can't be loaded"
    return Context(name, text, lacking=lacking)


def _credentials(kubeconfig: str) -> list[str]:
    users = mappings_at(yaml.safe_load(kubeconfig), "users")
    return [secret for user in users for key in CREDENTIALS if (secret := text_at(user, f"user.{key}"))]


def _nodes(toolchain: Toolchain, name: str, kubeconfig: str) -> Sequence[Object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig, encoding="utf-8")
        wait = f"--request-timeout={API_SERVER.seconds:g}s"
        where: list[str | Path] = ["--kubeconfig", path, "--context", name, wait]
        command = [toolchain.kubectl, *where, "get", "nodes", "--output", "json"]
        try:
            return mappings_at(json.loads(run(command, seconds=2 * API_SERVER.seconds)), "items")
        except CommandError as error:
            raise ToolchainError(
                f"the API server of context {name} did not list its nodes within {API_SERVER.seconds:g} s "
                f"({error.summary}): start that cluster, or name another context"
            ) from error
