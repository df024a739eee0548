"""Live rules of the chart that need more than a snapshot: its own Namespace, and the command of NOTES.txt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from requests import Response

from acceptance import checks
from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.client import notes_port_forward
from acceptance.client.pods import health_path
from acceptance.core.fields import at, object_ref
from acceptance.core.signals import uninterrupted
from acceptance.core.target import Target
from acceptance.core.values import set_paths
from acceptance.kube.client import ApiServer
from acceptance.plugin.parametrize import assert_no_findings
from acceptance.provision.helm import HelmRelease
from acceptance.provision.release import Release
from acceptance.snapshots.live import manifest_objects

READY = range(200, 400)
"""Statuses that the kubelet takes as ready."""


@dataclass(frozen=True)
class ReleaseWithNamespace:
    """A second release that creates its own Namespace.

    `lost` are the objects that an upgrade with the same values has deleted.
    """

    snapshot: Snapshot
    target: Target
    lost: list[str]


@pytest.fixture(scope="module")
def release_with_namespace(release: Release, api_server: ApiServer) -> Iterator[ReleaseWithNamespace]:
    """A release that makes its own namespace, upgraded once with the same values."""
    target, cluster = release.target, release.cluster
    cluster.require_capability("releases")
    paths = target.values
    if paths.namespace_create is None or paths.namespace is None:
        raise Untested("the target names no values.namespace_create and values.namespace")
    namespace = f"{cluster.run.namespace}-own"
    helm = HelmRelease(cluster, f"{target.chart.release}-own", cluster.run.namespace)
    expected = target.model_copy(update={"chart": target.chart.model_copy(update={"namespace": namespace})})
    values = set_paths(release.values, {paths.namespace_create: True, paths.namespace: namespace})
    try:
        helm.upgrade(target.chart_path, values)
        declared = manifest_objects(helm)
        existing = tuple(item for each in declared if (item := api_server.get(each, helm.namespace)) is not None)
        assert len(existing) == len(declared), "an object of the release does not exist"
        helm.upgrade(target.chart_path, values)
        after = {object_ref(each): api_server.get(each, helm.namespace) for each in declared}
        lost = [name for name, item in after.items() if item is None or at(item, "metadata.deletionTimestamp")]
        snapshot = Snapshot("live", existing, release_namespace=helm.namespace)
        yield ReleaseWithNamespace(snapshot, expected, lost)
    finally:
        with uninterrupted():
            helm("uninstall", helm.release, "--ignore-not-found")


@pytest.mark.rule("CHT-16")
def test_chart_creates_its_namespace(release_with_namespace: ReleaseWithNamespace) -> None:
    check = next(each for each in checks.for_level("live") if each.rule == "CHT-16")
    assert_no_findings(check, "release", [release_with_namespace.snapshot], release_with_namespace.target)


@pytest.mark.rule("CHT-16")
def test_upgrade_keeps_the_namespace_and_what_is_in_it(
    release_with_namespace: ReleaseWithNamespace, target: Target
) -> None:
    """With the same values: a template that leaves out what exists already has Helm delete it."""
    findings = [
        Finding("CHT-16", name, "after an upgrade with the same values", "there", "deleted")
        for name in release_with_namespace.lost
    ]
    report_findings(of_derived_part(findings, target), target)


@pytest.mark.rule("CHT-12")
def test_port_forward_of_the_notes_is_answered(release_at_rest: Release, target: Target) -> None:
    commands = notes_port_forward.frontend_port_forwards(release_at_rest.helm.notes(), target)
    if not commands:
        report_findings(
            [Finding("CHT-12", "NOTES.txt", "text", "a kubectl port-forward to the frontend", "none")], target
        )
        return

    def is_ready(answer: Response) -> bool:
        return answer.status_code in READY

    readiness = health_path(release_at_rest, "frontend", "readiness")
    command, answer = notes_port_forward.first_answer(commands, readiness, is_ready)
    expected = f"2xx or 3xx from {command.command}"
    finding = Finding("CHT-12", "NOTES.txt", "command", expected, str(answer.status_code))
    report_findings([] if is_ready(answer) else [finding], target)
