"""The release under test: installed with what only the run knows, or found as its user did; and when it is ready."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from acceptance.core.deadlines import DNS_UP, RELEASE_READY
from acceptance.core.fields import Object, at, mapping_at, name_of, object_ref, text_at
from acceptance.core.redaction import MINIMUM_LENGTH
from acceptance.core.target import Target
from acceptance.core.values import ROUND_TRIP, set_paths, values_by_path
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import diagnosis
from acceptance.kube.client import Objects
from acceptance.kube.manifests import documents, shipped
from acceptance.kube.status import endpoint_readiness, unfinished_reason
from acceptance.provision import run
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import service_url
from acceptance.provision.helm import Helm
from toolchain import cache
from toolchain.console import ToolchainError

if TYPE_CHECKING:  # it installs the release
    from acceptance.provision.provisioner import Provisioner

DNS = "kube-dns"
"""kubeadm's name for the Service, whatever serves it."""


@dataclass(frozen=True)
class Release:
    """An installed release. `values` is what it was given beyond the chart's own, nested."""

    target: Target
    cluster: Cluster
    helm: Helm
    objects: Objects
    values: dict[str, Any] = field(repr=False)
    installed_at: float | None = None
    """`time.monotonic` at the start of `helm install`; None where it was there already."""

    @property
    def origin(self) -> str:
        """Origin at which browsers reach the frontend, as the release was told; its Service's where it was not."""
        path = self.target.values.public_url
        url = str((path and (at(self.values, path) or at(shipped(self.target.chart_path), path))) or "")
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else service_url(self.target, "frontend")

    def upgrade(self, changes: Mapping[str, Any] | None = None) -> None:
        """`helm upgrade` with the run's values and changes to them by dotted path; none is back to the baseline."""
        self.helm.upgrade(self.target.chart_path, set_paths(self.values, changes or {}))

    def wait_ready(self, demand: Callable[[], None] = lambda: None) -> None:
        """Wait until every component's rollout is over. Raises `WaitError` with the cause.

        `demand` raises when nobody waits any more.
        """

        def probe() -> None:
            demand()
            pods = self.objects.list("Pod").objects
            deployments = {name_of(item): item for item in self.objects.list("Deployment").objects}
            slices = self.objects.list("EndpointSlice").objects
            for part in self.target.components.values():
                lacking = unfinished_reason(deployments.get(part.deployment), pods, slices, part)
                if lacking:
                    raise NotYet(f"Deployment/{part.deployment}: {lacking}")

        eventually(
            "every pod of the release to be Ready",
            probe,
            RELEASE_READY,
            cause=lambda: diagnosis.current_cause(self.objects),
        )


def run_values(provisioner: Provisioner, target: Target, hidden: Mapping[str, str]) -> dict[str, Any]:
    """What only the run knows, and the target's overrides for a small cluster, nested as the chart's values are."""
    images, database = provisioner.loaded_images(), provisioner.database()
    public_url = service_url(target, "frontend") if "frontend" in target.components else "http://localhost:3000"
    known = {
        "database_url": database.url,
        "ca_certificate": database.ca,
        "model_base_url": provisioner.model().base_url,
        "public_url": public_url,
        # Two, so that a list that is read wrongly shows.
        "cors_origins": f"{public_url},http://localhost:3000",
        "namespace": target.chart.namespace,
        "extra_config": ROUND_TRIP,
        **hidden,
    }
    changes = {**target.overrides, **values_by_path(target, known)}
    for name, part in target.components.items():
        changes |= {
            path: value
            for path, value in (
                (part.values.image_repository, images[name].repository),
                (part.values.image_tag, images[name].tag),
            )
            if path
        }
    return set_paths(target.chart.values, changes)


def run_secrets(target: Target, values: Mapping[str, Any] | None) -> dict[str, str]:
    """The run's random secrets by the names of the target's `[values]`; those of a kept release, if it has them."""
    fresh = {"auth_secret": secrets.token_urlsafe(48), "model_key": f"sk-proj-{secrets.token_urlsafe(32)}"}
    paths = target.values.model_dump()
    return {name: str(at(values or {}, paths[name] or "") or value) for name, value in fresh.items()}


def install(provisioner: Provisioner, target: Target, redact: Callable[[str], None]) -> Release:
    """`helm upgrade --install` with the run's values; a kept release that is the same already is left as it is.

    Raises `ToolchainError` with helm's own words.
    """
    cluster = provisioner.cluster()
    helm = Helm(cluster, target.chart.release, target.chart.namespace)
    hidden = run_secrets(target, helm.values() if provisioner.run.reused else None)
    for secret in hidden.values():
        redact(secret)
    values = run_values(provisioner, target, hidden)
    objects = Objects(cluster.api, target.chart.namespace)
    if provisioner.run.reused and helm.values() == values and chart_is_unchanged(provisioner, target):
        return Release(target, cluster, helm, objects, values)
    wait_resolving(cluster, provisioner.raise_if_closing)
    release = Release(target, cluster, helm, objects, values, installed_at=time.monotonic())
    release.upgrade()
    (provisioner.run.folder / "chart").write_text(cache.digest(target.chart_path), encoding="ascii")
    return release


