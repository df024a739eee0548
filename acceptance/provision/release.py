"""The release under test, as the run installs it, and when it is ready."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import yaml

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import DNS_UP, RELEASE_READY
from acceptance.core.fields import Object, at, name_of, object_ref, text_at
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.values import ROUND_TRIP, credential_values, in_shipped_form, set_paths, values_by_path
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import diagnosis
from acceptance.kube.client import ApiServer, Objects
from acceptance.kube.existing_secrets import credentials_in, differs, existing_secrets
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
from toolchain.console import ToolchainError

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
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the target's existing Secrets hold, by placeholder; empty where they are not the run's."""
    installed_at: float | None = None
    """`time.monotonic` at the start of `helm install`; None where it was installed before."""

    @property
    def origin(self) -> str:
        """The origin at which browsers reach the frontend: the release's public URL, else its Service's."""
        path = self.target.values.public_url
        url = str((path and (at(self.values, path) or at(shipped(self.target.chart_path), path))) or "")
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else service_url(self.target, "frontend")

    def upgrade(self, changes: Mapping[str, Any] | None = None, credentials: Mapping[str, str] | None = None) -> None:
        """`helm upgrade` with the run's values and changes to them; without changes to the baseline.

        Args:
            changes: Further values by dotted path.
            credentials: Other credentials, by their names in the target's `[values]`.
        """
        replaced = self.put_secrets(credentials)
        given = {**(changes or {}), **credential_values(self.target, credentials or {})}
        self.helm.upgrade(self.target.chart_path, set_paths(self.values, given))
        self._restart_users(replaced)

    def rollback(self, revision: int | None = None) -> None:
        """`helm rollback`, and the run's own credentials in existing Secrets, which no rollback restores."""
        replaced = self.put_secrets()
        self.helm.rollback(revision)
        self._restart_users(replaced)

    def put_secrets(self, changes: Mapping[str, str] | None = None) -> set[str]:
        """Write the run's credentials, with changes by name, into the target's existing Secrets.

        Returns:
            The names of the Secrets that had other values before.
        """
        if not self.credentials or not self.target.existing_secrets:
            return set()
        server, namespace = ApiServer(self.cluster.api), self.target.chart.namespace
        wanted = existing_secrets(self.target, {**self.credentials, **(changes or {})})
        pairs = [(each, server.get(each, namespace)) for each in wanted]
        changed = [(each, actual) for each, actual in pairs if actual is None or differs(each, actual)]
        if any(actual is None for _, actual in changed):
            self.cluster.apply_manifest(yaml.safe_dump_all(namespace_objects(self.cluster, namespace)))
        for each, _ in changed:
            self.cluster.apply({**each, "metadata": {"name": name_of(each), "namespace": namespace}})
        return {name_of(each) for each, actual in changed if actual is not None}

    def _restart_users(self, secrets: Collection[str]) -> None:
        """Restart the Deployments whose pods name one of these Secrets: pods do not notice that it has changed."""
        users = [
            f"deployment/{name_of(item)}"
            for item in (self.objects.list("Deployment").objects if secrets else ())
            if any(json.dumps(name) in json.dumps(at(item, "spec.template.spec")) for name in secrets)
        ]
        if users:
            self.cluster.kubectl("rollout", "restart", *users, "--namespace", self.target.chart.namespace)

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
            deployments = self.objects.list("Deployment").by_name
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
        redact: Called with every secret that is created.
        raise_if_closing: Raises when the result is no longer needed.

    Raises:
        ToolchainError: Helm refused; the message holds its words.
        Untested: The chart can't be installed in a namespace of the run.
    """
    run = cluster.run
    helm = HelmRelease(cluster, target.chart.release, target.chart.namespace)
    kept = helm.values() if run.reused else None
    found = present_secrets(cluster, target) if kept is not None else []
    random_secrets = run_secrets(target, kept, credentials_in(target, found))
    for secret in random_secrets.values():
        redact(secret)
    values, credentials = run_values(target, inputs, random_secrets), run_credentials(inputs, random_secrets)
    release = Release(target, cluster, helm, Objects(cluster.api, target.chart.namespace), values, credentials)
    if kept == values and chart_is_unchanged(run, target) and not changes_secrets(release, found):
        return release
    if not cluster.provider.creates_cluster:
        require_own_namespace(target, render(helm, target, values))
        cluster.apply(*namespace_objects(cluster, target.chart.namespace))
    wait_resolving(cluster, raise_if_closing)
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
        ToolchainError: The kept release can't be removed, which says nothing about the installation either.
    """
    start = time.monotonic()
    try:
        release.upgrade()
    except RefusedReleaseError:
        if not kept:
            raise
        try:
            release.helm.uninstall()
        except RefusedReleaseError as error:
            raise ToolchainError(f"the release that a kept run has left can't be removed: {error.summary}") from error
        start = time.monotonic()
        release.upgrade()
    return start


