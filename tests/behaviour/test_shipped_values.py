"""What ships is what runs: the chart's defaults and each shipped values file, installed with the images they name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.snapshot import Snapshot
from acceptance.core.redaction import redactor
from acceptance.core.signals import uninterrupted
from acceptance.core.target import Target
from acceptance.core.values import merge_values
from acceptance.core.wait import WaitError
from acceptance.experiments.recovery import without_room
from acceptance.kube.helm import RefusedReleaseError, find_helm
from acceptance.kube.manifests import parse_mapping
from acceptance.kube.pod_templates import image_reference
from acceptance.provision.cluster import Cluster
from acceptance.provision.containerd import CTR, full_reference
from acceptance.provision.database import Database
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.provision.second_release import second_release

DEFAULTS = "values.yaml"


@dataclass(frozen=True)
class Installation:
    """How an installation with shipped values ended: None if its pods are Ready, why not, or why it was not tried."""

    outcome: WaitError | RefusedReleaseError | Untested | None


def shipped_values(target: Target) -> dict[str, dict[str, Any]]:
    """Return the values of each shipped file by its name; the chart's defaults are a file without values."""
    files = {path.name: (target.root / path).read_text(encoding="utf-8") for path in target.chart.values_files}
    return {DEFAULTS: {}} | {name: parse_mapping(text) for name, text in files.items()}


def named_images(target: Target, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the image of each component as the chart names it. Raises `Untested` where the node is to pull it."""
    renderer = Renderer(find_helm(), target)
    rendering = renderer.render(merge_values(renderer.required(), values))
    if rendering.error is not None:
        raise Untested(f"the values do not render, which CHT-09 judges: {rendering.error}")
    snapshot = Snapshot("static", objects=rendering.objects, release_namespace=target.chart.namespace)
    found: dict[str, str] = {}
    for name in target.components:
        view = ComponentView(snapshot, target, name)
        container = view.main_container(view.pods[0])
        repository, _, digest = image_reference(container.image)
        if digest:
            raise Untested(f"{container.image} is named by its digest, which an image that is built here does not have")
        if "/" in repository and container.pull_policy == "Always":
            raise Untested(f"{container.image} is pulled from its registry each time")
        found[name] = container.image
    return found


@contextmanager
def tagged(cluster: Cluster, images: Mapping[str, BuiltImage], names: Mapping[str, str]) -> Iterator[None]:
    """Give the built images further names on the nodes, which no registry and no engine has, until exit."""
    cluster.require_capability("image-names")
    added = []
    try:
        for component, name in names.items():
            built, reference = full_reference(images[component].reference), full_reference(name)
            for node in cluster.nodes():
                if not node.has_image(reference):
                    node.exec(*CTR, "images", "tag", built, reference)
                    added.append((node, reference))
        yield
    finally:
        with uninterrupted():
            for node, reference in added:
                node.exec(*CTR, "images", "rm", reference)


@pytest.fixture(scope="module")
def installations(
    ready_release: Release, database: Database, images: dict[str, BuiltImage], provisioner: Provisioner
) -> dict[str, Installation]:
    """An installation with each file of values, side by side, in namespaces of their own."""
    target, cluster = ready_release.target, ready_release.cluster
    cluster.require_capability("releases")
    cluster.require_capability("image-load")
    releases: dict[str, Release] = {}
    ended: dict[str, Installation] = {}
    with ExitStack() as stack:
        for name, values in shipped_values(target).items():
            try:
                stack.enter_context(tagged(cluster, images, named_images(target, values)))
                empty = stack.enter_context(database.empty(f"shipped_{secrets.token_hex(4)}", redactor.add))
                inputs = provisioner.inputs(images, empty.url)
                release = second_release(ready_release, inputs, redactor.add, values)
                releases[name] = stack.enter_context(release)
            except (RefusedReleaseError, Untested) as reason:
                ended[name] = Installation(reason)
        for name, installed in releases.items():
            try:
                installed.wait_ready()
                ended[name] = Installation(None)
            except WaitError as error:
                ended[name] = Installation(without_room(installed.objects, "its pods") or error)
    return ended


@pytest.mark.rule("CHT-11")
def test_shipped_values_run_the_images_they_name(installations: Mapping[str, Installation], target: Target) -> None:
    """Pull policies, settings and probes are those of the file; only size, names and credentials are the run's."""
    expected = "every pod Ready with the images that it names"
    findings = [
        Finding("CHT-11", f"Chart/{target.chart.name}", name, expected, str(each.outcome))
        for name, each in installations.items()
        if isinstance(each.outcome, WaitError | RefusedReleaseError)
    ]
    report_findings(findings, target)
    for name, each in installations.items():
        if isinstance(each.outcome, Untested):
            raise Untested(f"{name}: {each.outcome}")
