"""Cluster providers: how a run's cluster is made, reached and removed; a class each, behind one protocol."""

from acceptance.provision.providers.base import CAPABILITIES, GATEWAY_PORT, Provider
from acceptance.provision.providers.containers import ContainersProvider
from acceptance.provision.providers.existing import ExistingProvider
from acceptance.provision.providers.kind import KindProvider
from acceptance.provision.providers.minikube import MinikubeProvider
from acceptance.provision.run import Run, recorded_context
from toolchain import Toolchain

__all__ = ["CAPABILITIES", "GATEWAY_PORT", "Provider", "provider_of"]


def provider_of(toolchain: Toolchain, run: Run) -> Provider:
    """Return the provider of a run's cluster: of this run, or of a dead one that only its record describes."""
    if run.context is not None:
        return ExistingProvider(toolchain, run, run.context)
    if not run.clustered:
        return ContainersProvider(toolchain, run)
    if (context := recorded_context(run.folder)) is not None:
        return ExistingProvider(toolchain, run, context)
    return (MinikubeProvider if run.own_cluster.provider == "minikube" else KindProvider)(toolchain, run)
