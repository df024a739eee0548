"""Helm on one release of the cluster under test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acceptance.kube.helm import Helm
from acceptance.provision.cluster import Cluster

TIMEOUT = ("--timeout", "3m")
"""Of Helm's own waits (hooks): CHT-11's three minutes."""
VALUES = ("--reset-values", "--values", "-")
"""Without the first, no values at all would be those of the last revision."""


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
        """Install or upgrade with the chart's own values and these; pods need not be Ready when Helm exits."""
        self("upgrade", self.release, chart, "--install", "--create-namespace", *TIMEOUT, *VALUES, values=values)

    def rollback(self, revision: int | None = None) -> None:
        """Roll back to a revision, or to the one before."""
        self("rollback", self.release, *([str(revision)] if revision else []), *TIMEOUT)

    def uninstall(self) -> None:
        """Uninstall the release and wait until its objects are gone."""
        self("uninstall", self.release, "--wait", *TIMEOUT)

    def values(self) -> dict[str, Any] | None:
        """Return the values that the release was given, or None where it is not installed."""
        listed = json.loads(self("list", "--filter", f"^{self.release}$", "--output", "json"))
        if not listed:
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
