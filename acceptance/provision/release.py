"""The release under test, as the run installs it, and when it is ready."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import DNS_UP, RELEASE_READY
from acceptance.core.fields import Object, at, name_of, object_ref, text_at
from acceptance.core.target import Target
from acceptance.core.values import ROUND_TRIP, set_paths, values_by_path
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import diagnosis
from acceptance.kube.client import Objects
from acceptance.kube.helm import RefusedReleaseError
from acceptance.kube.manifests import documents, shipped
from acceptance.kube.status import endpoint_readiness, unfinished_reason
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import service_url
from acceptance.provision.helm import HelmRelease
from acceptance.provision.images import BuiltImage
from acceptance.provision.run import Run
from acceptance.provision.tool_pod import namespace_objects
from toolchain import cache

MODEL = "gpt-acceptance"
"""The model's name: not the default of any application."""
DNS = "kube-dns"
"""kubeadm's name for the Service, whichever DNS server is behind it."""


@dataclass(frozen=True)
class Release:
    """An installed release. `values` is what it was given beyond the chart's own, nested."""

    target: Target
    cluster: Cluster
    helm: HelmRelease
    objects: Objects
    values: dict[str, Any] = field(repr=False)
    installed_at: float | None = None
    """`time.monotonic` at the start of `helm install`; None where it was installed before."""

    @property
    def origin(self) -> str:
        """The origin at which browsers reach the frontend: the release's public URL, else its Service's."""
        path = self.target.values.public_url
        url = str((path and (at(self.values, path) or at(shipped(self.target.chart_path), path))) or "")
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else service_url(self.target, "frontend")

    def upgrade(self, changes: Mapping[str, Any] | None = None) -> None:
        """`helm upgrade` with the run's values and changes to them by dotted path; without changes to the baseline."""
        self.helm.upgrade(self.target.chart_path, set_paths(self.values, changes or {}))

    def wait_ready(self, raise_if_closing: Callable[[], None] = lambda: None) -> None:
        """Wait until every component's rollout is complete.

        Args:
            raise_if_closing: Raises when the result is no longer needed.

        Raises:
            WaitError: It did not complete in time, or can't; the message holds the cause.
        """

        def probe() -> None:
            raise_if_closing()
            pods = self.objects.list("Pod").objects
            deployments = {name_of(item): item for item in self.objects.list("Deployment").objects}
            slices = self.objects.list("EndpointSlice").objects
            for component in self.target.components.values():
                reason = unfinished_reason(deployments.get(component.deployment), pods, slices, component)
                if reason:
                    raise NotYet(f"Deployment/{component.deployment}: {reason}")

        def cause() -> str | None:
            return diagnosis.current_cause(self.objects)

        eventually("every pod of the release to be Ready", probe, RELEASE_READY, cause=cause)


@dataclass(frozen=True)
class ReleaseInputs:
    """What a release of the run is installed with."""

    images: Mapping[str, BuiltImage]
    """By component, on the node."""
    database_url: str = field(repr=False)
    database_ca: str
    """PEM."""
    model_base_url: str
    further_images: Mapping[str, BuiltImage] = field(default_factory=dict)
    """Of further workloads of the chart, by the repository that the target names; those that are to be set."""


def install(
    cluster: Cluster,
    target: Target,
    inputs: ReleaseInputs,
    redact: Callable[[str], None],
    raise_if_closing: Callable[[], None],
) -> Release:
    """Install the release with the run's values; a kept release that would be the same is left as it is.

    Args:
        cluster: The cluster, which need not serve DNS yet.
        target: What is under test.
        inputs: What only the run knows.
        redact: Called with every secret that is made.
        raise_if_closing: Raises when the result is no longer needed.

    Raises:
        ToolchainError: Helm refused; the message holds its words.
        Untested: The chart can't be installed in a namespace of the run.
    """
    run = cluster.run
    helm = HelmRelease(cluster, target.chart.release, target.chart.namespace)
    kept = helm.values() if run.reused else None
    random_secrets = run_secrets(target, kept)
    for secret in random_secrets.values():
        redact(secret)
    values = run_values(target, inputs, random_secrets)
    objects = Objects(cluster.api, target.chart.namespace)
    if kept == values and chart_is_unchanged(run, target):
        return Release(target, cluster, helm, objects, values)
    if not cluster.provider.creates_cluster:
        require_own_namespace(target, render(helm, target, values))
        cluster.apply(*namespace_objects(cluster, target.chart.namespace))
    wait_resolving(cluster, raise_if_closing)
    release = Release(target, cluster, helm, objects, values)
    installed_at = upgrade_or_replace(release, kept=kept is not None)
    (run.folder / "chart").write_text(cache.digest(target.chart_path), encoding="ascii")
    return replace(release, installed_at=installed_at)


