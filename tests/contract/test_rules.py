"""Every live rule, on the installed release."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.checks import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_no_findings, parameters

NEEDS_ITS_OWN_RELEASE = "CHT-16"
"""The rule of the chart's own Namespace; test_chart.py asserts it."""


@pytest.mark.parametrize(("check", "component"), parameters("live", lambda check: check.rule != NEEDS_ITS_OWN_RELEASE))
def test_rule(
    check: Check, component: str, snapshot: Snapshot, target: Target, render_chart: Callable[[], Snapshot]
) -> None:
    assert_no_findings(check, component, [snapshot], target, render_chart)
