"""CFG-08 on a live release: the chart refuses an invalid variable name, and the release stays as it was."""

from __future__ import annotations

import pytest

from acceptance.chart import bounds
from acceptance.checks.finding import Finding, report_findings
from acceptance.core.target import Target
from acceptance.kube.helm import RefusedReleaseError
from acceptance.provision.release import Release


@pytest.mark.rule("CFG-08")
def test_refused_upgrade_leaves_the_release_unchanged(release: Release, target: Target) -> None:
    path = bounds.value_path(target, None, "extra_config")
    before = release.helm.revision()
    findings: list[Finding] = []
    try:
        release.upgrade({path: bounds.variable(1)})
        findings.append(Finding("CFG-08", "values", path, "a refused upgrade", "a new revision"))
    except RefusedReleaseError as error:
        if bounds.VARIABLE not in str(error):
            findings.append(Finding("CFG-08", "values", path, f"an error that names {bounds.VARIABLE}", str(error)))
    after = release.helm.revision()
    if after != before:
        release.upgrade()
        findings.append(Finding("CFG-08", "release", "revision", str(before), str(after)))
    report_findings(findings, target)