def run_values(target: Target, inputs: ReleaseInputs, random_secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what only the run knows and the target's overrides for a small cluster, nested as the chart's values."""
    public_url = service_url(target, "frontend") if "frontend" in target.components else "http://localhost:3000"
    known = {
        "public_url": public_url,
        # Two, so that a list that is parsed wrongly shows.
        "cors_origins": in_shipped_form(
            f"{public_url},http://localhost:3000", at(shipped(target.chart_path), target.values.cors_origins or "")
        ),
        "extra_config": ROUND_TRIP,
        "model": MODEL,
        # The run creates the namespace, since Helm keeps its record of the release in it.
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
    known = run_credentials(inputs, random_secrets)
    known |= {name: target.secret.as_given(known[name]) for name in CREDENTIALS}
    known |= {"namespace": target.chart.namespace}
    return values_by_path(target, known) | {path: value for path, value in images.items() if path}


def run_credentials(inputs: ReleaseInputs, random_secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the run's credentials, and what they are for, by their names in the target's `[values]`."""
    return {
        "database_url": inputs.database_url,
        "ca_certificate": inputs.database_ca,
        "model_base_url": inputs.model_base_url,
        **random_secrets,
    }


def present_secrets(cluster: Cluster, target: Target, *further: str) -> list[Object]:
    """Return those of the target's existing Secrets that the cluster has, and of further ones by name.

    Raises:
        CommandError: They must not be read, or the API server does not answer.
    """
    found = []
    for name in dict.fromkeys([*further, *target.existing_data]):
        where = ("secret", name, "--namespace", target.chart.namespace)
        text = cluster.kubectl("get", *where, "--ignore-not-found", "--output", "json")
        found += [json.loads(text)] if text.strip() else []
    return found


def changes_secrets(release: Release, present: Iterable[Object]) -> bool:
    """Whether a Secret of the cluster lacks what the release's run puts into it."""
    by_name = {name_of(item): item for item in present}
    wanted = existing_secrets(release.target, release.credentials)
    return any(differs(each, by_name.get(name_of(each), {})) for each in wanted)


def run_secrets(
    target: Target, values: Mapping[str, Any] | None, existing: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the run's random secrets by their names in the target's `[values]`; those of a kept release, if any.

    The signing key has the 32 characters that are enough.

    Args:
        target: What is under test.
        values: The values of a kept release.
        existing: What the existing Secrets of a kept release hold, by the same names.
    """
    fresh = {"auth_secret": secrets.token_urlsafe(24), "model_key": f"sk-proj-{secrets.token_urlsafe(32)}"}
    paths = target.values.model_dump()
    kept = {name: at(values or {}, paths[name] or "") for name in fresh}
    given = {name: target.secret.from_given(str(kept[name])) for name in fresh if kept[name]}
    return {name: given.get(name) or (existing or {}).get(name) or value for name, value in fresh.items()}


def wait_resolving(cluster: Cluster, raise_if_closing: Callable[[], None]) -> None:
    """Wait until the run's own cluster serves DNS, as a cluster does before users get it. Raises `WaitError`.

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
    """Return whether the kept release was installed from the chart as it is now."""
    digest = run.folder / "chart"
    return digest.is_file() and digest.read_text(encoding="ascii") == cache.digest(target.chart_path)
