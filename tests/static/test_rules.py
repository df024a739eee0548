"""Every static rule, on the defaults and on every shipped values file."""

from __future__ import annotations

import pytest

from acceptance.checks import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_no_findings, parameters


@pytest.mark.parametrize(("check", "component"), parameters("static"))
def test_rule(check: Check, component: str, snapshots: list[Snapshot], target: Target) -> None:
    assert_no_findings(check, component, snapshots, target)
