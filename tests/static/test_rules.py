"""Every static rule, on the defaults and on every shipped values file."""

from __future__ import annotations

import pytest

from acceptance.asserting import assert_none, parameters
from acceptance.checks import Check
from acceptance.snapshot import Snapshot
from acceptance.target import Target


@pytest.mark.parametrize(("check", "component"), parameters("static"))
def test_rule(check: Check, component: str, snapshots: list[Snapshot], target: Target) -> None:
    assert_none(check, component, snapshots, target)
