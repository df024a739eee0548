"""Live rules of Services and their EndpointSlices."""

from __future__ import annotations

import pytest

from acceptance.checks import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none, entity, parameters


@pytest.mark.parametrize(("check", "component"), parameters("live", entity("Service")))
def test_rule(check: Check, component: str, snapshot: Snapshot, target: Target) -> None:
    assert_none(check, component, [snapshot], target)
