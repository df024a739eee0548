"""Helm on one release of the cluster under test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acceptance.kube.helm import INSTALLED, Helm, RefusedReleaseError
from acceptance.provision.cluster import Cluster
from toolchain.console import CommandError

TIMEOUT = ("--timeout", "3m")
"""The time limit of Helm's own waits, for hooks: CHT-11's three minutes."""
NOT_RUN = 127
"""The code of a `CommandError` whose command could not be run."""
VALUES = ("--reset-values", "--values", "-")
"""Without `--reset-values`, an empty set of values would mean those of the last revision."""
UNREACHABLE = (
    "cluster unreachable",
    "connection refused",
    "connection reset by peer",
    "connection lost",
    "i/o timeout",
    "TLS handshake timeout",
    "Client.Timeout",
    "no such host",
    '": EOF',
    '": unexpected EOF',
    "unable to handle the request",
    "etcdserver: request timed out",
    "etcdserver: leader changed",
)
"""Parts of those errors of Helm that say nothing about the release: its requests to the API server failed."""


@dataclass(frozen=True)
class HelmRelease:
    """A release by name and namespace, installed or not. Every method raises `CommandError` with Helm's words."""

    cluster: Cluster
    release: str
    namespace: str

    @cached_property
    def _helm(self) -> Helm:
        return Helm(self.cluster.toolchain.helm, self.cluster.kubeconfig, self.cluster.context)

    def __call__(self, *argv: str | Path, values: dict[str, Any] | None = None) -> str:
        """Run a Helm command in the release's namespace and return what it printed."""
        return self._helm(*argv, "--namespace", self.namespace, values=values)

    def upgrade(self, chart: Path, values: dict[str, Any]) -> None:
        """Install or upgrade with the chart's own values and these; pods need not be Ready when Helm exits.

        Raises:
            RefusedReleaseError: Helm or the API server refused.
        """
        self._change("upgrade", self.release, chart, "--install", "--create-namespace", *VALUES, values=values)

    def upgrade_with_reused_values(self, chart: Path) -> None:
        """Upgrade with the values of the last revision, including the chart's own at that time.

        Raises:
            RefusedReleaseError: Helm or the API server refused, for example since the chart needs a new value.
        """
        self._change("upgrade", self.release, chart, "--reuse-values")

    def rollback(self, revision: int | None = None) -> None:
        """Roll back to a revision, or to the one before. Raises `RefusedReleaseError`."""
        self._change("rollback", self.release, *([str(revision)] if revision else []))

    def _change(self, *argv: str | Path, values: dict[str, Any] | None = None) -> None:
        try:
            self(*argv, *TIMEOUT, values=values)
        except CommandError as error:
            says_nothing = any(words in error.stderr for words in UNREACHABLE)
            if says_nothing or error.code < 0 or error.code == NOT_RUN:
                raise
            raise RefusedReleaseError(error.command, error.code, error.stdout, error.stderr) from error

    def uninstall(self) -> None:
        """Uninstall the release and wait until its objects are gone.

        Raises:
            RefusedReleaseError: An object stayed, or a hook failed.
        """
        self._change("uninstall", self.release, "--wait")

    def values(self) -> dict[str, Any] | None:
        """Return the values that the release was given, or None where it is not installed.

        A release of which an operation was killed is installed too.
        """
        if not json.loads(self("list", *INSTALLED, "--filter", f"^{self.release}$", "--output", "json")):
            return None
        loaded: dict[str, Any] | None = json.loads(self("get", "values", self.release, "--output", "json"))
        return loaded or {}

    def revision(self) -> int:
        """Return the number of the current revision."""
        return int(json.loads(self("status", self.release, "--output", "json"))["version"])

    def render(self, chart: Path, values: dict[str, Any]) -> str:
        """Return the manifest that an upgrade to the chart and these values would have."""
        upgrade: tuple[str | Path, ...] = ("upgrade", self.release, chart, "--dry-run=server", "--output", "json")
        return str(json.loads(self(*upgrade, *VALUES, values=values))["manifest"])

    def manifest(self) -> str:
        """Return the manifest of the current revision."""
        return self("get", "manifest", self.release)

    def notes(self) -> str:
        """Return the notes of the current revision."""
        return self("get", "notes", self.release)
