"""Live rules of the ConfigMap, and what containers see of it."""

from __future__ import annotations

import pytest

from acceptance.chart import bounds
from acceptance.checks import Check
from acceptance.checks.finding import Finding, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from acceptance.plugin.parametrize import assert_none, entity, parameters
from acceptance.provision.release import Release
from toolchain.console import CommandError


@pytest.mark.parametrize(("check", "component"), parameters("live", entity("ConfigMap")))
def test_rule(check: Check, component: str, snapshot: Snapshot, target: Target) -> None:
    assert_none(check, component, [snapshot], target)


@pytest.mark.rule("CFG-08")
def test_a_refused_upgrade_leaves_the_release_as_it_was(release: Release, target: Target) -> None:
    path = bounds.value_path(target, None, "extra_config")
    before = release.helm.revision()
    found: list[Finding] = []
    try:
        release.upgrade({path: bounds.variable(1)})
        found.append(Finding("CFG-08", "values", path, "an upgrade refused", "a new revision"))
    except CommandError as error:
        if bounds.VARIABLE not in str(error):
            found.append(Finding("CFG-08", "values", path, f"refused by the name {bounds.VARIABLE}", str(error)))
    after = release.helm.revision()
    if after != before:
        release.upgrade()
        found.append(Finding("CFG-08", "release", "revision", str(before), str(after)))
    report_findings(found, target)
