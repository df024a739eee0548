"""Helm, by argv with an explicit kubeconfig; values, which hold secrets, go to its standard input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.provision.cluster import Cluster
from toolchain.console import run

TIMEOUT = "3m"
"""Of helm's own waits (hooks): CHT-11's three minutes."""

VALUES = ("--reset-values", "--values", "-")
"""Without the first, no values at all would be those of the last revision."""


@dataclass(frozen=True)
class Helm:
    """Helm on one release. Every method raises `toolchain.console.CommandError` with helm's own words."""

    cluster: Cluster
    release: str
    namespace: str

    def __call__(self, *argv: str | Path, stdin: str | None = None) -> str:
        where: list[str | Path] = ["--kubeconfig", self.cluster.kubeconfig, "--kube-context", self.cluster.context]
        command: list[str | Path] = [self.cluster.toolchain.helm, *argv, "--namespace", self.namespace, *where]
        return run(command, stdin=stdin)

    def upgrade(self, chart: Path, values: dict[str, Any]) -> None:
        """`helm upgrade --install` to the chart's own values and these, its exit not taken for readiness."""
        argv: list[str | Path] = [
            "upgrade",
            self.release,
            chart,
            "--install",
            "--create-namespace",
            "--timeout",
            TIMEOUT,
            *VALUES,
        ]
        self(*argv, stdin=json.dumps(values))

    def rollback(self, revision: int | None = None) -> None:
        """Back to a revision, or to the one before."""
        self("rollback", self.release, *([str(revision)] if revision else []), "--timeout", TIMEOUT)

    def uninstall(self) -> None:
        self("uninstall", self.release, "--wait", "--timeout", TIMEOUT)

    def values(self) -> dict[str, Any] | None:
        """The values that the release was given, or None where there is no such release."""
        listed = json.loads(self("list", "--filter", f"^{self.release}$", "--output", "json"))
        if not listed:
            return None
        loaded: dict[str, Any] | None = json.loads(self("get", "values", self.release, "--output", "json"))
        return loaded or {}

    def revision(self) -> int:
        return int(json.loads(self("status", self.release, "--output", "json"))["version"])

    def rendered(self, chart: Path, values: dict[str, Any]) -> str:
        """The manifest that an upgrade to the chart and these values would have, with the server's capabilities."""
        argv: list[str | Path] = ["upgrade", self.release, chart, "--dry-run=server", "--output", "json", *VALUES]
        return str(json.loads(self(*argv, stdin=json.dumps(values)))["manifest"])

    def manifest(self) -> str:
        return self("get", "manifest", self.release)

    def notes(self) -> str:
        return self("get", "notes", self.release)
