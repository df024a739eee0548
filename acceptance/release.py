"""The release under test: installed with what only the run knows, and when it is ready."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from acceptance import causes
from acceptance.checks.config_map import ROUND_TRIP
from acceptance.cluster import Cluster
from acceptance.deadlines import RELEASE_READY
from acceptance.fields import at, name_of
from acceptance.gateway import service_url
from acceptance.helm import Helm
from acceptance.objects import Objects
from acceptance.provision import Provision
from acceptance.rollout import unfinished
from acceptance.target import Target
from acceptance.values import given, put
from acceptance.wait import NotYet, eventually
from toolchain import cache


@dataclass(frozen=True)
class Release:
    """An installed release. `values` is what the run gave beyond the chart's own, nested."""

    target: Target
    cluster: Cluster
    helm: Helm
    objects: Objects
    values: dict[str, Any] = field(repr=False)
    begun: float | None = None
    """`time.monotonic` at the start of `helm install`; None where a kept release was found as it should be."""

    def upgrade(self, changes: Mapping[str, Any] | None = None) -> None:
        """`helm upgrade` with the run's values and changes to them by dotted path; none is back to the baseline."""
        self.helm.upgrade(self.target.chart_path, put(self.values, changes or {}))

    def wait_ready(self) -> None:
        """Wait until every component's rollout is over. Raises `WaitError` with the cause."""

        def probe() -> None:
            pods = self.objects.list("Pod").objects
            deployments = {name_of(item): item for item in self.objects.list("Deployment").objects}
            slices = self.objects.list("EndpointSlice").objects
            for part in self.target.components.values():
                lacking = unfinished(deployments.get(part.deployment), pods, slices, part)
                if lacking:
                    raise NotYet(f"Deployment/{part.deployment}: {lacking}")

        eventually(
            "every pod of the release to be Ready", probe, RELEASE_READY, cause=lambda: causes.standing(self.objects)
        )


def values_of_run(provision: Provision, target: Target, hidden: Mapping[str, str]) -> dict[str, Any]:
    """What only the run knows, and the target's overrides for a small cluster, nested as the chart's values are."""
    images, database = provision.loaded_images(), provision.database()
    public_url = service_url(target, "frontend") if "frontend" in target.components else "http://localhost:3000"
    known = {
        "database_url": database.url,
        "ca_certificate": database.ca,
        "model_base_url": provision.model().base_url,
        "public_url": public_url,
        # Two, so that a list that is read wrongly shows.
        "cors_origins": f"{public_url},http://localhost:3000",
        "namespace": target.chart.namespace,
        "extra_config": ROUND_TRIP,
        **hidden,
    }
    changes = {**target.overrides, **given(target, known)}
    for name, part in target.components.items():
        changes |= {
            path: value
            for path, value in (
                (part.values.image_repository, images[name].repository),
                (part.values.image_tag, images[name].tag),
            )
            if path
        }
    return put(target.chart.values, changes)


def secrets_of_run(target: Target, values: Mapping[str, Any] | None) -> dict[str, str]:
    """The run's random secrets by the names of the target's `[values]`; those of a kept release, if it has them."""
    fresh = {"auth_secret": secrets.token_urlsafe(48), "model_key": f"sk-proj-{secrets.token_urlsafe(32)}"}
    paths = target.values.model_dump()
    return {name: str(at(values or {}, paths[name] or "") or value) for name, value in fresh.items()}


def install(provision: Provision, target: Target, hide: Callable[[str], None]) -> Release:
    """`helm upgrade --install` with the run's values; a kept release that is the same already is left as it is.

    Raises `ToolchainError` with helm's own words.
    """
    cluster = provision.cluster()
    helm = Helm(cluster, target.chart.release, target.chart.namespace)
    hidden = secrets_of_run(target, helm.values() if provision.run.reused else None)
    for secret in hidden.values():
        hide(secret)
    values = values_of_run(provision, target, hidden)
    objects = Objects(cluster.api, target.chart.namespace)
    if provision.run.reused and helm.values() == values and chart_mark(provision, target):
        return Release(target, cluster, helm, objects, values)
    release = Release(target, cluster, helm, objects, values, begun=time.monotonic())
    release.upgrade()
    (provision.run.folder / "chart").write_text(cache.digest(target.chart_path), encoding="ascii")
    return release


def chart_mark(provision: Provision, target: Target) -> bool:
    """Whether the kept release was installed from the chart as it is now."""
    mark = provision.run.folder / "chart"
    return mark.is_file() and mark.read_text(encoding="ascii") == cache.digest(target.chart_path)
