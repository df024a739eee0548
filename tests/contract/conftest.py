"""Fixtures of the contract tests: a snapshot of the installed release, and the API server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Snapshot
from acceptance.core.deadlines import METRICS, SCALED_TO_REST
from acceptance.core.fields import at, integer_at, name_of
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.kube.client import ApiServer
from acceptance.kube.helm import find_helm
from acceptance.kube.status import condition, has_condition
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.snapshots import live
from tests.installed_target import target as target


@pytest.fixture(scope="session")
def release_at_rest(release: Release, request: pytest.FixtureRequest) -> Release:
    """The release with its pods Ready, metrics in its HPA and no more than its least replicas.

    The start of the pods is load too, for which an HPA may have added replicas. What takes too long is read as it is.
    """

    def active() -> None:
        for item in release.objects.list("HorizontalPodAutoscaler").objects:
            if not has_condition(item, "ScalingActive") or not at(item, "status.currentMetrics"):
                raise NotYet(f"{name_of(item)}: {dict(condition(item, 'ScalingActive'))}")

    def at_rest() -> None:
        for item in release.objects.list("HorizontalPodAutoscaler").objects:
            least = integer_at(item, "spec.minReplicas", 1)
            desired = integer_at(item, "status.desiredReplicas", 0)
            if least is not None and desired is not None and desired > least:
                raise NotYet(f"{name_of(item)}: {desired} replicas desired, minReplicas is {least}")

    with suppress(WaitError):
        request.getfixturevalue("ready_release")
        if not ApiServer(release.cluster.api).serves_metrics() and "metrics-server" not in release.cluster.capabilities:
            return release  # its cluster has no metrics-server, and the run installs none
        eventually("every HPA to have metrics", active, METRICS)
        eventually("every HPA to desire its minReplicas", at_rest, SCALED_TO_REST)
    return release


@pytest.fixture(scope="session")
def snapshot(release_at_rest: Release, provisioner: Provisioner, request: pytest.FixtureRequest) -> Snapshot:
    """The installed release, read once."""
    images: dict[str, BuiltImage] = request.getfixturevalue("images") if provisioner.installs_release else {}
    return live.read_snapshot(release_at_rest, images)


@pytest.fixture(scope="session")
def render_chart(target: Target) -> Callable[[], Snapshot]:
    """Renders the chart once, when it is first asked for: in it findings have a file and a line."""

    @cache
    def render() -> Snapshot:
        renderer = Renderer(find_helm(), target)
        renderer.probes_secrets = False
        for secret in renderer.credentials.values():
            redactor.add(secret)
        return renderer.snapshot()

    return render


@pytest.fixture(scope="session")
def api_server(release: Release) -> ApiServer:
    """The API server, for dry runs."""
    return ApiServer(release.cluster.api)
