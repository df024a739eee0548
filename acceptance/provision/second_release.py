"""A second release of the same images beside the one under test: another namespace, other names and other ports."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from acceptance.checks.finding import Untested
from acceptance.core.fields import Object, at, mapping_at, name_of, text_at
from acceptance.core.signals import uninterrupted
from acceptance.core.target import Component, ComponentName, Target
from acceptance.core.values import merge_values, set_paths
from acceptance.kube.client import Objects
from acceptance.kube.helm import RefusedReleaseError
from acceptance.provision.cluster import Cluster
from acceptance.provision.helm import HelmRelease
from acceptance.provision.release import (
    Release,
    ReleaseInputs,
    render,
    required_values,
    run_credentials,
    run_secrets,
    run_values,
)
from acceptance.provision.tool_pod import namespace_objects

NAME = "second"
SERVICE_PORT_SHIFT, CONTAINER_PORT_SHIFT = 111, 222
"""Two different shifts from the first release's ports, so that a Service's and a container's port differ too."""
BESIDE = ("invalid ownership metadata", "already exists", "already allocated", "exceeded quota")
"""What Helm or the API server says where another release has the object, node port or quota already."""
CPU_REQUEST = "50m"
"""A small share, since the first release runs beside it."""


@contextmanager
def second_release(
    first: Release, inputs: ReleaseInputs, redact: Callable[[str], None], shipped: Mapping[str, Any] | None = None
) -> Iterator[Release]:
    """Install the chart a second time, without waiting for Ready pods; uninstall it and delete its namespace at exit.

    Args:
        first: The release under test, which is left as it is.
        inputs: What the second one is given: the same images, a database of its own.
        redact: Called with every secret that is created.
        shipped: A values file's values, used as they are, images included, except for what only the run knows.

    Raises:
        RefusedReleaseError: The shipped values themselves are refused.
        Untested: The chart can't be installed beside itself.
    """
    cluster = first.cluster
    cluster.require_capability("releases")
    namespace = f"{cluster.run.namespace}-{NAME}-{secrets.token_hex(2)}"
    target = second_target(first.target, namespace)
    helm = HelmRelease(cluster, target.chart.release, namespace)
    random_secrets = run_secrets(target, None)
    for secret in random_secrets.values():
        redact(secret)

    def values_for(renamed: Target) -> dict[str, Any]:
        if shipped is None:
            return set_paths(run_values(renamed, inputs, random_secrets), distinct_values(first.target))
        required = required_values(renamed, inputs, random_secrets)
        given = merge_values(renamed.chart.values, dict(shipped))
        return set_paths(given, {**required, **distinct_values(first.target)})

    target = with_rendered_names(
        target, render(first.helm, first.target, first.values), render(helm, target, values_for(target))
    )
    values, credentials = values_for(target), run_credentials(inputs, random_secrets)
    release = Release(target, cluster, helm, Objects(cluster.api, namespace), values, credentials)
    try:
        cluster.apply(*namespace_objects(cluster, namespace))
        release.put_secrets()
        try:
            helm.upgrade(target.chart_path, values)
        except RefusedReleaseError as error:
            if shipped is not None and not any(words in error.stderr for words in BESIDE):
                raise
            raise Untested(f"a second release is refused beside the first: {error.summary}") from error
        yield release
    finally:
        with uninterrupted():
            _remove(cluster, helm)


def _remove(cluster: Cluster, helm: HelmRelease) -> None:
    try:
        helm("uninstall", helm.release, "--ignore-not-found")
    finally:
        cluster.kubectl("delete", "namespace", helm.namespace, "--ignore-not-found", "--wait=false")


def second_target(target: Target, namespace: str) -> Target:
    """Return the target with another release name and namespace, and the ports that its values can change."""
    chart = target.chart.model_copy(update={"release": NAME, "namespace": namespace})
    components: dict[ComponentName, Component] = {}
    for name, part in target.components.items():
        ports = {}
        if part.values.service_port:
            ports["service_port"] = part.service_port + SERVICE_PORT_SHIFT
        if part.values.container_port:
            ports["port"] = part.port + CONTAINER_PORT_SHIFT
        components[name] = part.model_copy(update={**ports, "replicas": 1})
    return target.model_copy(update={"chart": chart, "components": components})


def distinct_values(target: Target) -> dict[str, Any]:
    """Return the values, by dotted path, that make the second release distinct and small."""
    changes: dict[str, Any] = {}
    if target.values.name_override:
        changes[target.values.name_override] = NAME
    if target.values.hpa_enabled:
        changes[target.values.hpa_enabled] = False
    for part in target.components.values():
        paths = part.values
        known = {
            paths.service_port: part.service_port + SERVICE_PORT_SHIFT,
            paths.container_port: part.port + CONTAINER_PORT_SHIFT,
            paths.replicas: 1,
            paths.resources and f"{paths.resources}.requests.cpu": CPU_REQUEST,
        }
        changes |= {path: value for path, value in known.items() if path}
    return changes


def with_rendered_names(target: Target, before: list[Object], after: list[Object]) -> Target:
    """Return the target with the names and labels of its components as `after` renders them.

    Args:
        target: The target, with the names that `before` has.
        before: The objects of the first release, in Helm's order.
        after: Those of the second one, in the same order.

    Raises:
        Untested: They do not correspond, or are rendered into another namespace.
    """
    components: dict[ComponentName, Component] = {}
    for name, part in target.components.items():
        deployment = _counterpart("Deployment", part.deployment, before, after)
        service = _counterpart("Service", part.service, before, after)
        for item in (deployment, service):
            if (place := text_at(item, "metadata.namespace", target.chart.namespace)) != target.chart.namespace:
                raise Untested(f"the chart renders its objects into the namespace {place}, wherever it is installed")
        labels = mapping_at(deployment, "spec.template.metadata.labels")
        changed = {key: str(labels[key]) for key in part.labels if key in labels}
        names = {"deployment": name_of(deployment), "service": name_of(service), "labels": changed}
        components[name] = part.model_copy(update=names)
    return target.model_copy(update={"components": components})


def _counterpart(kind: str, name: str, before: list[Object], after: list[Object]) -> Object:
    first, second = ([item for item in objects if at(item, "kind") == kind] for objects in (before, after))
    places = [place for place, item in enumerate(first) if name_of(item) == name]
    if len(places) != 1 or len(first) != len(second):
        raise Untested(
            f"under other names the chart renders {len(second)} objects of kind {kind} instead of {len(first)}"
        )
    return second[places[0]]
