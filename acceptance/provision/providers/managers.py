"""pytest-kubernetes' managers of clusters, as the providers use them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TypeVar

from pytest_kubernetes.options import ClusterOptions
from pytest_kubernetes.providers.kind import KindManagerBase
from pytest_kubernetes.providers.minikube import MinikubeDockerManagerBase

from acceptance.provision.run import Run


class _WithKubeconfig:
    """Says that a cluster without a kubeconfig is not ready; the library would ask it for seconds."""

    kubeconfig: Path | None

    def ready(self, timeout: int = 20) -> bool:
        exists = self.kubeconfig is not None and self.kubeconfig.is_file()
        return exists and bool(super().ready(timeout))  # type: ignore[misc]  # the library is untyped


class KindManager(_WithKubeconfig, KindManagerBase):  # type: ignore[misc]  # the library is untyped
    """The manager of kind clusters."""


class MinikubeManager(_WithKubeconfig, MinikubeDockerManagerBase):  # type: ignore[misc]  # the library is untyped
    """The manager of Minikube clusters whose node is a container."""


M = TypeVar("M", KindManager, MinikubeManager)


def configure(kind: type[M], run: Run, *, seconds: int, provider_config: Path | None = None, kubernetes: str = "") -> M:
    """Return a manager of a run's cluster; the library alters what it is given, so every call needs one of its own.

    Args:
        kind: The class of the manager.
        run: The run whose cluster it manages.
        seconds: The time after which a command is killed.
        provider_config: The provider's configuration file.
        kubernetes: The version of Kubernetes, for a provider that takes it from here.
    """
    manager = kind(run.cluster_name)
    options = ClusterOptions(
        cluster_name=run.cluster_name,
        kubeconfig_path=run.kubeconfig,
        provider_config=provider_config,
        cluster_timeout=seconds,
    )
    if kubernetes:
        options.api_version = kubernetes.removeprefix("v")
    manager._cluster_options = options
    return manager


def error_lines(error: Exception) -> list[str]:
    """Return what a failed command said, by line; at least one line."""
    if not isinstance(error, subprocess.CalledProcessError):
        return [str(error)]
    return (error.stderr or b"").decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"]
