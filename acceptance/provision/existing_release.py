"""A release that was installed before the run, in an existing cluster: read, and compared at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from acceptance.core.fields import Object, at, object_ref, text_at
from acceptance.core.redaction import MINIMUM_LENGTH
from acceptance.core.target import Target
from acceptance.kube.client import Objects
from acceptance.kube.manifests import documents
from acceptance.kube.secrets import decoded
from acceptance.provision.cluster import Cluster
from acceptance.provision.helm import HelmRelease
from acceptance.provision.release import Release, present_secrets
from acceptance.provision.run import update_record
from toolchain.console import ToolchainError


def adopt_release(cluster: Cluster, target: Target, redact: Callable[[str], None]) -> Release:
    """Return the release that the cluster has; it is only read.

    Args:
        cluster: An existing cluster.
        target: What is under test; its chart, release and namespace are the installed ones.
        redact: Called with every credential of the release.

    Raises:
        ToolchainError: There is no such release, or the target's chart renders something else with its values.
    """
    chart = target.chart
    helm = HelmRelease(cluster, chart.release, chart.namespace)
    values = helm.values()
    if values is None:
        raise ToolchainError(
            f"context {cluster.context} has no release {chart.release} in namespace {chart.namespace}: "
            "install it, or name release and namespace in the target's [chart]"
        )
    where = f"the release {chart.release} in namespace {chart.namespace} of context {cluster.context}"
    manifest = documents(helm.manifest())
    # The Secret that the target names need not be the chart's.
    held = present_secrets(cluster, target, target.secret.name)
    redact_credentials(where, target, values, [*manifest, *held], redact)
    if (name := first_difference(documents(helm.render(target.chart_path, values)), manifest)) is not None:
        raise ToolchainError(
            f"{where} was not installed from the target's chart as it is: {name} differs; "
            "upgrade it with that chart, or name its own in the target's [chart]"
        )
    revision = helm.revision()
    back = f"helm rollback {chart.release} {revision} --namespace {chart.namespace} --kube-context {cluster.context}"
    update_record(cluster.run, release=f"{where} has its own values; to restore them: {back}")
    return Release(target, cluster, helm, Objects(cluster.api, chart.namespace), values)


def assert_values_unchanged(release: Release) -> None:
    """Raise `ToolchainError` if the release no longer has the values that it was adopted with."""
    if release.helm.values() != release.values:
        raise ToolchainError(
            f"the release {release.helm.release} in namespace {release.helm.namespace} of context "
            f"{release.cluster.context} no longer has the values that it had before this run; see helm history"
        )
    update_record(release.cluster.run, release=None)


def first_difference(expected: Iterable[Object], actual: Iterable[Object]) -> str | None:
    """Return `Kind/name` of the first object that is not the same in both lists, or None."""

    def by_identity(items: Iterable[Object]) -> dict[tuple[str, ...], Object]:
        paths = ("apiVersion", "kind", "metadata.namespace", "metadata.name")
        return {tuple(text_at(item, path) for path in paths): item for item in items}

    left, right = by_identity(expected), by_identity(actual)
    for key, item in {**left, **right}.items():
        if left.get(key) != right.get(key):
            return object_ref(item)
    return None


def redact_credentials(
    where: str, target: Target, values: Mapping[str, Any], objects: Iterable[Object], redact: Callable[[str], None]
) -> None:
    """Redact the credentials among the values, and everything that a Secret among the objects holds.

    Raises:
        ToolchainError: A credential is too short to be redacted; other entries of a Secret that are as short are left.
    """
    paths = target.secret_paths
    certain = [at(values, path) for path in paths.values() if path]
    for item in objects:
        if item.get("kind") != "Secret":
            continue
        for key, text in decoded(item).items():
            if key in paths:
                certain.append(text)
            else:
                with suppress(ValueError):
                    redact(text)
    for text in certain:
        if isinstance(text, str) and text:
            try:
                redact(text)
            except ValueError as error:
                raise ToolchainError(
                    f"{where} has a credential of fewer than {MINIMUM_LENGTH} characters, which can't be redacted "
                    "in reports: give it a longer one"
                ) from error