def installed_in(target: Target, namespace: str) -> Target:
    """Return the target with another namespace, which every rendering of its chart has too."""
    values = set_paths(target.chart.values, values_by_path(target, {"namespace": namespace}))
    chart = target.chart.model_copy(update={"namespace": namespace, "values": values})
    return target.model_copy(update={"chart": chart})


def render(helm: HelmRelease, target: Target, values: Mapping[str, Any]) -> list[Object]:
    """Return the objects of a release as Helm renders them, in its order."""
    return documents(helm("template", helm.release, target.chart_path, "--values", "-", values=dict(values)))


def require_own_namespace(target: Target, objects: Iterable[Object]) -> None:
    """Raise `Untested` where the chart would put an object into another namespace, or make one."""
    own = target.chart.namespace
    for item in objects:
        place = name_of(item) if item.get("kind") == "Namespace" else text_at(item, "metadata.namespace", own)
        if place != own:
            raise Untested(
                f"the chart renders {object_ref(item)} into the namespace {place}, wherever it is installed, which "
                "is not this run's; name the value that changes that as values.namespace in the target"
            )


def upgrade_or_replace(release: Release, *, kept: bool) -> float:
    """Install or upgrade the release, and return when that began, by `time.monotonic`.

    A kept release of another chart may not be upgradable to this one, as where the selectors differ. That says nothing
    about the installation: it is uninstalled, and this one installed.

    Raises:
        RefusedReleaseError: Helm or the API server refused the installation.
    """
    start = time.monotonic()
    try:
        release.upgrade()
    except RefusedReleaseError:
        if not kept:
            raise
        release.helm.uninstall()
        start = time.monotonic()
        release.upgrade()
    return start


def run_values(target: Target, inputs: ReleaseInputs, random_secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what only the run knows and the target's overrides for a small cluster, nested as the chart's values."""
    public_url = service_url(target, "frontend") if "frontend" in target.components else "http://localhost:3000"
    known = {
        "public_url": public_url,
        # Two, so that a list that is parsed wrongly shows.
        "cors_origins": f"{public_url},http://localhost:3000",
        "extra_config": ROUND_TRIP,
        "model": MODEL,
        # The run makes the namespace, since Helm keeps its record of the release in it.
        "namespace_create": False,
    }
    changes = {
        **target.overrides,
        **values_by_path(target, known),
        **required_values(target, inputs, random_secrets),
    }
    for name, component in target.components.items():
        image, paths = inputs.images[name], component.values
        by_path = {paths.image_repository: image.repository, paths.image_tag: image.tag}
        changes |= {path: value for path, value in by_path.items() if path}
    return set_paths(target.chart.values, changes)


def required_values(target: Target, inputs: ReleaseInputs, random_secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what a release can't do without, by dotted path: credentials, CA, the model's place, further images."""
    images: dict[str | None, str] = {}
    for further in target.images:
        if built := inputs.further_images.get(further.repository):
            images |= {further.image_repository: built.repository, further.image_tag: built.tag}
    credentials = {"database_url": inputs.database_url, **random_secrets}
    known = {
        "ca_certificate": inputs.database_ca,
        "model_base_url": inputs.model_base_url,
        "namespace": target.chart.namespace,
        **{name: target.secret.as_given(text) for name, text in credentials.items()},
    }
    return values_by_path(target, known) | {path: value for path, value in images.items() if path}


def run_secrets(target: Target, values: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the run's random secrets by their names in the target's `[values]`; those of a kept release, if any.

    The signing key has the 32 characters that are enough.
    """
    fresh = {"auth_secret": secrets.token_urlsafe(24), "model_key": f"sk-proj-{secrets.token_urlsafe(32)}"}
    paths = target.values.model_dump()
    kept = {name: at(values or {}, paths[name] or "") for name in fresh}
    return {name: target.secret.from_given(str(kept[name])) if kept[name] else value for name, value in fresh.items()}


def wait_resolving(cluster: Cluster, raise_if_closing: Callable[[], None]) -> None:
    """Wait until a cluster of the run serves DNS, as every cluster does that users are given. Raises `WaitError`.

    A container that exits for want of DNS is restarted with a back-off, which would be blamed on the chart.
    """
    if not cluster.provider.creates_cluster:
        return
    system = Objects(cluster.api, "kube-system")

    def probe() -> None:
        raise_if_closing()
        found = endpoint_readiness(system.list("EndpointSlice").objects, DNS)
        if not any(found.values()):
            raise NotYet(f"Service/{DNS} has no ready endpoint, only {sorted(found)}")

    eventually("the cluster's DNS to be served", probe, DNS_UP)


def chart_is_unchanged(run: Run, target: Target) -> bool:
    """Whether the kept release was installed from the chart as it is now."""
    digest = run.folder / "chart"
    return digest.is_file() and digest.read_text(encoding="ascii") == cache.digest(target.chart_path)
