"""The installed release, read once for the tests of this folder."""

from __future__ import annotations

from contextlib import suppress

import pytest

from acceptance import live
from acceptance.deadlines import METRICS
from acceptance.fields import at, mappings_at, name_of
from acceptance.images import BuiltImage
from acceptance.live import ApiServer
from acceptance.release import Release
from acceptance.runs import Run
from acceptance.snapshot import Snapshot
from acceptance.wait import NotYet, WaitError, eventually


@pytest.fixture(scope="session")
def settled(installed: Release, request: pytest.FixtureRequest) -> Release:
    """The release after its pods became Ready and its HPA was told of metrics, or not in time: it is read anyway."""

    def active() -> None:
        for item in installed.objects.list("HorizontalPodAutoscaler").objects:
            conditions = {at(each, "type"): at(each, "status") for each in mappings_at(item, "status.conditions")}
            if conditions.get("ScalingActive") != "True" or not at(item, "status.currentMetrics"):
                raise NotYet(f"{name_of(item)}: {conditions}")

    with suppress(WaitError):
        request.getfixturevalue("ready")
        eventually("every HPA to have metrics", active, METRICS)
    return installed


@pytest.fixture(scope="session")
def snapshot(settled: Release, run: Run, request: pytest.FixtureRequest) -> Snapshot:
    images: dict[str, BuiltImage] = {} if run.context else request.getfixturevalue("images")
    return live.read(settled, images)


@pytest.fixture(scope="session")
def server(installed: Release) -> ApiServer:
    return ApiServer(installed.cluster.api)
