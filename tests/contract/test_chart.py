"""Live rules of the release as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acceptance import checks
from acceptance.checks import Check
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.client import port_forward
from acceptance.core.target import Target
from acceptance.core.values import set_paths
from acceptance.kube.client import ApiServer
from acceptance.plugin.parametrize import assert_none, entity, parameters
from acceptance.provision.helm import HelmRelease
from acceptance.provision.release import Release
from acceptance.snapshots.live import manifest_objects


@pytest.mark.parametrize(
    ("check", "component"),
    parameters("live", lambda check: entity("Helm Chart")(check) and check.rule != "CHT-16"),
)
def test_rule(check: Check, component: str, snapshot: Snapshot, target: Target) -> None:
    assert_none(check, component, [snapshot], target)


@pytest.fixture(scope="module")
def with_namespace(release: Release, api_server: ApiServer) -> Iterator[tuple[Snapshot, Target]]:
    """A second release that makes its own Namespace, from the suite's; read, and taken away again."""
    target, cluster = release.target, release.cluster
    cluster.require_capability("releases")
    paths = target.values
    if paths.namespace_create is None or paths.namespace is None:
        raise Untested("the target names no values.namespace_create and values.namespace")
    namespace = f"{cluster.run.namespace}-own"
    helm = HelmRelease(cluster, f"{target.chart.release}-own", cluster.run.namespace)
    stated = target.model_copy(update={"chart": target.chart.model_copy(update={"namespace": namespace})})
    values = set_paths(release.values, {paths.namespace_create: True, paths.namespace: namespace})
    helm.upgrade(target.chart_path, values)
    try:
        objects = [api_server.get(item, helm.namespace) for item in manifest_objects(helm)]
        found = tuple(item for item in objects if item is not None)
        assert len(found) == len(objects), "an object of the release is not there"
        yield Snapshot("live", found, release_namespace=helm.namespace), stated
    finally:
        helm("uninstall", helm.release)


@pytest.mark.rule("CHT-16")
def test_own_namespace(with_namespace: tuple[Snapshot, Target]) -> None:
    snapshot, stated = with_namespace
    check = next(each for each in checks.for_level("live") if each.rule == "CHT-16")
    assert_none(check, "release", [snapshot], stated)


@pytest.mark.rule("CHT-12")
def test_command_of_the_notes(release_with_metrics: Release, target: Target) -> None:
    command = port_forward.find_port_forward(release_with_metrics.helm.notes())
    if command is None:
        report_findings(
            [Finding("CHT-12", "NOTES.txt", "text", "a kubectl port-forward to the frontend", "none")], target
        )
        return
    if "frontend" not in target.components:
        raise Untested("the target names no frontend")
    with port_forward.run_port_forward(command):
        status = port_forward.request(command, target.component("frontend").probes.readiness).status_code
    wanted = f"an answer of 2xx to {command.command}"
    report_findings([] if status < 300 else [Finding("CHT-12", "NOTES.txt", "command", wanted, str(status))], target)
