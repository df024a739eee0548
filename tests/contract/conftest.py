"""The installed release, read once for the tests of this folder."""

from __future__ import annotations

from contextlib import suppress

import pytest

from acceptance import live
from acceptance.images import BuiltImage
from acceptance.live import ApiServer
from acceptance.release import Release
from acceptance.snapshot import Snapshot
from acceptance.wait import WaitError


@pytest.fixture(scope="session")
def settled(installed: Release) -> Release:
    """The release after its pods became Ready, or did not in time: either way its objects are read."""
    with suppress(WaitError):
        installed.wait_ready()
    return installed


@pytest.fixture(scope="session")
def snapshot(settled: Release, images: dict[str, BuiltImage]) -> Snapshot:
    return live.read(settled, images)


@pytest.fixture(scope="session")
def server(installed: Release) -> ApiServer:
    return ApiServer(installed.cluster.api)
