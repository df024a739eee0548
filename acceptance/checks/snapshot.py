"""What is read once and asserted many times: a rendered chart, a live release, or built images.

One shape for every level, so that one check serves them all. Nothing here is changed after it was read; mutants
alter copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from acceptance.core.fields import Object, name_of, text_at

Origin = Literal["static", "image", "live"]
DEFAULTS = "defaults"
"""The name of the rendering of the chart's default values with the required secrets."""
ELSEWHERE = "default"
"""The release's namespace where the chart makes its own, which can't be the same."""


@dataclass(frozen=True)
class Rendering:
    """What Helm made of one set of values: objects and notes, or the error in its own words."""

    objects: tuple[Object, ...] = ()
    notes: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Dependency:
    """A line of `helm dependency list`; `status` is `ok` or `unpacked` where it resolves."""

    name: str
    version: str
    status: str


@dataclass(frozen=True)
class ChartState:
    """The chart's files, and what rendering it in several ways gave.

    `values` is what was rendered: the chart's own with the overrides merged in. `templates` holds text by path,
    subcharts' too. A rendering that the target has no value path for is None.
    """

    metadata: Object
    values: Object
    templates: Mapping[str, str]
    schema: Object | None
    values_files: Mapping[str, str]
    dockerfiles: Mapping[str, str]
    rendering: Rendering
    rerendering: Rendering
    """The same once more: it must be equal to `first`."""
    without_secrets: Rendering | None = None
    """Nothing but the defaults."""
    autoscaler_off: Rendering | None = None
    namespace_on: Rendering | None = None
    lint: tuple[str, ...] = ()
    """Complaints of `helm lint --strict`, without those that `first` has as its error."""
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True)
class ContainerFacts:
    """A running container as its process shows it on the node."""

    uid: int
    environment: Mapping[str, str]
    listening: frozenset[int]
    """TCP ports in state LISTEN in the pod's network namespace."""
    read_only_root: bool
    config_digest: str
    diff_ids: tuple[str, ...]


@dataclass(frozen=True)
class ClusterState:
    """What the cluster added to the release's objects: its own objects, and facts read on the node.

    `facts` is keyed by pod and container name, and None where the node can't be read. `refused` holds the API
    server's words for each object of the release that dryRun=All refuses. `logs` is keyed by pod.
    """

    pods: tuple[Object, ...] = ()
    replica_sets: tuple[Object, ...] = ()
    endpoint_slices: tuple[Object, ...] = ()
    nodes: tuple[Object, ...] = ()
    namespaces: tuple[Object, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    facts: Mapping[tuple[str, str], ContainerFacts] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """One layer: bytes as a registry holds it, and what made it."""

    diff_id: str
    compressed_bytes: int
    created_by: str = ""


@dataclass(frozen=True)
class ImageRun:
    """The image started alone without egress: what its health path answered, and how SIGTERM ended it."""

    health_status: int | None
    log_tail: str = ""
    term_seconds: float | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class ImageState:
    """A built image: its configuration as stored, its layers, and what was found in its files."""

    reference: str
    config: Object
    config_digest: str
    computed_digest: str
    """sha256 of the configuration's bytes."""
    layers: tuple[Layer, ...]
    computed_diff_ids: tuple[str, ...]
    """sha256 of each layer's content."""
    passwd: str = ""
    credentials: tuple[str, ...] = ()
    """Places in layers that hold what looks like a credential: `path: kind`."""
    run: ImageRun | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything a check may look at. `given` holds what the run itself put into the values, by Secret key
    and, for other values, by the target's name of the value."""

    source: Origin
    objects: tuple[Object, ...] = ()
    release_namespace: str = "default"
    variant: str = DEFAULTS
    injected_values: Mapping[str, str] = field(default_factory=dict)
    captured_at: datetime | None = None
    chart: ChartState | None = None
    cluster: ClusterState | None = None
    manifest_objects: tuple[Object, ...] = ()
    """Live: the objects as the release's manifest declares them."""
    images: Mapping[str, ImageState] = field(default_factory=dict)

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        kinds: dict[str, list[Object]] = {}
        for item in self.objects:
            kinds.setdefault(text_at(item, "kind"), []).append(item)
        return kinds

    def of_kind(self, *kinds: str) -> list[Object]:
        """The release's objects of these kinds, in their order."""
        return [item for kind in kinds for item in self._by_kind.get(kind, [])]

    def named(self, kind: str, name: str) -> Object | None:
        return next((item for item in self.of_kind(kind) if name_of(item) == name), None)

    def namespace_of(self, item: Object) -> str:
        """The object's namespace; the release's own where it names none."""
        return text_at(item, "metadata.namespace") or self.release_namespace

    @property
    def shipped(self) -> bool:
        """Whether the values are the chart's defaults, whose figures the target states."""
        return self.source == "static" and self.variant == DEFAULTS
