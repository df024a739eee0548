"""Helm, by argv; values, which hold secrets, go to its standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.kube import helm_server
from acceptance.kube.helm_server import EndedError
from toolchain import binaries
from toolchain.console import CommandError, run

OFFLINE_SECONDS = 60
"""Time limit of one call of helm without a cluster, which takes 0.1 s here."""
INSTALLED = ("--deployed", "--failed", "--pending", "--uninstalling")
"""The statuses of releases that are installed, as flags of `helm list`, whose defaults differ between Helm 3 and 4."""


class RefusedReleaseError(CommandError):
    """Helm or the API server refused to install, upgrade, roll back or uninstall: the release is at fault."""


@dataclass(frozen=True)
class Helm:
    """Helm with one cluster, or with none, where charts are only rendered."""

    binary: Path
    kubeconfig: Path | None = None
    context: str = ""

    def __call__(self, *argv: str | Path, values: Mapping[str, Any] | None = None) -> str:
        """Run Helm and return what it printed.

        Args:
            argv: The arguments; `--values -` among them reads `values`.
            values: Values as the chart nests them.

        Raises:
            CommandError: Helm failed, or could not be run.
        """
        stdin = "" if values is None else json.dumps(values)
        if self.kubeconfig is None:
            return self._offline(tuple(map(str, argv)), stdin)
        where: list[str | Path] = ["--kubeconfig", self.kubeconfig, "--kube-context", self.context]
        return run([self.binary, *argv, *where], stdin=stdin)

    def _offline(self, arguments: tuple[str, ...], stdin: str) -> str:
        if arguments[0] in helm_server.COMMANDS and (server := helm_server.shared(self.binary)) is not None:
            with suppress(EndedError):  # Helm itself shows why
                return server.run(self.binary, arguments, stdin, OFFLINE_SECONDS)
        # Collecting garbage would take a fifth of the 0.1 s that the process takes.
        environment = {**os.environ, "KUBECONFIG": os.devnull, "GOGC": "off"}
        return run([self.binary, *arguments], env=environment, stdin=stdin, seconds=OFFLINE_SECONDS)


def find_helm() -> Helm:
    """Return Helm from PATH, else from the cache. Raises `ToolchainError` with the cure."""
    return Helm(binaries.require("helm"))
