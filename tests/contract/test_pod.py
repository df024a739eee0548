"""Live rules of pods."""

from __future__ import annotations

import pytest

from acceptance.asserting import assert_none, entity, parameters
from acceptance.checks import Check
from acceptance.snapshot import Snapshot
from acceptance.target import Target


@pytest.mark.parametrize(("check", "component"), parameters("live", entity("Pod")))
def test_rule(check: Check, component: str, snapshot: Snapshot, target: Target) -> None:
    assert_none(check, component, [snapshot], target)
