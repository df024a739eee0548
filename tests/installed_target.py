"""The fixture `target` of tests on a release: with the namespace that the release is installed in."""

from __future__ import annotations

import pytest

from acceptance.core.target import Target
from acceptance.provision.provisioner import Provisioner


@pytest.fixture(scope="session")
def target(provisioner: Provisioner) -> Target:
    """What is under test, where the run installs it."""
    return provisioner.target