def wait_resolving(cluster: Cluster, demand: Callable[[], None]) -> None:
    """Wait until the cluster has DNS, as every cluster that is given to users has.

    A container that ends for want of it is backed off, which would be laid to the chart. Raises `WaitError`;
    `demand` raises when nobody waits any more.
    """
    system = Objects(cluster.api, "kube-system")

    def probe() -> None:
        demand()
        found = endpoint_readiness(system.list("EndpointSlice").objects, DNS)
        if not any(found.values()):
            raise NotYet(f"Service/{DNS} has no ready endpoint, but {sorted(found)}")

    eventually("the cluster's DNS to be served", probe, DNS_UP)


def chart_is_unchanged(provisioner: Provisioner, target: Target) -> bool:
    """Whether the kept release was installed from the chart as it is now."""
    mark = provisioner.run.folder / "chart"
    return mark.is_file() and mark.read_text(encoding="ascii") == cache.digest(target.chart_path)


def adopt_release(provisioner: Provisioner, target: Target, redact: Callable[[str], None]) -> Release:
    """The release that the user's cluster has; it is only read.

    Raises `ToolchainError` where there is none, or where it is not what the target's chart makes of its values.
    """
    cluster = provisioner.cluster()
    chart = target.chart
    helm = Helm(cluster, chart.release, chart.namespace)
    values = helm.values()
    if values is None:
        raise ToolchainError(
            f"context {cluster.context} has no release {chart.release} in namespace {chart.namespace}: "
            "install it, or name release and namespace in the target's [chart]"
        )
    where = f"the release {chart.release} in namespace {chart.namespace} of context {cluster.context}"
    manifest = documents(helm.manifest())
    redact_credentials(where, target, values, [*manifest, *live_secret(cluster, target)], redact)
    if (name := first_difference(documents(helm.rendered(target.chart_path, values)), manifest)) is not None:
        raise ToolchainError(
            f"{where} was not installed from the target's chart as it is: {name} differs; "
            "upgrade it with that chart, or name its own in the target's [chart]"
        )
    revision = helm.revision()
    back = f"helm rollback {chart.release} {revision} --namespace {chart.namespace} --kube-context {cluster.context}"
    run.update_record(provisioner.run, release=f"{where} is at its own values; if it is not: {back}")
    return Release(target, cluster, helm, Objects(cluster.api, chart.namespace), values)


def assert_values_unchanged(release: Release, provisioner: Provisioner) -> None:
    """Raises `ToolchainError` where the release has not the values any more with which it was found."""
    if release.helm.values() != release.values:
        raise ToolchainError(
            f"the release {release.helm.release} in namespace {release.helm.namespace} of context "
            f"{release.cluster.context} has not the values that it had before this run; see helm history"
        )
    run.update_record(provisioner.run, release=None)


def first_difference(wanted: Iterable[Object], there: Iterable[Object]) -> str | None:
    """`Kind/name` of the first object that one list has and the other has not, or has otherwise; None where none."""

    def keyed(items: Iterable[Object]) -> dict[tuple[str, ...], Object]:
        paths = ("apiVersion", "kind", "metadata.namespace", "metadata.name")
        return {tuple(text_at(item, path) for path in paths): item for item in items}

    left, right = keyed(wanted), keyed(there)
    for key, item in {**left, **right}.items():
        if left.get(key) != right.get(key):
            return object_ref(item)
    return None


def live_secret(cluster: Cluster, target: Target) -> list[Object]:
    """The release's Secret as the cluster has it, which need not be the chart's; nothing where there is none."""
    name = ("secret", target.secret.name, "--namespace", target.chart.namespace)
    text = cluster.kubectl("get", *name, "--ignore-not-found", "--output", "json")
    return [json.loads(text)] if text.strip() else []


def redact_credentials(
    where: str, target: Target, values: Mapping[str, Any], objects: Iterable[Object], redact: Callable[[str], None]
) -> None:
    """Hide the credentials among the values, and all that a Secret among the objects holds.

    Raises `ToolchainError` for a credential too short to be hidden; what else of a Secret is as short is no secret.
    """
    paths, names = target.values, target.secret
    sure = [at(values, path) for path in (paths.database_url, paths.auth_secret, paths.model_key) if path]
    for item in objects:
        for key, text in secret_items(item):
            if key in (names.database_url, names.auth_secret, names.model_key):
                sure.append(text)
            else:
                with suppress(ValueError):
                    redact(text)
    for text in sure:
        if isinstance(text, str) and text:
            try:
                redact(text)
            except ValueError as error:
                raise ToolchainError(
                    f"{where} has a credential of fewer than {MINIMUM_LENGTH} characters, which can't be kept out of "
                    "what the run leaves: give it a longer one"
                ) from error


def secret_items(item: Object) -> Iterator[tuple[str, str]]:
    """Keys and values of a Secret, decoded; nothing of another object."""
    if item.get("kind") != "Secret":
        return
    for key, text in mapping_at(item, "stringData").items():
        yield key, str(text)
    for key, text in mapping_at(item, "data").items():
        with suppress(binascii.Error):
            yield key, base64.b64decode(str(text)).decode("utf-8", "replace")
