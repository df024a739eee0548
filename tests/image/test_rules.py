"""Every rule of the image level."""

from __future__ import annotations

import pytest

from acceptance.checks import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_no_findings, parameters


@pytest.mark.parametrize(("check", "component"), parameters("image"))
def test_rule(check: Check, component: str, snapshot: Snapshot, target: Target) -> None:
    assert_no_findings(check, component, [snapshot], target)
